// Background tasks: work that somebody asked for, how far it is, and an end to it.

import { api, path } from './api.js';
import { h, to } from './dom.js';
import { confirm, field, form } from './forms.js';
import { id, number, when } from './format.js';
import { button, card, facts, notice, pages, pill, table } from './parts.js';
import { about, every, mayChange, page } from './shell.js';
import { TASK_NAMES, taskWords } from './words.js';

const REFRESH_SECONDS = 4;
const STATUSES = ['running', 'finished', 'failed', 'cancelled'];

const name = (task) => task.data?.work ?? task.task;
const status = (task) => (task.data?.cancelled ? 'cancelled' : task.status);

function counts(task) {
  const found = Object.entries(task.data?.counts ?? {});
  if (found.length === 0) return null;
  return h(
    'details',
    { class: 'small' },
    h('summary', null, 'Figures'),
    facts(found.map(([what, count]) => [what, number(count)])),
  );
}

function cancel(task, again) {
  confirm(
    'Cancel this task?',
    'What it has done so far stays done; the rest is left.',
    async () => {
      await api.post(path`background-task/${task.id}/cancel`);
      notice('Cancelled.');
      await again();
    },
    { yes: 'Cancel it' },
  );
}

page(async () => {
  about('Resends, replays, counts and other work that goes on by itself.');
  const may = await mayChange;
  let wanted = {};
  let rows = [];
  let opened = 1;
  const list = pages(
    async (iterator) => {
      opened = iterator ? opened + 1 : 1;
      return api.get('background-task', { limit: 50, iterator, ...wanted });
    },
    (found) => {
      rows = found;
      return table(
        [
          ['Task', (task) => taskWords(name(task))],
          ['State', (task) => pill(status(task))],
          ['Looked at', (task) => number(task.data?.lookedAt), 'right'],
          ['Done', (task) => number(task.data?.done), 'right'],
          [
            'Application',
            (task) =>
              task.data?.appId
                ? h('a', { href: to('applications', task.data.appId) }, id(task.data.appId))
                : '–',
          ],
          ['Changed', (task) => when(task.updatedAt), 'keep'],
          [
            '',
            (task) => [
              task.data?.error && !task.data.cancelled
                ? h('span', { class: 'text-bad' }, task.data.error)
                : null,
              counts(task),
            ],
          ],
          ['Id', (task) => id(task.id)],
          ...(may
            ? [
                [
                  '',
                  (task) =>
                    task.status === 'running'
                      ? button('Cancel', () => cancel(task, list.again), {
                          kind: 'plain small',
                          'aria-label': `Cancel ${task.id}`,
                        })
                      : null,
                ],
              ]
            : []),
        ],
        found,
        {
          caption: 'Background tasks',
          empty:
            'No tasks. What is resent, replayed or counted in bulk stands here while it goes on, and for a while after.',
        },
      );
    },
  );
  const ask = form(
    [
      field('status', 'State', {
        kind: 'select',
        options: [['', 'Any'], ...STATUSES.map((word) => [word, word])],
        value: '',
      }),
      field('task', 'Task', { kind: 'select', options: [['', 'Any'], ...TASK_NAMES], value: '' }),
    ],
    'Filter',
    (values) => {
      wanted = values;
      return list.again();
    },
    { kind: 'row' },
  );
  // Read anew only while something runs, and while nobody has gone on to older ones.
  every(REFRESH_SECONDS, async () => {
    if (opened === 1 && rows.some((task) => task.status === 'running')) await list.again();
  });
  await list.ready;
  return card(null, ask, list);
});
