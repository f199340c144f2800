// The catalogue of event types, by group.

import { api } from './api.js';
import { h, show, to } from './dom.js';
import { finder } from './finder.js';
import { dialog, field, form, json, list } from './forms.js';
import { plural } from './format.js';
import { button, notice, pill, table } from './parts.js';
import { about, actions, page } from './shell.js';

const SCHEMA = '{\n  "type": "object",\n  "examples": [{ "id": 1 }]\n}';
let archived = false;

const COLUMNS = [
  ['Name', (row) => h('a', { href: to('event-types', row.name) }, row.name)],
  ['Description', (row) => row.description || '–'],
  [
    '',
    (row) => [
      row.archived ? pill('archived', 'calm') : null,
      ' ',
      row.deprecated ? pill('deprecated') : null,
      ' ',
      row.managed ? pill('relay.toml', 'calm') : null,
    ],
  ],
  ['Feature flags', (row) => row.featureFlags?.join(', ') || '–'],
];

function grouped(rows, searching) {
  if (rows.length === 0) {
    return h(
      'p',
      { class: 'empty' },
      searching
        ? 'No event type has that in its name, group or description.'
        : 'No event types yet. Messages may have any type; those in the catalogue have a description, a schema and examples, and are shown in the portal.',
    );
  }
  const groups = new Map();
  for (const row of rows) {
    const name = row.groupName || row.name.split('.')[0];
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  const sorted = [...groups].sort(([one], [other]) => one.localeCompare(other));
  return sorted.map(([name, members]) =>
    h(
      'section',
      { class: 'card' },
      h('h2', null, name),
      table(COLUMNS, members, { caption: `Event types of ${name}` }),
    ),
  );
}

function add(done) {
  dialog(
    'Add an event type',
    form(
      [
        field('name', 'Name', {
          required: true,
          maxlength: 256,
          placeholder: 'invoice.paid',
          hint: 'Segments divided by dots.',
        }),
        field('description', 'Description', { required: true, maxlength: 5000 }),
        field('groupName', 'Group', {
          maxlength: 256,
          hint: 'What it is shown under. May be empty.',
        }),
        field('featureFlags', 'Feature flags', {
          hint: 'Only portal links with one of them show it. May be empty.',
        }),
        field('schema', 'JSON schema', {
          kind: 'textarea',
          rows: 8,
          placeholder: SCHEMA,
          hint: 'Of the payload. Its “examples” are what a test sends. May be empty.',
        }),
      ],
      'Add',
      async (values) => {
        const schema = json(values.schema, 'JSON schema');
        const flags = list(values.featureFlags);
        const made = await api.post('event-type', {
          name: values.name,
          description: values.description,
          ...(values.groupName && { groupName: values.groupName }),
          ...(flags && { featureFlags: flags }),
          ...(schema && { schemas: { 1: schema } }),
        });
        done(made);
      },
    ),
  );
}

function preview(found, ask) {
  return [
    h('p', null, `${plural(found.length, 'event type')} would be made or changed:`),
    table(
      [
        ['Name', (row) => row.name],
        ['Description', (row) => row.description || '–'],
        ['Schema', (row) => (row.schemas ? 'yes' : '–')],
      ],
      found,
      {
        caption: 'Event types of the document',
        empty: 'The document describes no webhooks: they stand under “webhooks” or “x-webhooks”.',
      },
    ),
    found.length ? h('p', null, button('Import them', ask)) : null,
  ];
}

function bring(done) {
  const place = h('div', { role: 'status' });
  const file = h('input', {
    type: 'file',
    id: 'document',
    accept: '.json,.yaml,.yml',
    onchange: async () => {
      if (file.files[0]) ask.elements.specRaw.value = await file.files[0].text();
    },
  });
  const ask = form(
    [
      h('div', { class: 'field' }, h('label', { for: 'document' }, 'OpenAPI document'), file),
      field('specRaw', 'Or as text', {
        kind: 'textarea',
        rows: 8,
        required: true,
        hint: 'YAML or JSON. Each of its webhooks becomes an event type.',
      }),
      field('replaceAll', 'Archive every event type that it does not have', { kind: 'checkbox' }),
    ],
    'Look at it first',
    async ({ specRaw, replaceAll }) => {
      const body = { specRaw, replaceAll };
      const dry = await api.post('event-type/import/openapi', { ...body, dryRun: true });
      show(
        place,
        preview(dry.data.to_modify ?? [], async () => {
          const made = await api.post('event-type/import/openapi', body);
          asked.close();
          notice(`${plural(made.data.modified.length, 'event type')} imported.`);
          await done();
        }),
      );
    },
  );
  const asked = dialog('Import from OpenAPI', [ask, place]);
}

page(() => {
  about('What messages can be about. Endpoints choose by it.');
  const found = finder({
    load: (iterator) => api.get('event-type', { limit: 250, iterator, include_archived: archived }),
    text: (row) => `${row.name} ${row.groupName ?? ''} ${row.description}`,
    draw: grouped,
    one: 'event type',
  });
  const box = field('archived', 'Show archived ones too', {
    kind: 'checkbox',
    onchange: (event) => {
      archived = event.target.checked;
      found.again();
    },
  });
  actions(
    button('Add an event type', () => add((made) => location.assign(to('event-types', made.name)))),
    button('Import from OpenAPI', () => bring(found.again), { kind: 'plain' }),
  );
  return found.ready.then(() => [box, found]);
});
