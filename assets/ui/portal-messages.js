// The messages of the application.

import { api } from './api.js';
import { h } from './dom.js';
import { when } from './format.js';
import { pages, table } from './parts.js';
import { catalogue, messageLink, narrow, suggestions } from './portal-parts.js';
import { own } from './portal-place.js';

function list(found) {
  return table([
    ['Message', (one) => messageLink(one.id, one.eventType)],
    ['When', (one) => when(one.timestamp), 'keep'],
    ['Event id', (one) => (one.eventId ? h('code', null, one.eventId) : '–')],
    ['Channels', (one) => one.channels?.join(', ') ?? '–'],
    ['Tags', (one) => one.tags?.join(', ') ?? '–'],
  ], found, { caption: 'Messages', empty: 'No message fits. What the application sends shows here, newest first.' });
}

export async function messages(values, page) {
  page.title('Messages');
  page.about('What the application had to tell, whether an endpoint wanted it or not.');
  const { type, channel, tag, after, before } = values;
  const shown = pages((iterator) => api.get(own`msg`, {
    limit: 50, iterator, event_types: type, channel, tag, after, before, with_content: false, order: 'descending',
  }), list);
  const [types] = await Promise.all([catalogue({}), shown.ready]);
  return [suggestions('types', types.map((one) => one.name)), narrow({ view: 'messages' }, [
    { name: 'type', label: 'Event type', value: type, list: 'types' },
    { name: 'channel', label: 'Channel', value: channel },
    { name: 'tag', label: 'Tag', value: tag },
    { name: 'after', label: 'After', value: after, kind: 'datetime-local' },
    { name: 'before', label: 'Before', value: before, kind: 'datetime-local' },
  ]), shown];
}
