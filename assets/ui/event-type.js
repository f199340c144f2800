// One event type: its schema, its examples, and who may see it.

import { api, path } from './api.js';
import { h, names, show, to } from './dom.js';
import { confirm, field, form, json, list } from './forms.js';
import { when } from './format.js';
import { button, card, code, facts, notice, pill } from './parts.js';
import { about, actions, mayChange, page, title } from './shell.js';

const call = path`event-type/${names.name}`;

// Versions, the newest first.
const versions = (type) =>
  Object.keys(type.schemas ?? {}).sort((one, other) => Number(other) - Number(one));

function examples(schema) {
  const found = schema?.examples ?? (schema?.example === undefined ? [] : [schema.example]);
  return Array.isArray(found) ? found : Object.values(found);
}

function schemas(type) {
  const known = versions(type);
  if (known.length === 0)
    return card(
      'Schema',
      h(
        'p',
        { class: 'empty' },
        'None: any payload will do. With a schema and “examples” in it, tests can be sent.',
      ),
    );
  const shown = examples(type.schemas[known[0]]);
  return h(
    'div',
    { class: 'grid' },
    card(
      'Schema',
      known.map((version, at) =>
        h(
          'details',
          { open: at === 0 },
          h('summary', null, `Version ${version}${at === 0 ? ', which counts' : ''}`),
          code(JSON.stringify(type.schemas[version], null, 2), {
            label: `Schema, version ${version}`,
          }),
        ),
      ),
    ),
    card(
      'Examples',
      shown.length
        ? shown.map((one, at) => code(JSON.stringify(one, null, 2), { label: `Example ${at + 1}` }))
        : h(
            'p',
            { class: 'empty' },
            'None. Put “examples” into the schema; they are what a test sends.',
          ),
    ),
  );
}

function edit(type, again) {
  return card(
    'Edit',
    form(
      [
        field('description', 'Description', {
          value: type.description,
          required: true,
          maxlength: 5000,
        }),
        field('groupName', 'Group', { value: type.groupName, maxlength: 256 }),
        field('featureFlags', 'Feature flags', {
          value: type.featureFlags?.join(', '),
          hint: 'Only portal links with one of them show it. Empty: all do.',
        }),
        field('deprecated', 'Deprecated: not for new subscriptions', {
          kind: 'checkbox',
          value: type.deprecated,
        }),
        field('schemas', 'JSON schemas by version', {
          kind: 'textarea',
          rows: 12,
          value: type.schemas ? JSON.stringify(type.schemas, null, 2) : '',
          placeholder: '{"1": {"type": "object", "examples": [{}]}}',
          hint: 'The highest version counts. Empty: none.',
        }),
      ],
      'Save',
      async (values) => {
        await api.patch(call, {
          description: values.description,
          groupName: values.groupName || null,
          deprecated: values.deprecated,
          featureFlags: list(values.featureFlags),
          schemas: json(values.schemas, 'JSON schemas'),
        });
        notice('Saved.');
        await again();
      },
      { kind: 'narrow' },
    ),
  );
}

function remove(type) {
  confirm(
    `Delete ${type.name}?`,
    'It leaves the catalogue. Messages of this type stay, and are sent as before.',
    async () => {
      await api.delete(`${call}?expunge=true`);
      location.assign(to('event-types'));
    },
    { yes: 'Delete it' },
  );
}

page(async () => {
  const content = h('div');
  const may = await mayChange;
  const paint = (type) => {
    title(type.name);
    about(type.description);
    const mine = may && !type.managed;
    if (mine) {
      actions(
        button(
          type.archived ? 'Bring it back' : 'Archive',
          async () => {
            await api.patch(call, { archived: !type.archived });
            notice(type.archived ? 'It is in use again.' : 'Archived: lists leave it out.');
            await again();
          },
          { kind: 'plain' },
        ),
        button('Delete', () => remove(type), { kind: 'danger' }),
      );
    }
    show(
      content,
      card(
        null,
        h(
          'p',
          null,
          pill(type.archived ? 'archived' : 'active', type.archived ? 'calm' : 'good'),
          ' ',
          type.deprecated ? pill('deprecated') : null,
        ),
        facts([
          ['Group', type.groupName],
          ['Feature flags', type.featureFlags?.join(', ')],
          ['Made', when(type.createdAt)],
          ['Changed', when(type.updatedAt)],
        ]),
        type.managed
          ? h('p', { class: 'faint' }, 'It is declared in relay.toml: change it there and reload.')
          : null,
      ),
      schemas(type),
      mine ? edit(type, again) : null,
    );
  };
  const again = async () => paint(await api.get(call));
  await again();
  return content;
});
