// The configuration in force, and where each value comes from.

import { api } from './api.js';
import { h, show } from './dom.js';
import { plural } from './format.js';
import { table } from './parts.js';
import { about, page } from './shell.js';

const isTable = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

// Where a value comes from, in words.
function origin(found) {
  if (!found) return 'default';
  if (typeof found === 'string') return found;
  if (found.file) return found.line ? `${found.file}, line ${found.line}` : found.file;
  if (found.variable) return `variable ${found.variable}`;
  if (found.flag) return `flag ${found.flag}`;
  return found.words ?? found.kind ?? JSON.stringify(found);
}

// Settings as `{name, value, origin}`, whether they come as a list or as tables inside each other.
export function settings(answer) {
  const listed = answer.data ?? answer.settings;
  if (Array.isArray(listed)) {
    return listed.map((one) => ({
      name: one.name ?? one.key ?? one.setting,
      value: one.value,
      origin: origin(one.origin),
    }));
  }
  const found = [];
  const walk = (value, name) => {
    if (isTable(value) && Object.keys(value).length) {
      for (const [part, inner] of Object.entries(value))
        walk(inner, name ? `${name}.${part}` : part);
    } else found.push({ name, value, origin: origin(answer.origins?.[name]) });
  };
  walk(answer.config ?? answer, '');
  return found;
}

const text = (value) =>
  typeof value === 'string'
    ? value
    : value === null || value === undefined
      ? '–'
      : JSON.stringify(value);

function groups(found) {
  const sections = new Map();
  for (const one of found) {
    const name = one.name.split(/[.[]/)[0];
    sections.set(name, [...(sections.get(name) ?? []), one]);
  }
  if (sections.size === 0)
    return h('p', { class: 'empty' }, 'No setting has that in its name, value or origin.');
  return [...sections].map(([name, members]) =>
    h(
      'details',
      { class: 'card', open: true },
      h(
        'summary',
        null,
        h('h2', { class: 'inline' }, name),
        ' ',
        h('span', { class: 'faint' }, plural(members.length, 'setting')),
      ),
      table(
        [
          ['Setting', (one) => h('code', null, one.name)],
          ['Value', (one) => h('code', null, text(one.value))],
          [
            'From',
            (one) =>
              one.origin === 'default'
                ? h('span', { class: 'faint' }, 'default')
                : h('b', null, one.origin),
          ],
        ],
        members,
        { caption: `Settings of ${name}` },
      ),
    ),
  );
}

page(async () => {
  about(
    'What this relay runs with. It is changed in relay.toml, by variables and by flags; secrets are not shown.',
  );
  const found = settings(await api.get('config'));
  const place = h('div');
  const told = h('p', { class: 'faint', role: 'status' });
  const search = h('input', {
    type: 'search',
    autocomplete: 'off',
    spellcheck: 'false',
    placeholder: 'Search settings',
    'aria-label': 'Search settings',
    oninput: () => draw(),
  });
  const changed = h('input', { type: 'checkbox', id: 'changed', onchange: () => draw() });
  function draw() {
    const wanted = search.value.trim().toLowerCase();
    const shown = found.filter(
      (one) =>
        (!wanted ||
          `${one.name} ${text(one.value)} ${one.origin}`.toLowerCase().includes(wanted)) &&
        (!changed.checked || one.origin !== 'default'),
    );
    told.textContent = `${shown.length} of ${plural(found.length, 'setting')}`;
    show(place, groups(shown));
  }
  draw();
  return [
    h('div', { class: 'finder' }, search, told),
    h(
      'p',
      { class: 'field checkbox' },
      changed,
      h('label', { for: 'changed' }, 'Only what is not the default'),
    ),
    place,
  ];
});
