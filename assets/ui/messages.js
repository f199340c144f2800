// Finding a message: by an id, an event id, its type, channel, tag, time, state, or text in it.

import { api } from './api.js';
import { h, to } from './dom.js';
import { field, form, read } from './forms.js';
import { id, moment, number, when } from './format.js';
import { pages, pill, table } from './parts.js';
import { about, page } from './shell.js';

const SPANS = [
  ['', 'Any time'],
  ['1', 'Last hour'],
  ['24', 'Last day'],
  ['168', 'Last week'],
];
const STATES = [
  ['', 'Any'],
  ['0', 'Delivered'],
  ['1', 'Waiting'],
  ['2', 'Dead'],
  ['4', 'Cancelled'],
];
const WORDS = {
  success: 'delivered',
  pending: 'waiting',
  sending: 'sending',
  fail: 'dead',
  canceled: 'cancelled',
};

const asked = Object.fromEntries(new URLSearchParams(location.search));

function states(counts) {
  const list = Object.entries(counts ?? {}).filter(([, count]) => count > 0);
  if (list.length === 0) return h('span', { class: 'faint' }, 'nobody wanted it');
  return list.map(([status, count]) => [
    pill(
      count > 1 ? `${number(count)} ${WORDS[status] ?? status}` : (WORDS[status] ?? status),
      undefined,
    ),
    ' ',
  ]);
}

function found(items, last) {
  const list = table(
    [
      [
        'Event',
        (row) => [
          h('a', { href: to('applications', row.appId, 'messages', row.id) }, row.eventType),
          row.match?.excerpt ? h('p', { class: 'mono faint' }, row.match.excerpt) : null,
        ],
      ],
      ['Application', (row) => h('a', { href: to('applications', row.appId) }, row.appName)],
      ['Deliveries', (row) => states(row.deliveries)],
      ['Event id', (row) => row.eventId ?? '–'],
      ['Id', (row) => id(row.id)],
      ['Accepted', (row) => when(row.timestamp)],
    ],
    items,
    {
      empty:
        'Nothing found. A text is looked for in the last day only, unless a longer time is chosen.',
      caption: 'Messages',
    },
  );
  const looked =
    last && !last.done && last.searchedTo
      ? h('p', { class: 'faint' }, `Looked back to ${moment(last.searchedTo)}.`)
      : null;
  return [list, looked];
}

function values(form) {
  const { q, app, event_types: types, channel, tag, status, hours } = form;
  const after = hours ? new Date(Date.now() - Number(hours) * 3_600_000).toISOString() : '';
  return { q, app, event_types: types ? types.split(/[\s,]+/) : '', channel, tag, status, after };
}

page(async () => {
  about(
    'Every message, newest first: what was accepted from applications and what came to sources.',
  );
  let list;
  const search = form(
    [
      field('q', 'Id, event id or text', {
        kind: 'search',
        value: asked.q,
        placeholder: 'msg_…, evt_…, or words of the body',
      }),
      field('app', 'Application', { value: asked.app, placeholder: 'any' }),
      field('event_types', 'Event type', { value: asked.event_types, placeholder: 'any' }),
      field('channel', 'Channel', { value: asked.channel }),
      field('tag', 'Tag', { value: asked.tag }),
      field('status', 'State', { kind: 'select', options: STATES, value: asked.status ?? '' }),
      field('hours', 'Time', { kind: 'select', options: SPANS, value: asked.hours ?? '' }),
    ],
    'Search',
    async (given) => {
      // The address says what was looked for: it can be sent to somebody.
      const words = new URLSearchParams(Object.entries(given).filter(([, value]) => value));
      history.replaceState(null, '', `?${words}`);
      await list.again();
    },
    { kind: 'row' },
  );
  list = pages(
    (iterator) => api.get('message-search', { ...values(read(search)), iterator, limit: 50 }),
    found,
  );
  await list.ready;
  return [search, list];
});
