// Which event types an endpoint is sent: all of them, some of the catalogue, or patterns.

import { h, show } from './dom.js';
import { list } from './forms.js';
import { plural } from './format.js';
import { pill } from './parts.js';
import { grouped, matching } from './portal-parts.js';

function choice(name, checked, words, changed) {
  const input = h('input', {
    type: 'radio',
    name: 'which',
    id: `which-${name}`,
    checked,
    onchange: changed,
  });
  return {
    input,
    element: h('p', { class: 'choice' }, input, h('label', { for: `which-${name}` }, words)),
  };
}

function box(type, chosen, changed) {
  const input = h('input', {
    type: 'checkbox',
    id: `type-${type.name}`,
    checked: chosen.has(type.name),
    onchange: () => {
      if (input.checked) chosen.add(type.name);
      else chosen.delete(type.name);
      changed();
    },
  });
  return h(
    'li',
    { class: 'choice' },
    input,
    h(
      'label',
      { for: `type-${type.name}` },
      h('code', null, type.name),
      type.deprecated ? [' ', pill('deprecated')] : null,
      type.description ? h('span', { class: 'faint' }, ` ${type.description}`) : null,
    ),
  );
}

function group([name, types], chosen, open, changed) {
  const words = h('span');
  const count = () => {
    const picked = types.filter((type) => chosen.has(type.name)).length;
    const how = picked ? `${picked} of ${types.length}` : plural(types.length, 'type');
    words.textContent = `${name} (${how})`;
  };
  count();
  const boxes = types.map((type) =>
    box(type, chosen, () => {
      count();
      changed();
    }),
  );
  const every = h(
    'button',
    {
      type: 'button',
      class: 'plain small',
      onclick: () => {
        const set = !types.every((type) => chosen.has(type.name));
        for (const one of boxes.map((item) => item.querySelector('input')))
          if (one.checked !== set) one.click();
      },
    },
    'All or none',
  );
  return h(
    'details',
    { open: open || types.some((type) => chosen.has(type.name)) },
    h('summary', null, words),
    h('div', { class: 'group' }, every, h('ul', { class: 'types' }, boxes)),
  );
}

// A part of a form; `chosen()` is what the API takes: a list, or null for every event type.
export function chooser(types, present) {
  const known = new Set(types.map((type) => type.name));
  const shown = types.filter((type) => !type.archived || present?.includes(type.name));
  const chosen = new Set((present ?? []).filter((name) => known.has(name)));
  const others = (present ?? []).filter((name) => !known.has(name));
  const told = h('p', { class: 'faint', role: 'status' });
  const tell = () => {
    told.textContent = chosen.size
      ? `Chosen: ${plural(chosen.size, 'event type')}.`
      : 'None of the list is chosen.';
  };
  const groups = h('div', {
    class: 'groups',
    tabindex: '0',
    role: 'region',
    'aria-label': 'The catalogue',
  });
  const draw = (text) => {
    const left = grouped(matching(shown, text));
    show(
      groups,
      left.map((one) => group(one, chosen, text !== '' || left.length === 1, tell)),
      left.length
        ? null
        : h('p', { class: 'empty' }, shown.length ? 'Nothing fits.' : 'The catalogue is empty.'),
    );
  };
  const search = h('input', {
    type: 'search',
    id: 'types-search',
    autocomplete: 'off',
    oninput: () => draw(search.value),
  });
  const patterns = h('input', {
    type: 'text',
    id: 'types-patterns',
    autocomplete: 'off',
    spellcheck: 'false',
    'aria-describedby': 'types-hint',
    value: others.join(', '),
  });
  const some = h(
    'div',
    { class: 'some', hidden: !present },
    h(
      'div',
      { class: 'field' },
      h('label', { for: 'types-search' }, 'Search the catalogue'),
      search,
    ),
    groups,
    told,
    h(
      'div',
      { class: 'field' },
      h('label', { for: 'types-patterns' }, 'Patterns, or names of your own'),
      patterns,
      h(
        'p',
        { class: 'faint', id: 'types-hint' },
        h('code', null, 'invoice.*'),
        ' is every type with one word behind the dot, ',
        h('code', null, 'invoice.**'),
        ' with any number; commas between.',
      ),
    ),
  );
  const changed = () => {
    some.hidden = !only.input.checked;
  };
  const every = choice('every', !present, 'Every event type, also those that come later', changed);
  const only = choice('some', Boolean(present), 'Only these', changed);
  draw('');
  tell();
  const element = h(
    'fieldset',
    { class: 'field' },
    h('legend', null, 'Event types'),
    every.element,
    only.element,
    some,
  );
  return {
    element,
    chosen() {
      if (every.input.checked) return null;
      const found = [...new Set([...chosen, ...(list(patterns.value) ?? [])])];
      if (found.length === 0)
        throw new Error('Event types: choose one at least, or every event type.');
      return found;
    },
  };
}
