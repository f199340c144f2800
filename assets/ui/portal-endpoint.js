// One endpoint: how it stands, and what can be done about it.

import { api } from './api.js';
import { attemptsMade, chart } from './chart.js';
import { h, show } from './dom.js';
import { confirm, dialog, field, form } from './forms.js';
import { moment, number, place, seconds, when } from './format.js';
import { button, card, code, copy, facts, figure, figures, notice, pill, tabs } from './parts.js';
import { again, attempts, messages } from './portal-endpoint-sent.js';
import { called, catalogue, later, state } from './portal-parts.js';
import { at, go, may, own } from './portal-place.js';
import { verifying } from './portal-verify.js';

const list = (names) => names?.map((name) => [h('code', null, name), ' ']);

const failure = (last) => [
  last.statusCode ? `answered ${last.statusCode}, ` : `${last.outcome}, `,
  when(last.at),
];

// How its deliveries go at present; a relay that does not tell shows nothing.
function health(id) {
  return later(
    api.get(own`endpoint/${id}/health`),
    (now) => [
      h('h2', null, 'Now'),
      card(
        null,
        facts([
          ['State', [pill(now.status, now.status === 'idle' ? 'calm' : undefined), ' ', now.words]],
          ['Waiting', `${now.waiting.exact ? '' : 'more than '}${number(now.waiting.count)}`],
          ['Oldest is due', now.oldestWaiting ? when(now.oldestWaiting) : null],
          ['Next try', now.nextProbe ? when(now.nextProbe) : null],
          ['Last success', now.lastSuccess ? when(now.lastSuccess) : null],
          ['Last failure', now.lastFailure ? failure(now.lastFailure) : null],
        ]),
      ),
    ],
    () => null,
  );
}

function history(id) {
  const period = 'day';
  return later(
    api.get(own`endpoint/${id}/attempt-history`, { period }),
    (found) => {
      const made = attemptsMade(found);
      return [
        h('h2', null, 'The last day'),
        figures(figure('Delivered', made.delivered), figure('Failed attempts', made.failed)),
        card(
          null,
          chart('Attempts', found.points, [
            ['delivered', 'delivered', 'two'],
            ['failed', 'failed', 'three'],
          ]),
        ),
      ];
    },
    () => null,
  );
}

// The secret is asked for when somebody wants to see it, and not before.
function secret(endpoint) {
  const id = endpoint.id;
  if (!may('ViewEndpointSecret')) return null;
  const shown = h('div');
  const reveal = button(
    'Show the secret',
    async () => {
      const { key } = await api.get(own`endpoint/${id}/secret`);
      show(shown, code(key, { label: 'The secret' }), copy(key));
      reveal.hidden = true;
    },
    { kind: 'plain small' },
  );
  const rotate =
    may('ManageEndpointSecret') && !endpoint.managed
      ? button(
          'Make a new one',
          () =>
            confirm(
              'A new secret',
              'Deliveries are signed with a new secret from now on, and with the present one ' +
                'beside it for a day: change it in your code meanwhile.',
              async () => {
                await api.post(own`endpoint/${id}/secret/rotate`);
                show(shown);
                reveal.hidden = false;
                notice('There is a new secret; the one before counts for another day.');
              },
              { yes: 'Make a new secret', kind: '' },
            ),
          { kind: 'plain small' },
        )
      : null;
  return card(
    'Secret',
    h('p', null, 'What you verify deliveries with.'),
    shown,
    h('p', { class: 'actions' }, reveal, rotate),
  );
}

