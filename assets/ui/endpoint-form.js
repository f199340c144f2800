// The settings of an endpoint as a form: to add one, and to change one.

import { api, path } from './api.js';
import { h } from './dom.js';
import { dialog, field, form, json, list } from './forms.js';

const UNITS = { s: 1, m: 60, h: 3_600, d: 86_400 };
const OWN_FIELDS = [
  'timeoutSeconds',
  'retryScheduleSeconds',
  'delaySeconds',
  'maxInFlight',
  'order',
  'batch',
];
const FURTHER =
  '{"auth": {"type": "bearer", "token": "…"}} – also basic, header and oauth2; tls, perEventType, proxy, cloudEvents. Credentials that are left out stay as they are.';
const ORDERS = [
  ['', 'In any order, many at once'],
  ['all', 'One after the other'],
  ['key', 'One after the other of those with the same value at …'],
];

const whole = (text) => (text ? Number(text) : null);

// `5s, 5m, 1h` as seconds; a number alone is seconds.
export function schedule(text) {
  const parts = list(text);
  return (
    parts &&
    parts.map((part) => {
      const [, count, unit] = /^(\d+)([smhd]?)$/.exec(part) ?? [];
      if (!count)
        throw new Error(`Retry schedule: “${part}” is no time to wait, such as 30s, 5m, 2h or 1d`);
      return Number(count) * (UNITS[unit] ?? 1);
    })
  );
}

// The way back: the largest unit that fits.
export function scheduleText(seconds) {
  return (seconds ?? [])
    .map((value) => {
      const unit = ['d', 'h', 'm', 's'].find((name) => value % UNITS[name] === 0);
      return `${value / UNITS[unit]}${unit}`;
    })
    .join(', ');
}

// Without what is null, false or empty: the same settings read the same.
function tidy(value) {
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value)
    .map(([name, inner]) => [name, tidy(inner)])
    .filter(
      ([name, inner]) =>
        inner !== null &&
        inner !== undefined &&
        !(name === 'cloudEvents' && inner === false) &&
        !(name === 'perEventType' && Object.keys(inner).length === 0),
    );
  return Object.fromEntries(kept.sort(([one], [other]) => (one < other ? -1 : 1)));
}

function further(delivery) {
  const rest = Object.entries(tidy(delivery ?? {})).filter(([name]) => !OWN_FIELDS.includes(name));
  return rest.length ? JSON.stringify(Object.fromEntries(rest), null, 2) : '';
}

function delivery(values) {
  const order = { all: {}, key: { by: values.orderBy } }[values.order] ?? null;
  if (values.order === 'key' && !values.orderBy)
    throw new Error('Order: say at which place the value stands, such as body.account');
  const batch = values.batchSize
    ? {
        size: whole(values.batchSize),
        ...(values.batchWait && { waitMs: whole(values.batchWait) }),
      }
    : null;
  return tidy({
    ...json(values.further, 'Further settings'),
    timeoutSeconds: whole(values.timeoutSeconds),
    retryScheduleSeconds: schedule(values.retrySchedule),
    delaySeconds: whole(values.delaySeconds),
    maxInFlight: whole(values.maxInFlight),
    order,
    batch: batch && { ...values.batchBefore, ...batch },
  });
}

// What a form says, by the names of the API; null takes away.
function wanted(values, before) {
  const kept = before?.delivery?.batch;
  return {
    url: values.url,
    description: values.description,
    uid: values.uid || null,
    eventTypes: list(values.eventTypes),
    channels: list(values.channels),
    ...(values.sources !== undefined && { sources: list(values.sources) }),
    throttleRate: whole(values.throttleRate),
    metadata: json(values.metadata, 'Metadata') ?? {},
    delivery: delivery({ ...values, batchBefore: kept && { maxBytes: kept.maxBytes } }),
  };
}

