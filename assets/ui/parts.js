// What pages are put together from.

import { byId, h, show } from './dom.js';
import { number } from './format.js';

const TONES = {
  good: [
    'delivered',
    'success',
    'healthy',
    'accepted',
    'active',
    'ready',
    'finished',
    'ok',
    'running',
  ],
  warn: [
    'waiting',
    'pending',
    'retrying',
    'sending',
    'paused',
    'parked',
    'throttled',
    'held',
    'inspect',
    'inspected',
    'deprecated',
  ],
  bad: ['dead', 'fail', 'failed', 'failing', 'refused', 'exhausted', 'rejected', 'gone', 'expired'],
};

const tone = (word) => Object.keys(TONES).find((name) => TONES[name].includes(word)) ?? 'calm';

// A state in a word, with a colour that says the same.
export function pill(word, kind = tone(word)) {
  return h('span', { class: `pill ${kind}` }, String(word).replaceAll('_', ' '));
}

// One figure with its name.
export function figure(name, value, { tone: kind, note, href } = {}) {
  const shown = typeof value === 'number' ? number(value) : value;
  const inner = [
    h('dt', null, name),
    h('dd', { class: kind ?? '' }, href ? h('a', { href }, shown) : shown),
  ];
  return h('div', { class: 'figure' }, inner, note ? h('dd', { class: 'note' }, note) : null);
}

export const figures = (...list) => h('dl', { class: 'figures' }, list);

export function card(title, ...children) {
  return h('section', { class: 'card' }, title ? h('h2', null, title) : null, children);
}

// A table from rows: columns are `[heading, row => content, class]`. On a phone a row is a block.
export function table(columns, rows, { empty = 'Nothing here.', caption } = {}) {
  if (rows.length === 0) return h('p', { class: 'empty' }, empty);
  const head = columns.map(([heading]) =>
    h('th', { scope: 'col' }, heading || h('span', { class: 'hidden' }, 'Further')),
  );
  const body = rows.map((row) =>
    h(
      'tr',
      null,
      columns.map(([heading, content, kind]) =>
        h('td', { 'data-heading': heading, class: kind ?? '' }, content(row)),
      ),
    ),
  );
  return h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption ?? 'Table' },
    h(
      'table',
      null,
      caption ? h('caption', { class: 'hidden' }, caption) : null,
      h('thead', null, h('tr', null, head)),
      h('tbody', null, body),
    ),
  );
}

// A list that is read page by page; `load(iterator)` gives a page, `draw(items)` shows all so far.
export function pages(load, draw) {
  const place = h('div', { 'aria-live': 'off' });
  const more = h('button', { type: 'button', class: 'plain', hidden: true }, 'Show more');
  let items = [];
  let iterator = null;
  async function next() {
    more.disabled = true;
    try {
      const page = await load(iterator);
      items = items.concat(page.data);
      iterator = page.iterator;
      show(place, draw(items, page));
      more.hidden = page.done || !iterator;
    } catch (error) {
      show(place, draw(items, null), problem(error));
    } finally {
      more.disabled = false;
    }
  }
  more.addEventListener('click', next);
  const element = h('div', null, place, h('p', null, more));
  element.ready = next();
  element.again = () => {
    items = [];
    iterator = null;
    return next();
  };
  return element;
}

// What went wrong, in the server's words.
export function problem(error) {
  return h('p', { class: 'problem', role: 'alert' }, error.message || String(error));
}

// Tells of something that was done, or not.
export function notice(words, kind = 'good') {
  const place = byId('notices');
  const shown = h(
    'p',
    { class: `notice ${kind}` },
    words,
    h(
      'button',
      { type: 'button', class: 'close', 'aria-label': 'Close', onclick: () => shown.remove() },
      '×',
    ),
  );
  place.append(shown);
  setTimeout(() => shown.remove(), kind === 'bad' ? 20_000 : 6_000);
}

// A button that does something once at a time and says when it fails.
export function button(words, action, { kind = '', ...attributes } = {}) {
  const element = h('button', { type: 'button', class: kind, ...attributes }, words);
  // Disabled it would lose the keyboard, and a dialog that it opens could not give it back.
  element.addEventListener('click', async () => {
    if (element.hasAttribute('aria-busy')) return;
    element.setAttribute('aria-busy', 'true');
    element.setAttribute('aria-disabled', 'true');
    try {
      await action(element);
    } catch (error) {
      notice(error.message, 'bad');
    } finally {
      element.removeAttribute('aria-busy');
      element.removeAttribute('aria-disabled');
    }
  });
  return element;
}

export function copy(text, words = 'Copy') {
  return button(
    words,
    async () => {
      await navigator.clipboard.writeText(text);
      notice('Copied.');
    },
    { kind: 'plain small' },
  );
}

// Text that somebody sent: never more than text, and not all of it at once when it is long.
export function code(text, { most = 20_000, label = 'Content' } = {}) {
  const part = h(
    'pre',
    { class: 'code', tabindex: '0', role: 'region', 'aria-label': label },
    text.slice(0, most),
  );
  if (text.length <= most) return part;
  const rest = button(
    `Show all ${number(text.length)} characters`,
    () => {
      part.textContent = text;
      rest.remove();
    },
    { kind: 'plain small' },
  );
  return h('div', null, part, rest);
}

// Names and values.
export function facts(list) {
  const shown = list.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return h(
    'dl',
    { class: 'facts' },
    shown.map(([name, value]) => [h('dt', null, name), h('dd', null, value)]),
  );
}

// Tabs: `[[name, words, () => content], …]`; the one in the address's fragment is open.
export function tabs(list) {
  const panel = h('div', { role: 'tabpanel', id: 'panel', tabindex: '0' });
  const heads = list.map(([name, words]) =>
    h(
      'button',
      {
        type: 'button',
        role: 'tab',
        id: `tab-${name}`,
        'aria-controls': 'panel',
        onclick: () => open(name, true),
      },
      words,
    ),
  );
  function open(name, chosen) {
    const at = Math.max(
      0,
      list.findIndex(([known]) => known === name),
    );
    heads.forEach((head, number) => {
      head.setAttribute('aria-selected', String(number === at));
      head.tabIndex = number === at ? 0 : -1;
    });
    panel.setAttribute('aria-labelledby', `tab-${list[at][0]}`);
    if (chosen) history.replaceState(null, '', `#${list[at][0]}`);
    show(panel, list[at][2]());
  }
  const bar = h(
    'div',
    {
      role: 'tablist',
      class: 'tabs',
      onkeydown: (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const at = heads.indexOf(document.activeElement);
        const next = (at + step + heads.length) % heads.length;
        heads[next].focus();
        open(list[next][0], true);
      },
    },
    heads,
  );
  open(location.hash.slice(1), false);
  return h('div', null, bar, panel);
}
