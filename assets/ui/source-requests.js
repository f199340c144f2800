// What came to a source, by verdict; what was refused is taken after all, one or all of it; and a
// dedup rule is tried on it.

import { api, path } from './api.js';
import { h, show, to } from './dom.js';
import { confirm, field, form } from './forms.js';
import { id, number, plural, when } from './format.js';
import { button, card, figure, figures, notice, pages, pill, table } from './parts.js';
import { dedupFields, dedupOf } from './source-form.js';
import { VERDICT_NAMES, verdictWords } from './words.js';

const link = (source, request) =>
  h('a', { href: to('sources', source, 'requests', request) }, id(request));

export const messageLink = (row) =>
  row.msgId
    ? h('a', { href: to('applications', row.appId, 'messages', row.msgId) }, id(row.msgId))
    : '–';

// Takes one request: first as the rules are, and only when asked `anyway`.
export async function release(source, request, anyway) {
  const now = await api.post(
    path`source/${source}/request/${request}/release`,
    anyway ? { anyway: true } : {},
  );
  notice(
    now.msgId ? 'It is a message now.' : `It is ${now.verdict} still. ${verdictWords(now)}`,
    now.msgId ? 'good' : 'bad',
  );
  return now;
}

// Every refused request is verified again, some at a time until all were.
async function releaseAll(source, told) {
  const sum = { released: 0, duplicates: 0, refused: 0 };
  let iterator = null;
  do {
    const part = await api.post(
      path`source/${source.id}/request/release`,
      iterator ? { iterator } : {},
    );
    for (const name of Object.keys(sum)) sum[name] += part[name];
    iterator = part.done ? null : part.iterator;
    show(
      told,
      `${number(sum.released)} released, ${plural(sum.duplicates, 'duplicate')}, ${number(sum.refused)} refused still${iterator ? ' …' : '.'}`,
    );
  } while (iterator);
}

export function requests(source, may, verdict = '') {
  let wanted = verdict ? { verdict } : {};
  const told = h('p', { role: 'status', class: 'faint' });
  const list = pages(
    (iterator) => api.get(path`source/${source.id}/request`, { limit: 50, iterator, ...wanted }),
    (rows) =>
      table(
        [
          ['Came', (row) => when(row.timestamp), 'keep'],
          ['Verdict', (row) => pill(row.verdict)],
          ['Event type', (row) => row.eventType || '–'],
          ['Request', (row) => link(source.id, row.id)],
          [
            'Why',
            (row) =>
              row.detail ??
              (row.duplicateOf ? ['came before as ', link(source.id, row.duplicateOf)] : '–'),
          ],
          ['Message', messageLink],
          ...(may
            ? [
                [
                  '',
                  (row) =>
                    ['refused', 'held'].includes(row.verdict) && !row.msgId
                      ? button(
                          'Release',
                          async () => {
                            await release(source.id, row.id);
                            await list.again();
                          },
                          { kind: 'plain small', 'aria-label': `Release ${row.id}` },
                        )
                      : null,
                ],
              ]
            : []),
        ],
        rows,
        {
          caption: 'Requests',
          empty:
            'Nothing here. What is posted to the URL of this source stands here with its verdict.',
        },
      ),
  );
  const ask = form(
    [
      field('verdict', 'Verdict', {
        kind: 'select',
        options: [['', 'Any'], ...VERDICT_NAMES.map((name) => [name, name])],
        value: verdict,
      }),
      field('event_type', 'Event type'),
      field('event_id', 'Event id'),
    ],
    'Filter',
    (values) => {
      wanted = values;
      return list.again();
    },
    { kind: 'row' },
  );
  const all = button(
    'Release all that was refused',
    () =>
      confirm(
        'Release what was refused?',
        'Every refused request is verified again, with the secrets of now and as of when it came. What fits becomes a message.',
        async () => {
          await releaseAll(source, told);
          await list.again();
        },
        { yes: 'Release', kind: '' },
      ),
    { kind: 'plain' },
  );
  return h('div', null, ask, may ? h('div', { class: 'actions' }, all, told) : null, list);
}

// Which requests a rule would have told apart.
export function dedupTry(source) {
  const place = h('div', { role: 'status' });
  const ask = form(
    [
      dedupFields(source),
      field('limit', 'Try it on', {
        kind: 'select',
        options: [
          ['50', 'the last 50 requests'],
          ['200', 'the last 200 requests'],
        ],
        value: '50',
      }),
    ],
    'Try it',
    async (values) => {
      const told = await api.post(path`source/${source.id}/dry-run`, {
        ...dedupOf(values),
        limit: Number(values.limit),
      });
      show(
        place,
        figures(
          figure('Looked at', told.looked),
          figure('Would be messages', told.accepted),
          figure('Would be duplicates', told.duplicates),
        ),
        table(
          [
            ['Request', (row) => link(source.id, row.requestId)],
            ['Would be', (row) => pill(row.outcome)],
            ['Came before as', (row) => (row.duplicateOf ? link(source.id, row.duplicateOf) : '–')],
          ],
          told.data,
          {
            caption: 'Requests by the rule',
            empty: 'No request that was accepted or a duplicate is kept yet.',
          },
        ),
      );
    },
    { kind: 'narrow' },
  );
  return card(
    'Try a dedup rule',
    h(
      'p',
      { class: 'faint' },
      'On requests that came. Nothing is changed: the rule itself is set in the settings.',
    ),
    ask,
    place,
  );
}
