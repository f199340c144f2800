// Attempts: one line each, with the request and the answer on demand.

import { api, path } from './api.js';
import { h, show, to } from './dom.js';
import { id, millis, pretty, when } from './format.js';
import { code, facts, pill, problem } from './parts.js';

const CLASSES = { 0: 'no answer' };

const answered = (attempt) =>
  attempt.responseStatusCode ? String(attempt.responseStatusCode) : CLASSES[0];

function sentHeaders(found) {
  const text = Object.entries(found.sentHeaders ?? {}).map(([name, value]) => `${name}: ${value}`);
  const hidden = (found.sensitive ?? []).map((name) => `${name}: (not shown)`);
  return [...text, ...hidden].join('\n');
}

function payload(message) {
  if (message?.payload?.expired)
    return h('p', { class: 'faint' }, 'The payload is kept no longer.');
  const { rawPayload, rawPayloadBase64 } = message?.payload ?? {};
  return [
    h(
      'p',
      { class: 'faint' },
      'The payload as it was accepted; a transformation may have changed what was sent.',
    ),
    code(pretty(rawPayload ?? rawPayloadBase64 ?? message?.payload ?? {}), {
      label: 'Payload of the message',
    }),
  ];
}

async function content(app, attempt) {
  const base = path`app/${app}/msg/${attempt.msgId}`;
  const [whole, headers, message] = await Promise.allSettled([
    api.get(`${base}/${path`attempt/${attempt.id}`}`),
    api.get(`${base}/${path`attempt/${attempt.id}/headers`}`),
    api.get(base),
  ]);
  const part = ({ value, reason }, draw) => (reason ? problem(reason) : draw(value));
  return [
    facts([
      ['Attempt', h('code', null, attempt.id)],
      [
        'Message',
        h('a', { href: to('applications', app, 'messages', attempt.msgId) }, attempt.msgId),
      ],
      ['Sent to', attempt.url],
      ['Asked for by', attempt.triggerType === 1 ? 'a resend' : 'the schedule'],
      [
        'Console',
        attempt.console?.length ? code(attempt.console.join('\n'), { label: 'Console' }) : null,
      ],
    ]),
    h(
      'div',
      { class: 'grid' },
      h(
        'div',
        null,
        h('h3', null, 'Request'),
        part(headers, (found) =>
          code(sentHeaders(found) || 'no headers are kept', { label: 'Headers sent' }),
        ),
        part(message, payload),
      ),
      h(
        'div',
        null,
        h('h3', null, `Answer: ${answered(attempt)}`),
        part(whole, (found) =>
          found.response
            ? code(pretty(found.response), { label: 'Answer' })
            : h('p', { class: 'empty' }, 'No body came with it.'),
        ),
      ),
    ),
  ];
}

function line(app, attempt) {
  const place = h('div', { class: 'opened' });
  const element = h(
    'details',
    { class: 'line' },
    h(
      'summary',
      null,
      pill(attempt.status === 0 ? 'delivered' : 'failed'),
      ' ',
      h('b', null, answered(attempt)),
      ' ',
      h('span', null, attempt.msg?.eventType ?? ''),
      ' ',
      id(attempt.msgId),
      ' ',
      h(
        'span',
        { class: 'faint' },
        millis(attempt.responseDurationMs),
        ' · ',
        when(attempt.timestamp),
        attempt.triggerType === 1 ? ' · resend' : '',
      ),
    ),
    place,
  );
  element.addEventListener('toggle', async () => {
    if (!element.open || place.childNodes.length) return;
    show(place, h('p', { class: 'faint' }, 'Reading …'));
    show(place, await content(app, attempt).catch(problem));
  });
  return element;
}

// Attempts of an application, newest first.
export function attempts(app, rows, empty) {
  if (rows.length === 0) return h('p', { class: 'empty' }, empty);
  return h(
    'div',
    { class: 'lines' },
    rows.map((attempt) => line(app, attempt)),
  );
}
