// The audit log: who changed what, from where.

import { api } from './api.js';
import { h, show } from './dom.js';
import { field, form } from './forms.js';
import { moment, plural, when } from './format.js';
import { button, card, notice, pages, pill, table } from './parts.js';
import { about, page } from './shell.js';

const PAGE = 250;

// Columns: heading, plain text of an entry.
const who = (entry) => {
  const found = entry.who ?? entry.actor;
  if (typeof found === 'string') return found;
  const name = found?.name ?? entry.name ?? found?.kind ?? entry.kind;
  const id = found?.id ?? found?.keyId ?? entry.keyId ?? found?.appId ?? entry.appId;
  return [name, id && id !== name ? `(${id})` : null].filter(Boolean).join(' ') || '–';
};
const time = (entry) => entry.timestamp ?? entry.time ?? entry.at ?? entry.createdAt;
const address = (entry) => entry.client ?? entry.address ?? entry.clientAddress ?? entry.ip ?? '';
const what = (entry) => [entry.method, entry.route ?? entry.event ?? entry.action].filter(Boolean).join(' ');

const CSV = [
  ['time', time], ['who', who], ['method', (entry) => entry.method], ['route', (entry) => entry.route ?? entry.event ?? entry.action],
  ['path', (entry) => entry.path], ['address', address], ['status', (entry) => entry.status ?? entry.outcome], ['request_id', (entry) => entry.requestId], ['id', (entry) => entry.id],
];

// A cell that a spreadsheet takes as text, whatever it begins with.
export function cell(value) {
  const text = String(value ?? '');
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function wanted(values) {
  const iso = (text) => (text ? new Date(text).toISOString() : undefined);
  return { who: values.who, after: iso(values.after), before: iso(values.before) };
}

// Every entry of the filter, page by page, as a file.
async function download(filter, told) {
  const lines = [CSV.map(([heading]) => heading).join(',')];
  let iterator;
  do {
    const found = await api.get('audit-log', { ...filter, limit: PAGE, iterator });
    for (const entry of found.data) lines.push(CSV.map(([, value]) => cell(value(entry))).join(','));
    iterator = found.done ? null : found.iterator;
    show(told, `${plural(lines.length - 1, 'entry', 'entries')} read${iterator ? ' …' : '.'}`);
  } while (iterator);
  const url = URL.createObjectURL(new Blob([`${lines.join('\r\n')}\r\n`], { type: 'text/csv' }));
  h('a', { href: url, download: `relay-audit-${new Date().toISOString().slice(0, 10)}.csv` }).click();
  URL.revokeObjectURL(url);
  notice(`${plural(lines.length - 1, 'entry', 'entries')} in the file.`);
}

page(async () => {
  about('Every change made through the API, and every sign-in. Accepted messages are not among it.');
  let filter = {};
  const list = pages((iterator) => api.get('audit-log', { ...filter, limit: 50, iterator }), (rows) => table([
    ['When', (entry) => when(time(entry)), 'keep'],
    ['Who', (entry) => who(entry)],
    ['What', (entry) => [h('code', null, what(entry) || '–'), ' ', entry.status >= 400 ? pill(entry.status, 'bad') : null]],
    ['Path', (entry) => (entry.path ? h('code', null, entry.path) : '–')],
    ['From', (entry) => address(entry) || '–'],
    ['Exactly', (entry) => h('span', { class: 'faint' }, moment(time(entry)))],
    ['Request', (entry) => (entry.requestId ? h('code', { class: 'id' }, entry.requestId) : '–')],
  ], rows, { caption: 'Audit log', empty: 'No entry. Every change from now on stands here.' }));
  const told = h('span', { role: 'status', class: 'faint' });
  const ask = form([
    field('who', 'Who', { placeholder: 'name or id of a key' }),
    field('after', 'After', { kind: 'datetime-local' }),
    field('before', 'Before', { kind: 'datetime-local' }),
  ], 'Filter', (values) => { filter = wanted(values); return list.again(); }, { kind: 'row' });
  await list.ready;
  return card(null, ask, list, h('p', { class: 'actions' }, button('Download as CSV', () => download(filter, told), { kind: 'plain' }), told));
});
