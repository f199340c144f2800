// The settings of a source as a form: to add one, and to change one.

import { api, path } from './api.js';
import { h, show } from './dom.js';
import { dialog, field, form, json, list } from './forms.js';
import { notice } from './parts.js';

const RULES = [
  ['event', 'the same id of the provider, else the same body'],
  ['body', 'the same bytes'],
  ['places', 'the same values at these places'],
  ['off', 'nothing: every request is an event'],
];
const UNVERIFIED = { type: 'generic-webhook', title: 'Nobody in particular: nothing is verified' };
const CUSTOM = { type: 'custom', title: 'Somebody else: verified by a rule of your own' };
const ROW = '{"signature": {"header": "x-own-signature", "prefix": "sha256="}}';

const whole = (text) => (text ? Number(text) : null);

// What turns `before` into `after`, as a JSON Merge Patch (RFC 7396).
export function mergePatch(before, after) {
  const plain = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
  const changes = {};
  for (const name of new Set([...Object.keys(before ?? {}), ...Object.keys(after)])) {
    const [old, now] = [before?.[name] ?? null, after[name] ?? null];
    if (JSON.stringify(old) === JSON.stringify(now)) continue;
    changes[name] = plain(now) ? mergePatch(plain(old) ? old : {}, now) : now;
  }
  return changes;
}

// Fields for a dedup rule, and what they say.
export function dedupFields({ dedup, dedupWindowSeconds }) {
  const places = Array.isArray(dedup) ? dedup.join(', ') : '';
  return [
    field('rule', 'Requests are the same event when they have', {
      kind: 'select',
      options: RULES,
      value: Array.isArray(dedup) ? 'places' : (dedup ?? 'event'),
    }),
    field('places', 'Places', {
      value: places,
      placeholder: 'body.data.id, header.x-part',
      hint: 'For the third choice: header.…, query.… and body.…, divided by commas.',
    }),
    field('window', 'Remembered for (seconds)', {
      kind: 'number',
      min: 1,
      max: 604_800,
      value: dedupWindowSeconds,
      hint: 'Empty: as for all sources.',
    }),
  ];
}

export function dedupOf(values) {
  const places = list(values.places);
  if (values.rule === 'places' && !places)
    throw new Error('Places: say where the values stand, such as body.data.id');
  return {
    dedup: values.rule === 'places' ? places : values.rule,
    dedupWindowSeconds: whole(values.window),
  };
}

// The providers as choices; the two that are none stand last.
export async function types() {
  const { data } = await api.get('source-type');
  const missing = [CUSTOM, UNVERIFIED].filter(
    ({ type }) => !data.some((known) => known.type === type),
  );
  return [...data.toSorted((one, other) => one.title.localeCompare(other.title)), ...missing];
}

function about(place, type) {
  show(
    place,
    type?.docs
      ? h('a', { href: type.docs, rel: 'noreferrer', target: '_blank' }, `How ${type.title} signs`)
      : null,
    type?.type === UNVERIFIED.type
      ? 'Whoever knows the URL can post to it: nothing else keeps strangers out.'
      : null,
  );
}

export async function addSource(done) {
  const known = await types();
  const told = h('p', { class: 'faint' });
  const row = field('verification', 'How it is signed, as JSON', {
    kind: 'textarea',
    rows: 5,
    placeholder: ROW,
    hint: 'A row as the table of providers has them.',
  });
  const choose = (name) => {
    about(
      told,
      known.find(({ type }) => type === name),
    );
    row.hidden = name !== CUSTOM.type;
  };
  choose(known[0].type);
  const asked = dialog(
    'Add a source',
    form(
      [
        field('type', 'Who sends', {
          kind: 'select',
          options: known.map(({ type, title }) => [type, title]),
          value: known[0].type,
          onchange: (event) => choose(event.target.value),
        }),
        told,
        row,
        field('name', 'Name', { required: true, maxlength: 256 }),
        field('uid', 'Uid', {
          maxlength: 256,
          hint: 'A short name for the command line and for relay-source. May be empty.',
        }),
        field('secret', 'Secret', {
          kind: 'password',
          autocomplete: 'new-password',
          hint: 'What the provider signs with. Never shown again. It can be given later.',
        }),
        field('application', 'Application', {
          placeholder: 'default',
          hint: 'Whose messages its events become, by id or uid. Empty: default.',
        }),
      ],
      'Add',
      async (values) => {
        const made = await api.post('source', {
          type: values.type,
          name: values.name,
          ...(values.uid && { uid: values.uid }),
          ...(values.application && { application: values.application }),
          ...(values.secret && { config: { secret: values.secret } }),
          ...(values.type === CUSTOM.type && {
            verification: json(values.verification, 'How it is signed'),
          }),
        });
        asked.close();
        done(made);
      },
    ),
  );
}

