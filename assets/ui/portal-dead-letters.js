// Deliveries that are not tried again by themselves.

import { api } from './api.js';
import { h } from './dom.js';
import { confirm } from './forms.js';
import { bytes, number, plural, seconds, when } from './format.js';
import { button, pages, table } from './parts.js';
import {
  called,
  died,
  endpointLink,
  endpointsById,
  follow,
  messageLink,
  narrow,
  resend,
} from './portal-parts.js';
import { may, own } from './portal-place.js';

const REASONS = ['exhausted', 'gone', 'rejected', 'expired'];

function rows(endpoints, again) {
  return (found) =>
    table(
      [
        ['Message', (one) => messageLink(one.msgId, one.eventType)],
        [
          'Endpoint',
          (one) =>
            endpoints.has(one.endpointId) ? endpointLink(endpoints.get(one.endpointId)) : '–',
        ],
        ['Why', (one) => died(one.reason)],
        ['Last answer', (one) => one.lastStatusCode || 'none'],
        ['Attempts', (one) => number(one.attempts), 'right'],
        ['Given up', (one) => when(one.timestamp), 'keep'],
        [
          'Again',
          (one) =>
            one.expunged
              ? 'its content is gone'
              : (resend(one.msgId, one.endpointId, again) ?? '–'),
        ],
      ],
      found,
      { caption: 'Dead letters', empty: 'Nothing was given up.' },
    );
}

// What would be sent again, or given up, before it is.
function bulk(words, what, chosen, done) {
  const place = own`dead-letter/${what}`;
  return button(
    words,
    async () => {
      const plan = await api.post(place, { ...chosen, plan: true });
      const { disabled, expunged } = plan.skipped;
      const parts = [
        plan.bytes === null ? null : `${bytes(plan.bytes)} are sent`,
        plan.estimatedSeconds ? `it takes ${seconds(plan.estimatedSeconds)} at least` : null,
        disabled ? `${plural(disabled, 'delivery', 'deliveries')} of paused endpoints stay` : null,
        expunged ? `${plural(expunged, 'delivery', 'deliveries')} without content stay` : null,
      ]
        .filter(Boolean)
        .join('; ');
      const means =
        what === 'purge'
          ? 'They leave this list for good and are never sent.'
          : 'They are put back, with all their attempts before them.';
      confirm(
        `${words}: ${plural(plan.count, 'delivery', 'deliveries')}`,
        `${means}${parts ? ` Of it: ${parts}.` : ''}`,
        async () => {
          const task = await api.post(place, { ...chosen, until: plan.until });
          follow(task, words).then(done, () => {});
        },
        { yes: words, kind: what === 'purge' ? 'danger' : '' },
      );
    },
    { kind: 'plain' },
  );
}

export async function deadLetters(values, page) {
  page.title('Dead letters');
  page.about('What could not be delivered and is not tried again by itself.');
  const { endpoint, reason, type } = values;
  const endpoints = await endpointsById();
  const shown = pages(
    (iterator) =>
      api.get(own`dead-letter`, {
        limit: 50,
        iterator,
        endpoint_id: endpoint,
        reason,
        event_types: type,
      }),
    rows(endpoints, () => shown.again()),
  );
  await shown.ready;
  const chosen = {
    endpointId: endpoint || null,
    reason: reason || null,
    eventTypes: type ? [type] : null,
  };
  const some = endpoint || reason || type;
  if (shown.querySelector('tbody')) {
    page.actions(
      may('CreateAttempts')
        ? bulk(some ? 'Send these again' : 'Send all again', 'resend', chosen, () => page.again())
        : null,
      may('ManageEndpoint')
        ? bulk(some ? 'Give these up' : 'Give all up', 'purge', chosen, () => page.again())
        : null,
    );
  }
  const options = [
    ['', 'every endpoint'],
    ...[...endpoints.values()].map((one) => [one.id, called(one)]),
  ];
  return [
    narrow({ view: 'dead-letters' }, [
      { name: 'endpoint', label: 'Endpoint', kind: 'select', value: endpoint, options },
      {
        name: 'reason',
        label: 'Why',
        kind: 'select',
        value: reason,
        options: [['', 'whatever'], ...REASONS.map((one) => [one, died(one)])],
      },
      { name: 'type', label: 'Event type', value: type },
    ]),
    h('div', null, shown),
  ];
}
