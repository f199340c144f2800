// A filter on the content, and what it would have let through of what is stored.

import { api } from './api.js';
import { h, show } from './dom.js';
import { field, json } from './forms.js';
import { plural, when } from './format.js';
import { button, pill, problem, table } from './parts.js';
import { messageLink } from './portal-parts.js';
import { may, own } from './portal-place.js';

const LOOKED_AT = 100;
const EXAMPLE = '{"body": {"data": {"amount": {"$gte": 1000}}}}';

function tried(found) {
  const looked = plural(found.looked, 'message');
  const words = `Of the newest ${looked} ${found.sent} would be sent, ${found.notMatched} not.`;
  const others = found.dropped + found.failed;
  const scripts = others
    ? ` On ${plural(others, 'message')} the transformation drops it or fails.`
    : '';
  return [
    h('p', null, found.looked ? words + scripts : 'Nothing is stored yet to try it on.'),
    found.stopped ? h('p', { class: 'faint' }, 'There was no time to look at more.') : null,
    found.looked
      ? table(
          [
            ['Message', (one) => messageLink(one.msgId, one.eventType)],
            ['When', (one) => when(one.timestamp), 'keep'],
            ['Would be', (one) => pill(one.outcome, one.outcome === 'sent' ? 'good' : 'calm')],
            ['Why not', (one) => one.reason ?? ''],
          ],
          found.data,
          { caption: 'What the filter does' },
        )
      : null,
  ];
}

// A part of a form; `value()` is the filter, or null for none. It can be tried on an endpoint.
export function filter(present, endpoint) {
  const part = field('filter', 'Filter', {
    kind: 'textarea',
    rows: 7,
    value: present ? JSON.stringify(present, null, 2) : '',
    placeholder: EXAMPLE,
    hint:
      'JSON that looks like the event: only what fits all of it is sent. Beside body: headers, ' +
      'event_type, channels. Operators are $gt, $gte, $lt, $lte, $in, $neq, $exists and the like.',
  });
  const text = () => part.querySelector('textarea').value.trim();
  const value = () => json(text(), 'Filter');
  const results = h('div', { class: 'tried', 'aria-live': 'polite' });
  const attempt = button(
    'Try it on stored messages',
    async () => {
      try {
        show(
          results,
          tried(
            await api.post(own`endpoint/${endpoint}/dry-run`, {
              filter: value() ?? {},
              limit: LOOKED_AT,
            }),
          ),
        );
      } catch (error) {
        show(results, problem(error));
      }
    },
    { kind: 'plain small' },
  );
  const possible = endpoint && may('ManageTransformations');
  return { element: h('div', null, part, possible ? [attempt, results] : null), value };
}
