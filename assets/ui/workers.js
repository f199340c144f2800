// What the relay does by itself beside deliveries: what runs, when it ran last, when it runs next.

import { api } from './api.js';
import { h, show } from './dom.js';
import { millis, when } from './format.js';
import { capital } from './words.js';
import { card, pill, table } from './parts.js';
import { about, every, page } from './shell.js';

const REFRESH_SECONDS = 5;

// How a worker is, where the relay has no word of its own for it.
function state(worker) {
  if (worker.status ?? worker.state) return worker.status ?? worker.state;
  if (worker.lastError ?? worker.error) return 'failed';
  return worker.running ? 'running' : 'idle';
}

const COLUMNS = [
  [
    'Worker',
    (worker) => h('b', null, capital(String(worker.name ?? worker.id).replaceAll(/[-_.]/g, ' '))),
  ],
  ['What it does', (worker) => worker.what ?? worker.description ?? worker.words ?? '–'],
  ['State', (worker) => pill(state(worker))],
  ['Last run', (worker) => when(worker.lastRun ?? worker.lastRunAt ?? worker.ranAt), 'keep'],
  ['Took', (worker) => millis(worker.lastDurationMs ?? worker.tookMs)],
  [
    'Next run',
    (worker) => {
      const next = worker.nextRun ?? worker.nextRunAt;
      return next ? when(next) : (worker.when ?? 'when there is something to do');
    },
  ],
  [
    'Last time',
    (worker) => worker.lastError ?? worker.error ?? worker.lastResult ?? worker.told ?? '–',
  ],
];

page(async () => {
  about('What goes on by itself. It needs nobody; this page tells whether it does.');
  const place = h('div');
  const draw = async () => {
    const answer = await api.get('workers');
    show(
      place,
      table(COLUMNS, answer.data ?? [], { caption: 'Workers', empty: 'Nothing runs here.' }),
    );
  };
  await draw();
  every(REFRESH_SECONDS, draw);
  return card(null, place);
});
