// The messages of the application.

import { api } from './api.js';
import { h } from './dom.js';
import { when } from './format.js';
import { pages, table } from './parts.js';
import { catalogue, messageLink, narrow, suggestions } from './portal-parts.js';
import { own } from './portal-place.js';

const HOW = {
  success: 'delivered',
  pending: 'waiting',
  sending: 'being sent',
  fail: 'failed',
  canceled: 'cancelled',
};

function stand(deliveries) {
  const found = Object.entries(HOW).filter(([name]) => deliveries?.[name]);
  return found.map(([name, words]) => `${deliveries[name]} ${words}`).join(', ') || '–';
}

const COLUMNS = [
  ['Message', (one) => messageLink(one.id, one.eventType)],
  ['When', (one) => when(one.timestamp), 'keep'],
  ['Event id', (one) => (one.eventId ? h('code', null, one.eventId) : '–')],
];
const LISTED = [
  ...COLUMNS,
  ['Channels', (one) => one.channels?.join(', ') ?? '–'],
  ['Tags', (one) => one.tags?.join(', ') ?? '–'],
];
const FOUND = [
  ...COLUMNS,
  ['Found', (one) => (one.match?.excerpt ? h('code', null, one.match.excerpt) : '–')],
  ['Deliveries', (one) => stand(one.deliveries)],
];

function list(found, page) {
  const searched = page && 'searchedTo' in page;
  const more = page?.searchedTo
    ? h('p', { class: 'faint' }, 'Searched up to ', when(page.searchedTo), ' so far.')
    : null;
  return [
    table(searched ? FOUND : LISTED, found, {
      caption: 'Messages',
      empty: searched
        ? 'Nothing was found. Text is looked for in the last day, or in up to seven days after a ' +
          'time that you give.'
        : 'No message fits. What the application sends shows here, newest first.',
    }),
    more,
  ];
}

export async function messages(values, page) {
  page.title('Messages');
  page.about('What the application had to tell, whether an endpoint wanted it or not.');
  const { q, type, channel, tag, after, before } = values;
  const chosen = { limit: 50, event_types: type, channel, tag, after, before, order: 'descending' };
  const shown = pages(
    (iterator) =>
      q
        ? api.get(own`message-search`, { ...chosen, q, iterator })
        : api.get(own`msg`, { ...chosen, iterator, with_content: false }),
    list,
  );
  const [types] = await Promise.all([catalogue({}), shown.ready]);
  return [
    suggestions(
      'types',
      types.map((one) => one.name),
    ),
    narrow({ view: 'messages' }, [
      { name: 'q', label: 'Search', value: q, kind: 'search', placeholder: 'id, or text' },
      { name: 'type', label: 'Event type', value: type, list: 'types' },
      { name: 'channel', label: 'Channel', value: channel },
      { name: 'tag', label: 'Tag', value: tag },
      { name: 'after', label: 'After', value: after, kind: 'datetime-local' },
      { name: 'before', label: 'Before', value: before, kind: 'datetime-local' },
    ]),
    shown,
  ];
}
