// One application: its endpoints, messages and settings.

import { api, path } from './api.js';
import { portal } from './application-portal.js';
import { usage } from './application-usage.js';
import { h, names, to } from './dom.js';
import { addEndpoint } from './endpoint-form.js';
import { confirm, field, form, json } from './forms.js';
import { id, number, place, when } from './format.js';
import { button, card, facts, notice, pages, pill, table, tabs } from './parts.js';
import { about, actions, mayChange, page, title } from './shell.js';
import { endpointState } from './words.js';

const { app } = names;

function endpoints(first) {
  const load = (iterator) =>
    iterator || !first ? api.get(path`app/${app}/endpoint`, { limit: 100, iterator }) : first;
  return pages(load, (rows) =>
    table(
      [
        [
          'URL',
          (row) => h('a', { href: to('applications', app, 'endpoints', row.id) }, place(row.url)),
        ],
        [
          'State',
          (row) => {
            const [word, tone] = endpointState(row);
            return pill(word, tone);
          },
        ],
        ['Description', (row) => row.description || '–'],
        ['Event types', (row) => row.eventTypes?.join(', ') ?? 'all'],
        ['Channels', (row) => row.channels?.join(', ') ?? 'all'],
        ['Throttle', (row) => (row.throttleRate ? `${number(row.throttleRate)} a second` : '–')],
        ['Made', (row) => when(row.createdAt)],
      ],
      rows,
      {
        caption: 'Endpoints',
        empty: 'No endpoints yet: messages are kept and go nowhere. Add the URL of a receiver.',
      },
    ),
  );
}

function messages() {
  let wanted = {};
  const list = pages(
    (iterator) =>
      api.get(path`app/${app}/msg`, { limit: 50, iterator, with_content: false, ...wanted }),
    (rows) =>
      table(
        [
          ['Accepted', (row) => when(row.timestamp), 'keep'],
          ['Event type', (row) => row.eventType],
          [
            'Message',
            (row) => h('a', { href: to('applications', app, 'messages', row.id) }, id(row.id)),
          ],
          ['Event id', (row) => row.eventId ?? '–'],
          ['Channels', (row) => row.channels?.join(', ') ?? '–'],
          ['Tags', (row) => row.tags?.join(', ') ?? '–'],
        ],
        rows,
        {
          caption: 'Messages',
          empty: 'No messages. What is sent to this application stands here, newest first.',
        },
      ),
  );
  const ask = form(
    [
      field('event_types', 'Event type', { placeholder: 'invoice.paid' }),
      field('channel', 'Channel'),
      field('tag', 'Tag'),
    ],
    'Filter',
    (values) => {
      wanted = values;
      return list.again();
    },
    { kind: 'row' },
  );
  return h('div', null, ask, list);
}

function remove(application) {
  confirm(
    `Delete ${application.name}?`,
    'Its endpoints, messages and tokens go with it, and what still waits is not sent. This can’t be undone.',
    async () => {
      await api.delete(path`app/${app}`);
      location.assign(to('applications'));
    },
    { yes: 'Delete it' },
  );
}

function settings(application, may) {
  const known = facts([
    ['Id', h('code', null, application.id)],
    ['Made', when(application.createdAt)],
    ['Changed', when(application.updatedAt)],
  ]);
  if (application.managed) {
    return card(
      'Settings',
      known,
      h('p', { class: 'faint' }, 'It is declared in relay.toml: change it there and reload.'),
      shown(application),
    );
  }
  if (!may) return card('Settings', known, shown(application));
  const edit = form(
    [
      field('name', 'Name', { value: application.name, required: true, maxlength: 256 }),
      field('uid', 'Uid', {
        value: application.uid,
        maxlength: 256,
        hint: 'Your own name for it; stands for the id in every call.',
      }),
      field('throttleRate', 'Throttle', {
        kind: 'number',
        min: 1,
        max: 65_535,
        value: application.throttleRate,
        hint: 'Deliveries a second at most, all its endpoints together. Empty: no bound.',
      }),
      field('metadata', 'Metadata', {
        kind: 'textarea',
        rows: 4,
        value: JSON.stringify(application.metadata ?? {}, null, 2),
        hint: 'An object of texts, as JSON.',
      }),
    ],
    'Save',
    async (values) => {
      const changed = await api.patch(path`app/${app}`, {
        name: values.name,
        uid: values.uid || null,
        throttleRate: values.throttleRate ? Number(values.throttleRate) : null,
        metadata: json(values.metadata, 'Metadata') ?? {},
      });
      Object.assign(application, { uid: undefined, throttleRate: undefined }, changed);
      title(application.name);
      notice('Saved.');
    },
    { kind: 'narrow' },
  );
  return [
    card('Settings', known, edit),
    card(
      'Delete',
      h('p', null, 'Takes the application away with all that it owns.'),
      button('Delete this application', () => remove(application), { kind: 'danger' }),
    ),
  ];
}

function shown(application) {
  return facts([
    ['Name', application.name],
    ['Uid', application.uid],
    [
      'Throttle',
      application.throttleRate ? `${number(application.throttleRate)} a second` : 'none',
    ],
    [
      'Metadata',
      Object.keys(application.metadata ?? {}).length
        ? h('code', null, JSON.stringify(application.metadata))
        : null,
    ],
  ]);
}

page(async () => {
  const [application, first, may] = await Promise.all([
    api.get(path`app/${app}`),
    api.get(path`app/${app}/endpoint`, { limit: 100 }),
    mayChange,
  ]);
  title(application.name);
  about(
    application.uid ? [h('code', null, application.uid), ' · '] : null,
    h('code', null, application.id),
  );
  actions(
    button('Add an endpoint', () =>
      addEndpoint(application.id, (made) =>
        location.assign(to('applications', app, 'endpoints', made.id)),
      ),
    ),
  );
  return tabs([
    ['endpoints', 'Endpoints', () => endpoints(first)],
    ['messages', 'Messages', messages],
    ['settings', 'Settings', () => settings(application, may)],
    ...(may
      ? [
          ['portal', 'Portal link', () => portal(app)],
          ['usage', 'Usage', () => usage(application)],
        ]
      : []),
  ]);
});
