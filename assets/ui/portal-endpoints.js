// The endpoints of the application.

import { api } from './api.js';
import { h, show } from './dom.js';
import { place, plural, when } from './format.js';
import { pages, pill, table } from './parts.js';
import { called, endpointLink, state } from './portal-parts.js';
import { at, may, own } from './portal-place.js';

const MOST_SHOWN = 3;

function wanted(endpoint) {
  const types = endpoint.eventTypes;
  if (!types) return 'every event type';
  const rest = types.length - MOST_SHOWN;
  return [
    types.slice(0, MOST_SHOWN).map((type) => [h('code', null, type), ' ']),
    rest > 0 ? `and ${plural(rest, 'more', 'more')}` : null,
  ];
}

// Known from the list but for how its receiver does, which is asked for each.
function standing(endpoint) {
  const shown = h('span', null, state(endpoint));
  if (!endpoint.disabled) {
    api.get(own`endpoint/${endpoint.id}/health`).then(
      ({ status, words }) => {
        if (status === 'healthy' || status === 'idle') return;
        show(shown, h('span', { title: words }, pill(status)));
      },
      () => {}, // what the list says still stands
    );
  }
  return shown;
}

function list(found) {
  return table(
    [
      [
        'Endpoint',
        (one) => [
          endpointLink(one),
          called(one) === place(one.url) ? null : h('div', { class: 'faint' }, place(one.url)),
        ],
      ],
      ['State', standing],
      [
        'Is sent',
        (one) => [
          wanted(one),
          one.channels ? [' in ', one.channels.join(', ')] : null,
          one.filter ? [' ', pill('filter')] : null,
        ],
      ],
      ['Since', (one) => when(one.createdAt), 'keep'],
    ],
    found,
    {
      caption: 'Endpoints',
      empty: may('ManageEndpoint')
        ? 'No endpoint yet. Add one: a URL of yours that takes events.'
        : 'No endpoint yet.',
    },
  );
}

export async function endpoints(values, page) {
  page.title('Endpoints');
  page.about('URLs of yours that events are sent to.');
  if (may('ManageEndpoint'))
    page.actions(
      h('a', { class: 'button', href: at({ view: 'new-endpoint' }) }, 'Add an endpoint'),
    );
  const shown = pages((iterator) => api.get(own`endpoint`, { limit: 50, iterator }), list);
  await shown.ready;
  return shown;
}
