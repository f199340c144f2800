// What an endpoint was sent: its messages, its attempts, and sending again what it missed.

import { api } from './api.js';
import { h } from './dom.js';
import { field, form } from './forms.js';
import { when } from './format.js';
import { card, pages, pill, table } from './parts.js';
import { attemptsTable, due, follow, messageLink, resend, utc } from './portal-parts.js';
import { own } from './portal-place.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SINCE = [
  [HOUR, 'the last hour'],
  [6 * HOUR, 'the last 6 hours'],
  [DAY, 'the last day'],
  [3 * DAY, 'the last 3 days'],
  [7 * DAY, 'the last 7 days'],
  [14 * DAY, 'the last 14 days'],
];
const STATUSES = [
  ['', 'however they stand'],
  ['0', 'delivered'],
  ['1', 'waiting'],
  ['3', 'being sent'],
  ['2', 'failed'],
  ['4', 'cancelled'],
];
const RESULTS = [
  ['', 'all'],
  ['0', 'success'],
  ['2', 'failed'],
];

export function messages(endpoint) {
  const { id } = endpoint;
  const select = field('status', 'Deliveries', { kind: 'select', value: '', options: STATUSES });
  const status = select.querySelector('select');
  const shown = pages(
    (iterator) =>
      api.get(own`endpoint/${id}/msg`, {
        limit: 50,
        iterator,
        status: status.value,
        with_content: false,
      }),
    (found) =>
      table(
        [
          ['Message', (one) => messageLink(one.id, one.eventType)],
          ['When', (one) => when(one.timestamp), 'keep'],
          ['State', (one) => pill(one.statusText)],
          ['Next attempt', (one) => due(one.nextAttempt), 'keep'],
          ['Again', (one) => resend(one.id, id, () => shown.again()) ?? '–'],
        ],
        found,
        {
          empty: 'Nothing that was meant for this endpoint stands so.',
          caption: 'Messages of this endpoint',
        },
      ),
  );
  status.addEventListener('change', () => shown.again());
  return [
    h('form', { class: 'narrow', onsubmit: (event) => event.preventDefault() }, select),
    shown,
  ];
}

export function attempts(endpoint) {
  const select = field('result', 'Attempts', { kind: 'select', value: '', options: RESULTS });
  const result = select.querySelector('select');
  const shown = pages(
    (iterator) =>
      api.get(own`attempt/endpoint/${endpoint.id}`, {
        limit: 50,
        iterator,
        status: result.value,
        with_content: false,
        with_msg: true,
      }),
    attemptsTable,
  );
  result.addEventListener('change', () => shown.again());
  return [
    h('form', { class: 'narrow', onsubmit: (event) => event.preventDefault() }, select),
    shown,
  ];
}

function since() {
  return [
    field('span', 'Since', {
      kind: 'select',
      value: String(DAY),
      options: SINCE.map(([span, words]) => [String(span), words]),
    }),
    field('from', 'or since exactly', { kind: 'datetime-local', hint: 'Counts when it is set.' }),
  ];
}

const begin = ({ span, from }) => utc(from) || new Date(Date.now() - Number(span)).toISOString();

export function again(endpoint) {
  const { id } = endpoint;
  return h(
    'div',
    { class: 'grid' },
    card(
      'Recover',
      h('p', null, 'Tries every delivery that failed since then once more. At most 14 days back.'),
      form(since(), 'Recover', async (given) => {
        await follow(
          await api.post(own`endpoint/${id}/recover`, { since: begin(given) }),
          'Recover',
        );
      }),
    ),
    card(
      'Send what is missing',
      h(
        'p',
        null,
        'Sends what this endpoint wants and never had since then: messages from before it was ' +
          'added, or while it was paused.',
      ),
      form(since(), 'Send what is missing', async (given) => {
        await follow(
          await api.post(own`endpoint/${id}/replay-missing`, { since: begin(given) }),
          'Send what is missing',
        );
      }),
    ),
  );
}
