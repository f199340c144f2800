// One message: what it holds, where it went, and every attempt.

import { api } from './api.js';
import { h, show } from './dom.js';
import { millis, moment, pretty, when } from './format.js';
import { button, card, code, facts, pages, pill, table } from './parts.js';
import { answered, called, due, endpointsById, resend } from './portal-parts.js';
import { at, own } from './portal-place.js';

const LOOK_SECONDS = 5;
const TRIGGERS = ['by schedule', 'sent again by hand'];

function body(message) {
  const { payload } = message;
  if (payload?.expired === true && Object.keys(payload).length === 1)
    return h('p', { class: 'empty' }, 'The content is kept no longer.');
  const raw = Object.keys(payload ?? {}).join() === 'rawPayload' ? payload.rawPayload : null;
  return code(raw === null ? pretty(payload) : pretty(raw), { label: 'The content' });
}

function endpointOf(id, endpoints, url) {
  const known = endpoints.get(id);
  const words = known ? called(known) : url;
  return known ? h('a', { href: at({ view: 'endpoint', endpoint: id }) }, words) : words;
}

function destinations(message, endpoints, again) {
  return pages(
    (iterator) => api.get(own`msg/${message}/explain`, { limit: 50, iterator }),
    (found) =>
      table(
        [
          ['Endpoint', (one) => endpointOf(one.endpointId, endpoints, one.url)],
          [
            'State',
            (one) => pill(one.outcome === 'waiting' && one.reason ? one.reason : one.outcome),
          ],
          ['Why', (one) => one.detail],
          ['Next attempt', (one) => due(one.nextAttempt), 'keep'],
          [
            'Again',
            (one) =>
              (one.outcome !== 'not_matched' && resend(message, one.endpointId, again)) || '–',
          ],
        ],
        found,
        { empty: 'The application has no endpoint.', caption: 'Where it went' },
      ),
  );
}

function sent(message, attempt) {
  const shown = h('div');
  const more = button(
    'Show the headers that were sent',
    async () => {
      const { sentHeaders, sensitive } = await api.get(
        own`msg/${message}/attempt/${attempt}/headers`,
      );
      const lines = Object.entries(sentHeaders).map(([name, value]) => `${name}: ${value}`);
      const hidden = sensitive.map((name) => `${name}: (not shown)`);
      show(
        shown,
        code([...lines, ...hidden].join('\n') || 'None is kept.', {
          label: 'Headers that were sent',
        }),
      );
      more.remove();
    },
    { kind: 'plain small' },
  );
  return [more, shown];
}

function attemptsList(message, found, endpoints) {
  if (found.length === 0) return h('p', { class: 'empty' }, 'No attempt yet.');
  return h(
    'ol',
    { class: 'timeline' },
    found.map((one) =>
      h(
        'li',
        { class: one.status === 0 ? 'good' : 'bad' },
        h(
          'p',
          null,
          answered(one),
          ' ',
          pill(one.statusText),
          ' ',
          endpointOf(one.endpointId, endpoints, one.url),
        ),
        h(
          'p',
          { class: 'faint' },
          when(one.timestamp),
          ` · took ${millis(one.responseDurationMs)} · ${TRIGGERS[one.triggerType] ?? ''}`,
        ),
        h(
          'details',
          { class: 'small' },
          h('summary', null, 'Request and answer'),
          h('p', null, 'Posted to ', h('code', null, one.url), '. ', sent(message, one.id)),
          h('h3', null, 'The answer'),
          one.response
            ? code(pretty(one.response), { label: 'The answer' })
            : h('p', { class: 'empty' }, 'It had no content.'),
        ),
      ),
    ),
  );
}

export async function message(values, page) {
  const id = values.message ?? '';
  const [found, endpoints] = await Promise.all([api.get(own`msg/${id}`), endpointsById()]);
  page.title(found.eventType);
  page.about('Message ', h('code', null, found.id), ', ', when(found.timestamp));
  const attempts = pages(
    (iterator) => api.get(own`attempt/msg/${found.id}`, { limit: 50, iterator }),
    (list) => attemptsList(found.id, list, endpoints),
  );
  const places = destinations(found.id, endpoints, () => {
    attempts.again();
    places.again();
  });
  // What waits is looked at again, unless somebody reads on or has opened something.
  page.every(LOOK_SECONDS, async () => {
    const busy = [attempts, places].some(
      (part) =>
        part.querySelector('details[open], :focus') || part.contains(document.activeElement),
    );
    const waits = places.querySelector('.pill.warn');
    if (waits && !busy) await Promise.all([attempts.again(), places.again()]);
  });
  await Promise.all([attempts.ready, places.ready]);
  return [
    card('Where it went', places),
    h(
      'div',
      { class: 'grid' },
      card(
        'Content',
        facts([
          ['Event id', found.eventId ? h('code', null, found.eventId) : null],
          ['Channels', found.channels?.join(', ')],
          ['Tags', found.tags?.join(', ')],
          ['Accepted', moment(found.timestamp)],
          ['First attempt', found.deliverAt ? moment(found.deliverAt) : null],
        ]),
        body(found),
      ),
      card('Attempts', attempts),
    ),
  ];
}
