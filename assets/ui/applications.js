// All applications: find one, add one.

import { api } from './api.js';
import { h, to } from './dom.js';
import { finder } from './finder.js';
import { dialog, field, form } from './forms.js';
import { number, when } from './format.js';
import { button, pill, table } from './parts.js';
import { about, actions, page } from './shell.js';

const COLUMNS = [
  ['Name', (row) => h('a', { href: to('applications', row.id) }, row.name)],
  ['Uid', (row) => (row.uid ? h('code', null, row.uid) : '–')],
  ['Id', (row) => h('code', { class: 'id' }, row.id)],
  ['Throttle', (row) => (row.throttleRate ? `${number(row.throttleRate)} a second` : '–')],
  ['Made', (row) => when(row.createdAt)],
  ['', (row) => (row.managed ? pill('relay.toml', 'calm') : null)],
];

function add() {
  dialog(
    'Add an application',
    form(
      [
        field('name', 'Name', { required: true, maxlength: 256 }),
        field('uid', 'Uid', {
          maxlength: 256,
          hint: 'Your own name for it: letters, digits, “.”, “-” and “_”. It stands for the id in every call. May be left empty.',
        }),
      ],
      'Add',
      async ({ name, uid }) => {
        const made = await api.post('app', { name, ...(uid && { uid }) });
        location.assign(to('applications', made.id));
      },
    ),
  );
}

page(() => {
  about('An application is a tenant: it owns endpoints and messages.');
  actions(button('Add an application', add));
  const empty = 'No applications yet. Add one, give it an endpoint, and send it a message.';
  const list = finder({
    load: (iterator) => api.get('app', { limit: 250, iterator, order: 'descending' }),
    text: (row) => `${row.name} ${row.uid ?? ''} ${row.id}`,
    draw: (rows, searching) =>
      table(COLUMNS, rows, {
        empty: searching ? 'No application has that in its name, uid or id.' : empty,
        caption: 'Applications',
      }),
    one: 'application',
  });
  return list.ready.then(() => list);
});
