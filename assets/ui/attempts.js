// Attempts: what was sent, what was answered, and the words for it.

import { api, path } from './api.js';
import { h, show } from './dom.js';
import { millis, pretty, when } from './format.js';
import { code, facts, pill, problem } from './parts.js';

// How an attempt ended, in a few words. Without a status the answer says why there was none.
export function outcome(attempt) {
  if (attempt.responseStatusCode) return `answered ${attempt.responseStatusCode}`;
  return attempt.status === 0 ? 'delivered' : 'no answer';
}

export const tone = (attempt) => (attempt.status === 0 ? 'good' : 'bad');

function sent(headers) {
  const list = Object.entries(headers.sentHeaders ?? {});
  const hidden = (headers.sensitive ?? []).map((name) => [name, 'not shown']);
  return facts([...list, ...hidden]);
}

// What one attempt sent and got; headers are asked for when somebody looks.
export function attemptDetails(app, attempt, words = 'Request and response') {
  const headers = h('div', null, h('p', { class: 'faint' }, 'Loading…'));
  const details = h(
    'details',
    {
      ontoggle: async () => {
        if (!details.open || details.dataset.asked) return;
        details.dataset.asked = 'yes';
        try {
          show(
            headers,
            sent(
              await api.get(path`app/${app}/msg/${attempt.msgId}/attempt/${attempt.id}/headers`),
            ),
          );
        } catch (error) {
          show(headers, problem(error));
        }
      },
    },
    h('summary', null, words),
    h('h3', null, 'Request'),
    h('p', { class: 'mono' }, `POST ${attempt.url}`),
    headers,
    h('h3', null, 'Response'),
    attempt.response
      ? code(pretty(attempt.response), { label: 'Response' })
      : h('p', { class: 'empty' }, 'Nothing in it.'),
    attempt.console?.length
      ? [
          h('h3', null, 'Console of the transformation'),
          code(attempt.console.join('\n'), { label: 'Console' }),
        ]
      : null,
  );
  return details;
}

// One attempt in a timeline.
export function attemptEntry(app, attempt, number) {
  return h(
    'li',
    { class: tone(attempt) },
    h(
      'p',
      null,
      attempt.triggerType === 1 ? 'Sent by hand' : `Attempt ${number}`,
      ' ',
      pill(outcome(attempt), tone(attempt)),
      ' ',
      h(
        'span',
        { class: 'faint' },
        'in ',
        millis(attempt.responseDurationMs),
        ', ',
        when(attempt.timestamp),
      ),
    ),
    attemptDetails(app, attempt),
  );
}
