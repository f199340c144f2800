// The filter and the transformation of an endpoint, tried on stored messages while they are
// written. Nothing is sent by that.

import { api, path } from './api.js';
import { h, show, to } from './dom.js';
import { field, form, json, read } from './forms.js';
import { id, plural, pretty, when } from './format.js';
import { button, card, code, notice, pill, problem } from './parts.js';
import { outcome } from './words.js';

// How long nobody types before it is tried.
const QUIET_MILLIS = 600;
const KINDS = [
  ['none', 'None: sent as it came'],
  ['code', 'A script in JavaScript'],
  ['steps', 'Declared steps, as JSON'],
];
const LIMITS = [
  ['10', 'the last 10 messages'],
  ['50', 'the last 50 messages'],
  ['200', 'the last 200 messages'],
];
const SCRIPT = `function handler(webhook) {
  webhook.headers = { "x-team": "blue" };
  webhook.payload = { data: webhook.payload };
  return webhook;
}
`;
const STEPS = '[\n  { "set_header": { "name": "x-team", "value": "blue" } }\n]\n';

// What the form says, as the API takes it.
function given(values) {
  const transform = {
    none: () => ({ steps: [] }),
    code: () => ({ code: values.code }),
    steps: () => ({ steps: json(values.steps, 'Steps') ?? [] }),
  }[values.kind]();
  const variables = json(values.variables, 'Variables');
  // A filter that names nothing takes every message; null would stand for the one that is saved.
  return { filter: json(values.filter, 'Filter') ?? {}, transform, variables };
}

function wording(sum) {
  const parts = [
    ['sent', 'would be sent'],
    ['notMatched', 'not matched'],
    ['dropped', 'dropped'],
    ['failed', 'would fail'],
  ];
  const told = parts.filter(([name]) => sum[name]).map(([name, words]) => `${sum[name]} ${words}`);
  const early = sum.stopped
    ? ' It stopped early: transformations are tried for 10 seconds at most.'
    : '';
  return `Of ${plural(sum.looked, 'message')}: ${told.join(', ') || 'nothing'}.${early}`;
}

function made(request) {
  if (!request) return h('p', { class: 'empty' }, 'Nothing would be sent.');
  const body =
    request.payload === null || request.payload === undefined
      ? h('p', { class: 'faint' }, `Left out here: ${request.payloadLeftOut} bytes.`)
      : code(pretty(request.payload), { label: 'After' });
  const headers = request.headers?.length
    ? code(request.headers.map(([name, value]) => `${name}: ${value}`).join('\n'), {
        label: 'Headers after',
      })
    : null;
  return [
    h(
      'p',
      { class: 'faint' },
      `${request.method ?? 'POST'} ${request.url}${request.contentType ? `, ${request.contentType}` : ''}`,
    ),
    headers,
    body,
  ];
}

function result(app, row) {
  const [words, tone] = outcome(row.outcome);
  const place = h('div', { class: 'opened' });
  const element = h(
    'details',
    { class: 'line' },
    h(
      'summary',
      null,
      pill(words, tone),
      ' ',
      h('span', null, row.eventType || 'no event type'),
      ' ',
      id(row.msgId),
      ' ',
      h('span', { class: 'faint' }, when(row.timestamp)),
      row.reason ? h('p', { class: 'reason' }, row.reason) : null,
    ),
    place,
  );
  element.addEventListener('toggle', async () => {
    if (!element.open || place.childNodes.length) return;
    show(place, h('p', { class: 'faint' }, 'Reading …'));
    const before = await api.get(path`app/${app}/msg/${row.msgId}`).then((message) => {
      const { rawPayload, rawPayloadBase64 } = message.payload;
      return code(pretty(rawPayload ?? rawPayloadBase64 ?? message.payload), { label: 'Before' });
    }, problem);
    show(
      place,
      h('p', null, h('a', { href: to('applications', app, 'messages', row.msgId) }, 'The message')),
      h(
        'div',
        { class: 'grid' },
        h('div', null, h('h3', null, 'Before'), before),
        h('div', null, h('h3', null, 'After'), made(row.request)),
      ),
      row.console?.length
        ? [h('h3', null, 'Console'), code(row.console.join('\n'), { label: 'Console' })]
        : null,
    );
  });
  return element;
}

// Tries what the form says, once nobody has typed for a while. An older answer never replaces a
// newer one.
function tryOut(app, call, values) {
  const sum = h('p', { role: 'status' });
  const rows = h('div', { class: 'lines' });
  let timer = null;
  let asked = 0;
  async function now() {
    asked += 1;
    const turn = asked;
    try {
      const { filter, transform, variables } = given(values());
      const told = await api.post(`${call}/dry-run`, {
        filter,
        ...transform,
        ...(variables && { variables }),
        limit: Number(values().limit),
      });
      if (turn !== asked) return;
      show(
        sum,
        told.looked
          ? wording(told)
          : 'No messages are stored yet: send one, or try a payload of your own below.',
      );
      show(
        rows,
        told.data.map((row) => result(app, row)),
      );
    } catch (error) {
      if (turn === asked) show(sum, problem(error));
    }
  }
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(now, QUIET_MILLIS);
  };
  return { element: [sum, rows], now, soon };
}