function settings(endpoint) {
  const headers = later(
    api.get(own`endpoint/${endpoint.id}/headers`),
    ({ headers: given, sensitive }) => {
      const open = Object.entries(given).map(([name, value]) =>
        h('div', null, h('code', null, `${name}: ${value}`)),
      );
      const hidden = sensitive.map((name) =>
        h('div', null, h('code', null, name), ' ', h('span', { class: 'faint' }, '(not shown)')),
      );
      return open.length + hidden.length ? [open, hidden] : 'none of its own';
    },
  );
  return card(
    'Settings',
    facts([
      ['URL', endpoint.url],
      ['Description', endpoint.description],
      ['Event types', list(endpoint.eventTypes) ?? 'every one'],
      ['Channels', list(endpoint.channels) ?? 'whatever a message carries'],
      [
        'Throttle',
        endpoint.throttleRate ? `${number(endpoint.throttleRate)} messages a second` : 'none',
      ],
      [
        'Time to answer',
        endpoint.delivery?.timeoutSeconds ? seconds(endpoint.delivery.timeoutSeconds) : null,
      ],
      ['Headers', headers],
      ['Added', moment(endpoint.createdAt)],
      ['Id', h('code', null, endpoint.id)],
    ]),
    endpoint.filter
      ? [
          h('h3', null, 'Filter'),
          code(JSON.stringify(endpoint.filter, null, 2), { label: 'The filter' }),
        ]
      : null,
  );
}

function overview(endpoint) {
  return [
    health(endpoint.id),
    history(endpoint.id),
    h('div', { class: 'grid' }, settings(endpoint), secret(endpoint)),
  ];
}

// The newest schema has an example that can be sent.
function hasExample(type) {
  const [newest] = Object.keys(type.schemas ?? {}).sort((one, two) => Number(two) - Number(one));
  const schema = type.schemas?.[newest];
  const found = schema?.examples ? schema.examples[0] : schema?.example;
  return found !== null && typeof found === 'object' && !Array.isArray(found);
}

async function example(endpoint) {
  const types = (await catalogue({ with_content: true })).filter(hasExample);
  const options = types.map((type) => [type.name, type.name]);
  dialog('Send an example', (element) =>
    options.length === 0
      ? h('p', null, 'No event type of the catalogue has an example yet.')
      : [
          h(
            'p',
            null,
            `The example of an event type goes to ${place(endpoint.url)}, whatever it is sent ` +
              'otherwise.',
          ),
          form(
            [field('eventType', 'Event type', { kind: 'select', value: options[0][0], options })],
            'Send it',
            async ({ eventType }) => {
              const sent = await api.post(own`endpoint/${endpoint.id}/send-example`, { eventType });
              element.close();
              notice('The example is on its way.');
              go(at({ view: 'message', message: sent.id }));
            },
          ),
        ],
  );
}

function remove(endpoint) {
  confirm(
    'Delete this endpoint',
    `Nothing more is sent to ${place(endpoint.url)}, and what waits for it is cancelled. ` +
      "This can't be undone.",
    async () => {
      await api.delete(own`endpoint/${endpoint.id}`);
      notice('Deleted.');
      go(at({}));
    },
    { yes: 'Delete it' },
  );
}

function actions(endpoint, page) {
  const changes = may('ManageEndpoint') && !endpoint.managed;
  const words = endpoint.disabled ? 'Resume' : 'Pause';
  return [
    may('CreateAttempts') && !endpoint.disabled
      ? button('Send an example', () => example(endpoint), { kind: 'plain' })
      : null,
    changes
      ? button(
          words,
          async () => {
            await api.patch(own`endpoint/${endpoint.id}`, { disabled: !endpoint.disabled });
            notice(
              endpoint.disabled
                ? 'It is sent events again.'
                : 'Paused: nothing is sent to it until it is resumed.',
            );
            page.again();
          },
          { kind: 'plain' },
        )
      : null,
    changes
      ? h(
          'a',
          { class: 'button plain', href: at({ view: 'edit-endpoint', endpoint: endpoint.id }) },
          'Change',
        )
      : null,
    changes ? button('Delete', () => remove(endpoint), { kind: 'plain' }) : null,
  ];
}

export async function endpoint(values, page) {
  const found = await api.get(own`endpoint/${values.endpoint ?? ''}`);
  page.title(called(found));
  page.about(
    state(found),
    ' ',
    place(found.url),
    found.managed ? ' · set up by the operator, who alone changes it' : null,
  );
  page.actions(...actions(found, page));
  const list = [
    ['overview', 'Overview', () => overview(found)],
    ['messages', 'Messages', () => messages(found)],
    ['attempts', 'Attempts', () => attempts(found)],
    ['verify', 'Verify', () => verifying(found)],
  ];
  if (may('CreateAttempts')) list.splice(3, 0, ['again', 'Send again', () => again(found)]);
  return tabs(list);
}
