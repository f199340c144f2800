// All sources: find one, add one.

import { api } from './api.js';
import { h, to } from './dom.js';
import { finder } from './finder.js';
import { dialog } from './forms.js';
import { id, when } from './format.js';
import { button, copy, pill, table } from './parts.js';
import { about, actions, page } from './shell.js';
import { addSource } from './source-form.js';

const COLUMNS = [
  ['Name', (row) => h('a', { href: to('sources', row.id) }, row.name)],
  ['Uid', (row) => (row.uid ? h('code', null, row.uid) : '–')],
  ['Who sends', (row) => row.type],
  ['Mode', (row) => pill(row.mode)],
  [
    'Application',
    (row) => h('a', { href: to('applications', row.application) }, id(row.application)),
  ],
  ['Secrets', (row) => (row.secrets === undefined ? '–' : row.secrets)],
  ['Made', (row) => when(row.createdAt)],
  ['URL', (row) => (row.ingestUrl ? copy(row.ingestUrl, 'Copy the URL') : '–')],
];

function made(source) {
  dialog('The source is there', [
    h('p', null, 'Give this URL to who sends. Who knows it may post to it: keep it secret.'),
    h(
      'pre',
      { class: 'code', tabindex: '0', role: 'region', 'aria-label': 'URL' },
      source.ingestUrl,
    ),
    h(
      'p',
      { class: 'actions' },
      copy(source.ingestUrl, 'Copy the URL'),
      h('a', { class: 'button', href: to('sources', source.id) }, 'To the source'),
    ),
  ]);
}

page(() => {
  about(
    'A source is a URL that a provider posts to. What comes is verified, kept, and becomes a message.',
  );
  const empty = 'No sources yet. Add one, give its URL to a provider, and see here what comes.';
  const found = finder({
    load: (iterator) => api.get('source', { limit: 250, iterator, order: 'descending' }),
    text: (row) => `${row.name} ${row.uid ?? ''} ${row.id} ${row.type}`,
    draw: (rows, searching) =>
      table(COLUMNS, rows, {
        empty: searching ? 'No source has that in its name, uid, id or provider.' : empty,
        caption: 'Sources',
      }),
    one: 'source',
  });
  actions(
    button('Add a source', () =>
      addSource((source) => {
        made(source);
        return found.again();
      }),
    ),
  );
  return found.ready.then(() => found);
});