function ownPayload(call, values) {
  const told = h('div', { role: 'status' });
  return h(
    'details',
    null,
    h('summary', null, 'Try a payload of your own'),
    h(
      'p',
      { class: 'faint' },
      'By the script or the steps above, with the variables that are saved.',
    ),
    form(
      [
        field('eventType', 'Event type', { required: true, value: 'test.event' }),
        field('payload', 'Payload, as JSON', {
          kind: 'textarea',
          rows: 6,
          value: '{\n  "id": 1\n}',
          required: true,
        }),
      ],
      'Try it',
      async ({ eventType, payload }) => {
        const { transform } = given(values());
        const answer = await api.post(`${call}/transformation/simulate`, {
          ...transform,
          eventType,
          payload: json(payload, 'Payload'),
        });
        if (answer.error)
          show(told, problem(new Error(`${answer.error.code}: ${answer.error.message}`)));
        else
          show(
            told,
            answer.dropped ? h('p', null, 'It is dropped: nothing would be sent.') : made(answer),
          );
        if (answer.console?.length)
          told.append(
            h('h3', null, 'Console'),
            code(answer.console.join('\n'), { label: 'Console' }),
          );
      },
    ),
    told,
  );
}

async function save(call, endpoint, held, values) {
  const { filter, transform, variables } = given(values);
  const wanted = Object.keys(filter).length ? filter : null;
  if (JSON.stringify(wanted) !== JSON.stringify(endpoint.filter ?? null)) {
    await api.patch(call, { filter: wanted });
    endpoint.filter = wanted;
  }
  const rest = { enabled: values.enabled, ...(variables && { variables }) };
  if (values.kind !== 'none')
    Object.assign(held, await api.patch(`${call}/transformation`, { ...transform, ...rest }));
  else if (held.code !== null || held.steps) {
    await api.patch(`${call}/transformation`, { code: null });
    Object.assign(held, { code: null, steps: undefined });
  }
  notice('Saved: it counts from the next attempt on.');
}

function fields(endpoint, held) {
  const kind = held.code !== null ? 'code' : held.steps ? 'steps' : 'none';
  const names = Object.keys(held.variables ?? {});
  const script = field('code', 'Script', {
    kind: 'textarea',
    rows: 14,
    value: held.code ?? SCRIPT,
    hint: 'Returns what is sent; null drops the delivery. It has 1 second.',
  });
  const steps = field('steps', 'Steps', {
    kind: 'textarea',
    rows: 10,
    value: held.steps ? JSON.stringify(held.steps, null, 2) : STEPS,
  });
  const rest = h(
    'div',
    null,
    field('variables', 'Variables, as JSON', {
      kind: 'textarea',
      rows: 3,
      placeholder: '{"CHANNEL": "#dev"}',
      hint: `A script reads context.env.NAME, a text of steps {{env.NAME}}. ${names.length ? `Set now: ${names.join(', ')}; values are not shown, and what stands here replaces all of them. Empty: they stay.` : 'Values are sealed and not shown again.'}`,
    }),
    field('enabled', 'Run it', { kind: 'checkbox', value: kind === 'none' || held.enabled }),
  );
  const choose = (name) => {
    script.hidden = name !== 'code';
    steps.hidden = name !== 'steps';
    rest.hidden = name === 'none';
  };
  choose(kind);
  return [
    field('filter', 'Filter, as JSON', {
      kind: 'textarea',
      rows: 6,
      value: endpoint.filter ? JSON.stringify(endpoint.filter, null, 2) : '',
      placeholder: '{"body": {"amount": {"$gte": 1000}}}',
      hint: 'What must hold of the content. Empty: every message of its event types and channels.',
    }),
    field('kind', 'Transformation', {
      kind: 'select',
      options: KINDS,
      value: kind,
      onchange: (event) => choose(event.target.value),
    }),
    script,
    steps,
    rest,
    field('limit', 'Try it on', { kind: 'select', options: LIMITS, value: '50' }),
  ];
}

function editor(app, endpoint, held, may) {
  const call = path`app/${app}/endpoint/${endpoint.id}`;
  const ask = form(fields(endpoint, held), 'Save', (values) => save(call, endpoint, held, values));
  const values = () => read(ask);
  const tried = tryOut(app, call, values);
  ask.addEventListener('input', tried.soon);
  if (!may) ask.querySelector('button[type=submit]').hidden = true;
  tried.now();
  return h(
    'div',
    { class: 'grid' },
    card('Filter and transform', ask),
    card(
      'What would become of stored messages',
      h('p', { class: 'faint' }, 'Tried as you type. Nothing is sent.'),
      tried.element,
      ownPayload(call, values),
      h('p', null, button('Try again', tried.now, { kind: 'plain small' })),
    ),
  );
}

export function endpointTransform(app, endpoint, may) {
  const place = h('div');
  api.get(path`app/${app}/endpoint/${endpoint.id}/transformation`).then(
    (held) => show(place, editor(app, endpoint, held, may)),
    (error) => show(place, problem(error)),
  );
  return place;
}
