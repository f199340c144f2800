// One message: where it came from, who it went to and why, each attempt, and what comes next.

import { all, api, path } from './api.js';
import { attemptEntry } from './attempts.js';
import { h, names, to } from './dom.js';
import { confirm } from './forms.js';
import { id, moment, place, plural, pretty, when } from './format.js';
import { button, card, code, copy, facts, notice, pill } from './parts.js';
import { about, actions, mayChange, page, title } from './shell.js';

const ATTEMPTS_MAX = 1000;
const { app, message: name } = names;

// The body that was sent: what is no JSON object stands in a field of its own.
function body(payload) {
  if (payload?.expired === true && Object.keys(payload).length === 1)
    return h('p', { class: 'empty' }, 'The content is over its time, or was taken away.');
  if (typeof payload?.rawPayload === 'string') return code(payload.rawPayload, { label: 'Body' });
  if (typeof payload?.rawPayloadBase64 === 'string')
    return code(payload.rawPayloadBase64, { label: 'Body as base64' });
  return code(pretty(payload), { label: 'Body' });
}

function received(message) {
  const { origin } = message;
  if (!origin)
    return h(
      'li',
      { class: 'good' },
      h(
        'p',
        null,
        'Accepted from the application ',
        h('span', { class: 'faint' }, when(message.timestamp)),
      ),
    );
  return [
    h(
      'li',
      { class: 'good' },
      h(
        'p',
        null,
        'Came to the source ',
        h('a', { href: to('sources', origin.sourceId) }, origin.source),
        ' ',
        h('span', { class: 'faint' }, when(message.timestamp)),
      ),
      h(
        'p',
        null,
        h(
          'a',
          { href: to('sources', origin.sourceId, 'requests', origin.requestId) },
          'The request as it came',
        ),
      ),
    ),
    h(
      'li',
      { class: origin.verified ? 'good' : 'warn' },
      h(
        'p',
        null,
        origin.verified
          ? 'Its signature was verified.'
          : 'Its signature was not checked: the source asks for none, or a person let it through.',
      ),
    ),
  ];
}

const TONES = { delivered: 'good', waiting: 'warn', dead: 'bad', cancelled: '', not_matched: '' };

function coming(told) {
  if (told.outcome !== 'waiting') return null;
  return h(
    'li',
    { class: 'warn' },
    h(
      'p',
      null,
      told.nextAttempt
        ? [
            'Next attempt ',
            when(told.nextAttempt),
            h('span', { class: 'faint' }, ` (${moment(told.nextAttempt)})`),
          ]
        : told.detail,
    ),
  );
}

function delivery(told, attempts, again) {
  const own = attempts
    .filter((attempt) => attempt.endpointId === told.endpointId)
    .sort((a, b) => a.timestamp.localeCompare(b.timestamp) || a.id.localeCompare(b.id));
  let scheduled = 0;
  const entries = own.map((attempt) =>
    attemptEntry(app, attempt, attempt.triggerType === 1 ? 0 : (scheduled += 1)),
  );
  const resend = button(
    'Resend',
    async () => {
      await api.post(path`app/${app}/msg/${name}/endpoint/${told.endpointId}/resend`);
      notice('It is sent once more.');
      again();
    },
    { kind: 'plain small' },
  );
  resend.hidden = true;
  mayChange.then((may) => {
    resend.hidden = !may;
  });
  return card(
    null,
    h(
      'div',
      { class: 'head' },
      h(
        'h3',
        null,
        h('a', { href: to('applications', app, 'endpoints', told.endpointId) }, place(told.url)),
        ' ',
        pill(told.outcome, TONES[told.outcome]),
      ),
      resend,
    ),
    h('p', { class: 'faint' }, told.detail),
    h(
      'ol',
      { class: 'timeline' },
      h('li', { class: 'good' }, h('p', null, 'Matched.')),
      entries,
      coming(told),
    ),
  );
}

function left(list) {
  if (list.length === 0) return null;
  const rows = list.map((told) =>
    h(
      'li',
      null,
      h('a', { href: to('applications', app, 'endpoints', told.endpointId) }, place(told.url)),
      `: ${told.detail}`,
    ),
  );
  return card(`Not sent to ${plural(list.length, 'endpoint')}`, h('ul', null, rows));
}

function remove() {
  confirm(
    'Take its content away?',
    'The body goes from the disk too, what its attempts sent and were answered, and what waits is not sent. What became of the message stays. This can’t be undone.',
    async () => {
      await api.delete(path`app/${app}/msg/${name}/content`);
      location.reload();
    },
    { yes: 'Take it away' },
  );
}

page(async (content) => {
  const [message, told, attempts] = await Promise.all([
    api.get(path`app/${app}/msg/${name}`),
    all(path`app/${app}/msg/${name}/explain`),
    all(path`app/${app}/attempt/msg/${name}`, {}, ATTEMPTS_MAX),
  ]);
  title(message.eventType);
  about(
    h('a', { href: to('applications', app) }, 'Application'),
    ' · ',
    id(message.id),
    ' ',
    copy(message.id, 'Copy id'),
  );
  actions(button('Take content away', remove, { kind: 'plain' }));
  const again = () => setTimeout(() => location.reload(), 700);
  const matched = told.filter((one) => one.outcome !== 'not_matched');
  const deliveries = matched.length
    ? matched.map((one) => delivery(one, attempts, again))
    : h('p', { class: 'empty' }, 'No endpoint wanted it when it was accepted.');
  content.replaceChildren();
  return [
    h(
      'div',
      { class: 'grid' },
      card(
        'Message',
        facts([
          ['Event id', message.eventId],
          ['Accepted', moment(message.timestamp)],
          ['Deliver at', message.deliverAt && moment(message.deliverAt)],
          ['Channels', message.channels?.join(', ')],
          ['Tags', message.tags?.join(', ')],
        ]),
        h('ol', { class: 'timeline' }, received(message)),
      ),
      card('Body', body(message.payload)),
    ),
    h('h2', null, `Deliveries (${matched.length})`),
    deliveries,
    left(told.filter((one) => one.outcome === 'not_matched')),
  ];
});
