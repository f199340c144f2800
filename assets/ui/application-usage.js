// How many messages an application was sent, counted in the background.

import { api, path } from './api.js';
import { h, show } from './dom.js';
import { field, form } from './forms.js';
import { moment, number } from './format.js';
import { card, facts, figure, figures, problem } from './parts.js';

const PERIODS = [
  ['1', 'the last day'],
  ['7', 'the last 7 days'],
  ['30', 'the last 30 days'],
  ['90', 'the last 90 days'],
];
const DAY_MILLIS = 86_400_000;
const LOOK_MILLIS = 700;

const pause = () =>
  new Promise((go) => {
    setTimeout(go, LOOK_MILLIS);
  });

// Looks at a task until it has ended; `told` gets it every time.
async function ended(id, told) {
  for (;;) {
    const task = await api.get(path`background-task/${id}`);
    told(task);
    if (task.status !== 'running') return task;
    await pause();
  }
}

export function usage(application) {
  const place = h('div', { role: 'status' });
  async function count({ days }) {
    const until = new Date();
    const since = new Date(until.getTime() - Number(days) * DAY_MILLIS);
    const begun = await api.post('stats/usage/app', {
      since: since.toISOString(),
      until: until.toISOString(),
      appIds: [application.id],
    });
    const task = await ended(begun.id, (now) =>
      show(
        place,
        h(
          'p',
          { class: 'faint' },
          `Counting: ${number(now.data?.lookedAt ?? 0)} messages looked at so far.`,
        ),
      ),
    );
    if (task.data?.error) {
      show(place, problem(new Error(task.data.error)));
      return;
    }
    const counts = task.data?.counts ?? {};
    const messages = counts[application.id] ?? counts[application.uid] ?? 0;
    show(
      place,
      figures(figure('Messages', messages)),
      facts([
        ['From', moment(since)],
        ['Until', moment(until)],
      ]),
    );
  }
  const ask = form(
    [field('days', 'Period', { kind: 'select', options: PERIODS, value: '30' })],
    'Count',
    count,
    { kind: 'row' },
  );
  return card(
    'Usage',
    h(
      'p',
      { class: 'faint' },
      'Counts the messages that are kept; those that retention took are not among them.',
    ),
    ask,
    place,
  );
}
