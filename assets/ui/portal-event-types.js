// The catalogue: what the application can tell.

import { api, path } from './api.js';
import { h, show } from './dom.js';
import { field } from './forms.js';
import { card, code, pill, tabs } from './parts.js';
import { catalogue, grouped, matching } from './portal-parts.js';
import { at } from './portal-place.js';

function row(type) {
  return h(
    'li',
    null,
    h('a', { href: at({ view: 'event-type', name: type.name }) }, h('code', null, type.name)),
    type.deprecated ? [' ', pill('deprecated')] : null,
    type.description ? h('p', { class: 'faint' }, type.description) : null,
  );
}

export async function eventTypes(values, page) {
  page.title('Event types');
  page.about('What the application can tell your endpoints.');
  const types = await catalogue({});
  const place = h('div', { 'aria-live': 'polite' });
  const draw = (text) => {
    const found = grouped(matching(types, text));
    show(
      place,
      found.map(([name, list]) => card(name, h('ul', { class: 'types' }, list.map(row)))),
      found.length
        ? null
        : h(
            'p',
            { class: 'empty' },
            types.length ? 'Nothing fits.' : 'The catalogue is empty so far.',
          ),
    );
  };
  const search = field('search', 'Search', {
    kind: 'search',
    oninput: (event) => draw(event.target.value),
  });
  draw('');
  return [types.length ? search : null, place];
}

// The newest version is the first.
const versions = (type) =>
  Object.keys(type.schemas ?? {}).sort((one, two) => Number(two) - Number(one));

function version(type, name) {
  const { examples, example, ...schema } = type.schemas[name];
  const shown = examples ?? (example === undefined ? [] : [example]);
  return [
    shown.map((one) => [
      h('h2', null, 'Example'),
      code(JSON.stringify(one, null, 2), { label: 'Example' }),
    ]),
    h('h2', null, 'Schema'),
    code(JSON.stringify(schema, null, 2), { label: 'Schema' }),
  ];
}

export async function eventType(values, page) {
  const type = await api.get(path`event-type/${values.name ?? ''}`);
  page.title(type.name);
  page.about(
    type.description || 'An event type.',
    type.deprecated ? [' ', pill('deprecated')] : null,
    type.archived ? [' ', pill('archived')] : null,
  );
  const known = versions(type);
  const back = h('p', null, h('a', { href: at({ view: 'event-types' }) }, 'All event types'));
  if (known.length === 0)
    return [h('p', { class: 'empty' }, 'Nothing more is said of what it holds.'), back];
  const one =
    known.length === 1
      ? card(null, version(type, known[0]))
      : tabs(
          known.map((name) => [`version-${name}`, `Version ${name}`, () => version(type, name)]),
        );
  return [one, back];
}
