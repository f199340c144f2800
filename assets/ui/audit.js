// The audit log: who changed what, from where.

import { api } from './api.js';
import { h, show } from './dom.js';
import { field, form } from './forms.js';
import { id, moment, plural } from './format.js';
import { button, card, notice, pages, pill, table } from './parts.js';
import { about, page } from './shell.js';

const PAGE = 250;

const DEEDS = {
  change: 'changed',
  'sign-in': 'signed in',
  'sign-out': 'signed out',
  'failed-sign-in': 'failed to sign in',
  'link-redeemed': 'followed a sign-in link',
};

// Headings of the file, and the fields of an entry.
const CSV = [
  ['time', 'timestamp'],
  ['what', 'what'],
  ['who', 'who'],
  ['name', 'name'],
  ['method', 'method'],
  ['route', 'route'],
  ['path', 'path'],
  ['address', 'address'],
  ['by_session', 'bySession'],
  ['session_id', 'sessionId'],
  ['detail', 'detail'],
  ['request_id', 'requestId'],
  ['id', 'id'],
];

function who(entry) {
  return entry.name ? [entry.name, ' ', id(entry.who)] : id(entry.who ?? '–');
}

function what(entry) {
  const tone = entry.what === 'failed-sign-in' ? 'bad' : 'calm';
  const deed =
    entry.what && entry.what !== 'change'
      ? [pill(DEEDS[entry.what] ?? entry.what, tone), ' ']
      : null;
  const call = [entry.method, entry.path ?? entry.route].filter(Boolean).join(' ');
  return [
    deed,
    call ? h('code', { title: entry.route }, call) : null,
    entry.detail ? [' ', entry.detail] : null,
  ];
}

// A cell that a spreadsheet takes as text, whatever it begins with.
export function cell(value) {
  const text = String(value ?? '');
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function wanted(values) {
  const iso = (text) => (text ? new Date(text).toISOString() : undefined);
  const after = iso(values.after);
  // With a beginning alone the list would go forward from it: from now back to it is what is meant.
  return {
    who: values.who,
    after,
    before: iso(values.before) ?? (after && new Date().toISOString()),
  };
}

// Every entry of the filter, page by page, as a file.
async function download(filter, told) {
  const lines = [CSV.map(([heading]) => heading).join(',')];
  let iterator;
  do {
    const found = await api.get('audit-log', { ...filter, limit: PAGE, iterator });
    for (const entry of found.data) lines.push(CSV.map(([, name]) => cell(entry[name])).join(','));
    iterator = found.done ? null : found.iterator;
    show(told, `${plural(lines.length - 1, 'entry', 'entries')} read${iterator ? ' …' : '.'}`);
  } while (iterator);
  const url = URL.createObjectURL(new Blob([`${lines.join('\r\n')}\r\n`], { type: 'text/csv' }));
  h('a', {
    href: url,
    download: `relay-audit-${new Date().toISOString().slice(0, 10)}.csv`,
  }).click();
  URL.revokeObjectURL(url);
  notice(`${plural(lines.length - 1, 'entry', 'entries')} in the file.`);
}

page(async () => {
  about(
    'Every change made through the API, and every sign-in. Accepted messages are not among it.',
  );
  let filter = {};
  const list = pages(
    (iterator) => api.get('audit-log', { ...filter, limit: 50, iterator }),
    (rows) =>
      table(
        [
          ['When', (entry) => h('time', { datetime: entry.timestamp }, moment(entry.timestamp))],
          ['Who', who],
          ['What', what],
          [
            'From',
            (entry) => [
              entry.address ?? '–',
              entry.bySession ? h('span', { class: 'faint' }, ', in a browser') : null,
            ],
            'keep',
          ],
          ['Request', (entry) => (entry.requestId ? id(entry.requestId) : '–')],
        ],
        rows,
        { caption: 'Audit log', empty: 'No entry. Every change from now on stands here.' },
      ),
  );
  const told = h('span', { role: 'status', class: 'faint' });
  const ask = form(
    [
      field('who', 'Who', { placeholder: 'name or id of a key' }),
      field('after', 'After', { kind: 'datetime-local' }),
      field('before', 'Before', { kind: 'datetime-local' }),
    ],
    'Filter',
    (values) => {
      filter = wanted(values);
      return list.again();
    },
    { kind: 'row' },
  );
  await list.ready;
  return card(
    null,
    ask,
    list,
    h(
      'p',
      { class: 'actions' },
      button('Download as CSV', () => download(filter, told), { kind: 'plain' }),
      told,
    ),
  );
});