const FIELDS = [
  'name',
  'uid',
  'application',
  'eventType',
  'channels',
  'dedup',
  'dedupWindowSeconds',
  'methods',
  'maxBody',
  'refusalStatus',
  'setUp',
  'cloudEvents',
  'publicKey',
  'reply',
  'metadata',
  'verification',
];

function wanted(values) {
  return {
    name: values.name,
    uid: values.uid || null,
    application: values.application,
    eventType: values.eventType || null,
    channels: list(values.channels),
    ...dedupOf(values),
    methods: list(values.methods),
    maxBody: whole(values.maxBody),
    refusalStatus: whole(values.refusalStatus),
    setUp: values.setUp,
    cloudEvents: values.cloudEvents,
    publicKey: values.publicKey || null,
    reply: json(values.reply, 'Answer'),
    metadata: json(values.metadata, 'Metadata') ?? {},
    ...(values.verification !== undefined && {
      verification: json(values.verification, 'How it is signed'),
    }),
  };
}

const text = (value) => (value ? JSON.stringify(value, null, 2) : '');

// The form that changes a source; only what changed is sent.
export function sourceForm(source, done) {
  const before = { metadata: {} };
  for (const name of FIELDS)
    if (source[name] !== undefined && source[name] !== null) before[name] = source[name];
  if (!before.channels?.length) delete before.channels;
  return form(
    [
      field('name', 'Name', { value: source.name, required: true, maxlength: 256 }),
      field('uid', 'Uid', { value: source.uid, maxlength: 256 }),
      field('application', 'Application', {
        value: source.application,
        required: true,
        hint: 'Whose messages its events become, by id or uid.',
      }),
      field('eventType', 'Event type', {
        value: source.eventType,
        hint: 'Of every message. Empty: what the provider says of each.',
      }),
      field('channels', 'Channels', {
        value: source.channels?.join(', '),
        hint: 'Given to its messages.',
      }),
      dedupFields(source),
      h(
        'details',
        null,
        h('summary', null, 'More'),
        field('methods', 'Methods', {
          value: source.methods?.join(', '),
          placeholder: 'POST',
          hint: 'What brings events.',
        }),
        field('maxBody', 'Largest body (bytes)', { kind: 'number', min: 1, value: source.maxBody }),
        field('refusalStatus', 'Refused requests are answered', {
          kind: 'number',
          min: 200,
          max: 599,
          value: source.refusalStatus,
          placeholder: '401',
        }),
        field('reply', 'Taken requests are answered, as JSON', {
          kind: 'textarea',
          rows: 3,
          value: text(source.reply),
          placeholder: '{"status": 200, "body": "ok"}',
          hint: 'Empty: what the provider expects.',
        }),
        field('publicKey', 'Public key', {
          value: source.publicKey,
          hint: 'What stands before answers to handshakes (Braintree).',
        }),
        field('setUp', 'Answer handshakes that can’t be signed yet', {
          kind: 'checkbox',
          value: source.setUp,
          hint: 'While you register the URL at the provider.',
        }),
        field('cloudEvents', 'Permit who asks with OPTIONS to send CloudEvents', {
          kind: 'checkbox',
          value: source.cloudEvents,
        }),
        source.type === CUSTOM.type
          ? field('verification', 'How it is signed, as JSON', {
              kind: 'textarea',
              rows: 6,
              value: text(source.verification),
            })
          : null,
        field('metadata', 'Metadata, as JSON', {
          kind: 'textarea',
          rows: 3,
          value: text(source.metadata),
        }),
      ),
    ],
    'Save',
    async (values) => {
      const changes = mergePatch(before, wanted(values));
      if (values.methods === '' && !before.methods) delete changes.methods;
      if (!changes.setUp && !source.setUp) delete changes.setUp;
      if (!changes.cloudEvents && !source.cloudEvents) delete changes.cloudEvents;
      if (Object.keys(changes).length) await api.patch(path`source/${source.id}`, changes);
      notice('Saved.');
      await done();
    },
    { kind: 'narrow' },
  );
}
