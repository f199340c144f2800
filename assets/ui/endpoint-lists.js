// The messages of an endpoint, by state, and its attempts, by outcome.

import { api, path } from './api.js';
import { attempts } from './endpoint-attempts.js';
import { h, to } from './dom.js';
import { field, form } from './forms.js';
import { id, when } from './format.js';
import { button, notice, pages, pill, table } from './parts.js';
import { DELIVERY_STATES, deliveryState } from './words.js';

const OUTCOMES = [
  ['', 'Any outcome'],
  ['0', 'delivered'],
  ['2', 'failed'],
];
const ANSWERS = [
  ['', 'Any answer'],
  ['0', 'no answer'],
  ['200', '2xx'],
  ['300', '3xx'],
  ['400', '4xx'],
  ['500', '5xx'],
];

function resend(app, endpoint, row) {
  return button(
    'Resend',
    async () => {
      await api.post(path`app/${app}/msg/${row.id}/endpoint/${endpoint.id}/resend`);
      notice('One more attempt is made now.');
    },
    { kind: 'plain small', 'aria-label': `Resend ${row.id}` },
  );
}

export function endpointMessages(app, endpoint, may) {
  let wanted = {};
  const list = pages(
    (iterator) =>
      api.get(path`app/${app}/endpoint/${endpoint.id}/msg`, {
        limit: 50,
        iterator,
        with_content: false,
        ...wanted,
      }),
    (rows) =>
      table(
        [
          ['State', (row) => pill(deliveryState(row.statusText))],
          ['Accepted', (row) => when(row.timestamp), 'keep'],
          ['Event type', (row) => row.eventType],
          [
            'Message',
            (row) => h('a', { href: to('applications', app, 'messages', row.id) }, id(row.id)),
          ],
          ['Event id', (row) => row.eventId ?? '–'],
          ['Next attempt', (row) => when(row.nextAttempt), 'keep'],
          ...(may ? [['', (row) => resend(app, endpoint, row)]] : []),
        ],
        rows,
        {
          caption: 'Messages of the endpoint',
          empty:
            'No messages here. What the endpoint wants stands here from the moment it is accepted.',
        },
      ),
  );
  const ask = form(
    [
      field('status', 'State', { kind: 'select', options: DELIVERY_STATES, value: '' }),
      field('event_types', 'Event type', { placeholder: 'invoice.paid' }),
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

export function endpointAttempts(app, endpoint) {
  let wanted = {};
  const list = pages(
    (iterator) =>
      api.get(path`app/${app}/attempt/endpoint/${endpoint.id}`, {
        limit: 50,
        iterator,
        with_content: false,
        with_msg: true,
        ...wanted,
      }),
    (rows) =>
      attempts(
        app,
        rows,
        'No attempts here. Each request to the endpoint stands here, with what it was answered.',
      ),
  );
  const ask = form(
    [
      field('status', 'Outcome', { kind: 'select', options: OUTCOMES, value: '' }),
      field('status_code_class', 'Answer', { kind: 'select', options: ANSWERS, value: '' }),
      field('event_types', 'Event type', { placeholder: 'invoice.paid' }),
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
