// The first page: is anything wrong, where, and since when.

import { api } from './api.js';
import { chart } from './chart.js';
import { h, show, to } from './dom.js';
import { ago, bytes, millis, number, place, when } from './format.js';
import { card, figure, figures, pill, table } from './parts.js';
import { about, every, page } from './shell.js';

const PERIODS = [
  ['hour', 'Hour'],
  ['day', 'Day'],
  ['week', 'Week'],
];
const REFRESH_SECONDS = 5;
let period = 'hour';

function verdict(now, wrong) {
  if (!now.ready) return ['bad', `Not ready: ${Object.values(now.reasons ?? {}).join('; ')}`];
  if (now.alertsFiring?.length)
    return ['bad', now.alertsFiring.map((alert) => alert.words).join(' · ')];
  if (wrong.total)
    return [
      'warn',
      `${wrong.total === 1 ? 'One endpoint needs' : `${number(wrong.total)} endpoints need`} a look.`,
    ];
  return ['good', 'Nothing is wrong.'];
}

function state(now) {
  const used = now.disk.cap ? now.disk.used / now.disk.cap : 0;
  return figures(
    figure('Accepted, last hour', now.lastHour.accepted),
    figure('Delivered, last hour', now.lastHour.delivered),
    figure('Failing endpoints', now.failingEndpoints, { tone: now.failingEndpoints ? 'bad' : '' }),
    figure('Waiting', now.waiting, {
      note: now.oldestWaiting ? `oldest due ${ago(now.oldestWaiting)}` : 'nothing is late',
    }),
    figure('Dead letters', now.deadLetters, {
      href: to('dead-letters'),
      tone: now.deadLetters ? 'warn' : '',
    }),
    figure('Latency p50', millis(now.lastHour.latencyP50Ms), {
      note: `p99 ${millis(now.lastHour.latencyP99Ms)}`,
    }),
    figure('Disk', bytes(now.disk.used), {
      tone: used > 0.9 ? 'bad' : '',
      note: `of ${bytes(now.disk.cap)}, ${bytes(now.disk.free)} free`,
    }),
  );
}

function lastAttempt(attempt) {
  if (!attempt) return '–';
  return attempt.statusCode ? `answered ${attempt.statusCode}` : attempt.outcome;
}

function endpointOf(row) {
  // What the operator is told at has no application.
  if (!row.appId) return place(row.url);
  const href = to('applications', row.appId, 'endpoints', row.endpointId);
  return h('a', { href }, place(row.url));
}

function needing(wrong) {
  const columns = [
    ['Endpoint', endpointOf],
    [
      'Application',
      (row) =>
        row.appId ? h('a', { href: to('applications', row.appId) }, row.appName) : row.appName,
    ],
    ['State', (row) => h('span', { title: row.words }, pill(row.status))],
    ['Since', (row) => when(row.since)],
    ['Waiting', ({ waiting }) => `${waiting.exact ? '' : '≥ '}${number(waiting.count)}`, 'right'],
    ['Last attempt', (row) => lastAttempt(row.lastAttempt)],
  ];
  return table(columns, wrong.data, {
    empty: 'Every endpoint takes what it is sent.',
    caption: 'Endpoints that need a look',
  });
}

function charts(history) {
  const data = history.points;
  return h(
    'div',
    { class: 'grid' },
    card(
      null,
      chart('Messages and deliveries', data, [
        ['accepted', 'accepted', 'one'],
        ['delivered', 'delivered', 'two'],
        ['failed', 'failed attempts', 'three'],
      ]),
    ),
    card(
      null,
      chart(
        'Time to delivery',
        data,
        [
          ['latencyP50Ms', 'p50', 'one'],
          ['latencyP99Ms', 'p99', 'four'],
        ],
        { format: millis },
      ),
    ),
  );
}

function choice(changed) {
  const buttons = PERIODS.map(([name, words]) =>
    h(
      'button',
      {
        type: 'button',
        class: 'plain small',
        'aria-pressed': String(name === period),
        onclick: () => {
          period = name;
          buttons.forEach((one, at) =>
            one.setAttribute('aria-pressed', String(PERIODS[at][0] === period)),
          );
          changed();
        },
      },
      words,
    ),
  );
  return h(
    'div',
    { class: 'actions', role: 'group', 'aria-label': 'Period of the charts' },
    buttons,
  );
}

page(async () => {
  const top = h('div');
  const wrongs = h('div');
  const graphs = h('div');
  const drawCharts = async () => show(graphs, charts(await api.get('stats/history', { period })));
  const draw = async () => {
    const [now, wrong] = await Promise.all([api.get('stats/overview'), api.get('stats/endpoints')]);
    const [tone, words] = verdict(now, wrong);
    about(
      h('span', { class: `text-${tone}` }, words),
      ' ',
      h('span', null, `Version ${now.version}, up since `, when(now.startedAt), '.'),
    );
    show(top, state(now));
    show(wrongs, needing(wrong));
  };
  await Promise.all([draw(), drawCharts()]);
  every(REFRESH_SECONDS, draw);
  every(60, drawCharts);
  return [
    top,
    card('Needs a look', wrongs),
    h(
      'div',
      { class: 'head' },
      h('h2', null, 'Over time'),
      choice(() => drawCharts()),
    ),
    graphs,
  ];
});