function standing(endpoint) {
  return {
    url: endpoint.url,
    description: endpoint.description,
    uid: endpoint.uid ?? null,
    eventTypes: endpoint.eventTypes ?? null,
    channels: endpoint.channels ?? null,
    sources: endpoint.sources ?? null,
    throttleRate: endpoint.throttleRate ?? null,
    metadata: endpoint.metadata ?? {},
    delivery: tidy(endpoint.delivery ?? {}),
  };
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function pace(own) {
  const { order, batch } = own;
  return h(
    'details',
    { open: Object.keys(tidy(own)).length > 0 },
    h('summary', null, 'How deliveries are made'),
    h(
      'div',
      { class: 'columns' },
      field('timeoutSeconds', 'Timeout (seconds)', {
        kind: 'number',
        min: 1,
        max: 600,
        value: own.timeoutSeconds,
        hint: 'Empty: as for all.',
      }),
      field('maxInFlight', 'Requests at once', {
        kind: 'number',
        min: 1,
        max: 65_535,
        value: own.maxInFlight,
        hint: 'Empty: as many as it takes well.',
      }),
      field('delaySeconds', 'Delay (seconds)', {
        kind: 'number',
        min: 0,
        max: 2_592_000,
        value: own.delaySeconds,
        hint: 'Each message waits so long first.',
      }),
    ),
    field('retrySchedule', 'Retry schedule', {
      value: scheduleText(own.retryScheduleSeconds),
      placeholder: '5s, 5m, 30m, 2h, 5h, 10h',
      hint: 'Waits after the first, second … failed attempt. Empty: as for all.',
    }),
    h(
      'div',
      { class: 'columns' },
      field('order', 'Order', {
        kind: 'select',
        options: ORDERS,
        value: order ? (order.by ? 'key' : 'all') : '',
      }),
      field('orderBy', 'Place of the value', { value: order?.by, placeholder: 'body.account' }),
    ),
    h(
      'div',
      { class: 'columns' },
      field('batchSize', 'Batch: messages in a request', {
        kind: 'number',
        min: 1,
        max: 1000,
        value: batch?.size,
        hint: 'Empty: one. Not together with an order.',
      }),
      field('batchWait', 'Batch: longest wait (ms)', {
        kind: 'number',
        min: 1,
        max: 60_000,
        value: batch?.waitMs,
      }),
    ),
    field('further', 'Further settings, as JSON', {
      kind: 'textarea',
      rows: 4,
      value: further(own),
      hint: FURTHER,
    }),
  );
}

function fields(endpoint, { operator }) {
  return [
    field('url', 'URL', {
      kind: 'url',
      value: endpoint.url,
      required: true,
      maxlength: 2048,
      placeholder: 'https://example.com/hooks',
    }),
    field('description', 'Description', { value: endpoint.description, maxlength: 5000 }),
    field('eventTypes', 'Event types', {
      value: endpoint.eventTypes?.join(', '),
      placeholder: 'invoice.paid, order.*',
      hint: 'Divided by commas; “*” is any segment, “**” at the end all that follow. Empty: every one.',
    }),
    field('channels', 'Channels', {
      value: endpoint.channels?.join(', '),
      hint: 'Only messages that carry one of them. Empty: whatever they carry.',
    }),
    operator
      ? field('sources', 'Sources', {
          value: endpoint.sources?.join(', '),
          hint: 'Only messages of these sources, by uid or id. Empty: of all, and those that were posted.',
        })
      : null,
    h(
      'div',
      { class: 'columns' },
      field('throttleRate', 'Throttle (a second)', {
        kind: 'number',
        min: 1,
        max: 65_535,
        value: endpoint.throttleRate,
        hint: 'Empty: no bound.',
      }),
      field('uid', 'Uid', { value: endpoint.uid, maxlength: 256, hint: 'Your own name for it.' }),
    ),
    pace(endpoint.delivery ?? {}),
    h(
      'details',
      null,
      h('summary', null, 'Metadata'),
      field('metadata', 'Metadata, as JSON', {
        kind: 'textarea',
        rows: 4,
        value: JSON.stringify(endpoint.metadata ?? {}, null, 2),
        hint: 'An object of texts of your own.',
      }),
    ),
  ];
}

// Asks for a new endpoint; `done(made)` goes on from there.
export function addEndpoint(app, done, { operator = true } = {}) {
  const secret = h(
    'details',
    null,
    h('summary', null, 'Secret'),
    field('secret', 'Secret', {
      kind: 'password',
      autocomplete: 'new-password',
      hint: 'whsec_ and base64 of 24 to 75 bytes. Empty: one is made.',
    }),
  );
  const asked = dialog(
    'Add an endpoint',
    form([fields({}, { operator }), secret], 'Add', async (values) => {
      const given = Object.entries(wanted(values)).filter(
        ([, value]) => value !== null && !same(value, {}),
      );
      const made = await api.post(path`app/${app}/endpoint`, {
        ...Object.fromEntries(given),
        ...(values.secret && { secret: values.secret }),
      });
      asked.close();
      done(made);
    }),
  );
}

// Asks for changes; only what changed is sent.
export function editEndpoint(app, endpoint, done, { operator = true } = {}) {
  const asked = dialog(
    'Edit the endpoint',
    form(fields(endpoint, { operator }), 'Save', async (values) => {
      const before = standing(endpoint);
      const changes = Object.entries(wanted(values, endpoint)).filter(
        ([name, value]) => !same(value, before[name]),
      );
      if (changes.length)
        await api.patch(path`app/${app}/endpoint/${endpoint.id}`, Object.fromEntries(changes));
      asked.close();
      done();
    }),
  );
}
