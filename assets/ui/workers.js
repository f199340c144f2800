// What the relay does by itself beside deliveries: what runs, when it ran last, when it runs next.

import { api } from './api.js';
import { h, show } from './dom.js';
import { millis, number, when } from './format.js';
import { capital } from './words.js';
import { card, pill, table } from './parts.js';
import { about, every, page } from './shell.js';

const REFRESH_SECONDS = 5;

const COLUMNS = [
  ['Worker', (worker) => h('b', null, capital(worker.name.replaceAll(/[-_.]/g, ' ')))],
  ['What it does', (worker) => worker.does],
  ['State', (worker) => pill(worker.state, worker.state === 'stuck' ? 'bad' : undefined)],
  ['Threads', (worker) => number(worker.threads), 'right'],
  ['Last run', (worker) => when(worker.lastRun), 'keep'],
  ['Took', (worker) => millis(worker.tookMs)],
  [
    'Next run',
    (worker) => (worker.nextRun ? when(worker.nextRun) : 'when there is something to do'),
  ],
  ['Now', (worker) => worker.lastError ?? worker.detail ?? '–'],
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
