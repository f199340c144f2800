// What can be done with an endpoint, beside editing it.

import { all, api, path } from './api.js';
import { h, show, to } from './dom.js';
import { confirm, dialog, field, form } from './forms.js';
import { button, copy, notice } from './parts.js';

const GRACES = [
  ['0', 'at once'],
  ['3600', 'an hour'],
  ['86400', 'a day'],
  ['604800', '7 days'],
];
const DAY_MILLIS = 86_400_000;

const base = (app, endpoint) => path`app/${app}/endpoint/${endpoint.id}`;

// Takes it out of service, or back into it.
export async function toggle(app, endpoint, done) {
  if (endpoint.disabled) {
    await api.patch(base(app, endpoint), { disabled: false });
    notice('Enabled: what waits is sent now.');
    done();
    return;
  }
  confirm(
    'Disable this endpoint?',
    'What waits for it stays, and is sent when it is enabled again. What is accepted meanwhile is not meant for it; “Replay what is missing” fetches that later.',
    async () => {
      await api.patch(base(app, endpoint), { disabled: true });
      notice('Disabled.');
      done();
    },
    { yes: 'Disable it', kind: '' },
  );
}

const examples = (type) => {
  const versions = Object.keys(type.schemas ?? {}).sort(
    (one, other) => Number(other) - Number(one),
  );
  const schema = type.schemas?.[versions[0]];
  return schema?.examples ?? (schema?.example === undefined ? [] : [schema.example]);
};

// Sends it an example of an event type.
export async function test(app, endpoint, done) {
  const types = (await all('event-type', { with_content: true })).filter(
    (type) => examples(type).length,
  );
  if (types.length === 0) {
    dialog('Send a test', [
      h(
        'p',
        null,
        'No event type has an example yet. Add “examples” to the schema of an event type, then it can be sent from here.',
      ),
      h('p', null, h('a', { href: to('event-types') }, 'To the event types')),
    ]);
    return;
  }
  const choices = types.flatMap((type) =>
    examples(type).map((_, at) => [
      `${at} ${type.name}`,
      at ? `${type.name}, example ${at + 1}` : type.name,
    ]),
  );
  const told = h('p', { role: 'status' });
  dialog('Send a test', [
    form(
      [
        field('example', 'Example', {
          kind: 'select',
          options: choices,
          hint: 'Goes to this endpoint alone, whatever it subscribes to.',
        }),
      ],
      'Send',
      async ({ example }) => {
        const [at, name] = example.split(' ');
        const sent = await api.post(`${base(app, endpoint)}/send-example`, {
          eventType: name,
          exampleIndex: Number(at),
        });
        show(
          told,
          'Sent as ',
          h('a', { href: to('applications', app, 'messages', sent.id) }, sent.id),
          '.',
        );
        done();
      },
    ),
    told,
  ]);
}

// A moment as `datetime-local` wants it: local time, to the minute.
function local(time) {
  const moment = new Date(time);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000)
    .toISOString()
    .slice(0, 16);
}

function since(title, words, call, from) {
  const asked = dialog(title, [
    h('p', null, words),
    form(
      [
        field('since', 'Since', { kind: 'datetime-local', required: true, value: local(from) }),
        field('until', 'Until', { kind: 'datetime-local', hint: 'Empty: now.' }),
      ],
      'Go on',
      async (values) => {
        const time = (text) => new Date(text).toISOString();
        await api.post(call, {
          since: time(values.since),
          ...(values.until && { until: time(values.until) }),
        });
        asked.close();
        notice([
          'It goes on in the background: ',
          h('a', { href: to('tasks') }, 'background tasks'),
          '.',
        ]);
      },
    ),
  ]);
}

export function recover(app, endpoint, failingSince) {
  const from = failingSince ?? Date.now() - DAY_MILLIS;
  since(
    'Recover what failed',
    'Every delivery that was given up since then is tried again, with its whole schedule before it.',
    `${base(app, endpoint)}/recover`,
    from,
  );
}

export function replay(app, endpoint) {
  since(
    'Replay what is missing',
    'Every message since then that the endpoint wants and was never sent goes to it, as a new delivery.',
    `${base(app, endpoint)}/replay-missing`,
    Date.now() - DAY_MILLIS,
  );
}

const shownKey = (key) => [
  h('pre', { class: 'code', tabindex: '0', role: 'region', 'aria-label': 'Secret' }, key),
  h('p', null, copy(key, 'Copy the secret')),
];

export async function secret(app, endpoint) {
  const { key } = await api.get(`${base(app, endpoint)}/secret`);
  dialog('Secret', [h('p', null, 'What the receiver verifies signatures with.'), shownKey(key)]);
}

export function rotate(app, endpoint) {
  const asked = dialog(
    'Rotate the secret',
    form(
      [
        field('grace', 'The old secret still signs beside the new one for', {
          kind: 'select',
          options: GRACES,
          value: '86400',
          hint: 'Long enough to change the receiver. At once, when the secret has leaked.',
        }),
        field('key', 'New secret', {
          kind: 'password',
          autocomplete: 'new-password',
          hint: 'Empty: one is made.',
        }),
      ],
      'Rotate',
      async (values) => {
        const made = await api.post(`${base(app, endpoint)}/secret/rotate`, {
          gracePeriodSeconds: Number(values.grace),
          ...(values.key && { key: values.key }),
        });
        show(
          asked.querySelector('.body'),
          h('p', null, 'The new secret signs from now on.'),
          shownKey(made.key),
        );
      },
    ),
  );
}

export function remove(app, endpoint, leave) {
  confirm(
    'Delete this endpoint?',
    `Nothing more is sent to ${endpoint.url}. What waits for it is taken back. This can’t be undone.`,
    async () => {
      await api.delete(base(app, endpoint));
      leave();
    },
    { yes: 'Delete it' },
  );
}

// What is done less often, behind one button.
export function more(list) {
  return h(
    'details',
    { class: 'menu' },
    h('summary', { class: 'button plain' }, 'More'),
    h(
      'div',
      null,
      list.map(([words, action, kind]) =>
        button(
          words,
          (element) => {
            const menu = element.closest('details');
            menu.open = false;
            menu.querySelector('summary').focus();
            return action();
          },
          { kind: kind ?? 'plain' },
        ),
      ),
    ),
  );
}
