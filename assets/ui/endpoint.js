// One endpoint: how it is, what it was sent, and what can be done about it.

import { api, path } from './api.js';
import { attemptsMade, chart } from './chart.js';
import { h, names, show, to } from './dom.js';
import { more, recover, remove, replay, rotate, secret, test, toggle } from './endpoint-actions.js';
import { editEndpoint, scheduleText } from './endpoint-form.js';
import { endpointHeaders } from './endpoint-headers.js';
import { endpointAttempts, endpointMessages } from './endpoint-lists.js';
import { endpointTransform } from './endpoint-transform.js';
import { millis, number, place, when } from './format.js';
import { button, card, facts, figure, figures, pill, problem, tabs } from './parts.js';
import { about, actions, every, mayChange, page, title } from './shell.js';
import { capital, endpointState } from './words.js';

const PERIODS = [
  ['hour', 'Hour'],
  ['day', 'Day'],
  ['week', 'Week'],
];
const REFRESH_SECONDS = 5;
let made = null;
const { app, endpoint: name } = names;
const base = path`app/${app}/endpoint/${name}`;
let period = 'day';

// What an answer is, or why there is none: a part of a page that fails leaves the others standing.
const settled = (promise) =>
  promise.then(
    (value) => ({ value }),
    (error) => ({ error }),
  );

// Deliveries that wait: all of them, or at least so many.
const waitingText = (waiting) =>
  waiting ? `${waiting.exact ? '' : '≥ '}${number(waiting.count)}` : '–';

// What went wrong last, and when.
function lastFailure(failure) {
  if (!failure) return null;
  const answer = failure.statusCode
    ? `answered ${failure.statusCode}`
    : String(failure.outcome).replaceAll('_', ' ');
  return [answer, ', ', when(failure.at)];
}

function throttleText(endpoint, throttle) {
  if (!throttle) return endpoint.throttleRate ? `${number(endpoint.throttleRate)} / s` : 'none';
  return throttle.ratePerMinute % 60
    ? `${number(throttle.ratePerMinute)} / min`
    : `${number(throttle.ratePerMinute / 60)} / s`;
}

function wellbeing(endpoint, { value: health, error }) {
  const [word, tone, sentence] = endpointState(endpoint);
  return [
    h(
      'p',
      null,
      pill(health?.status ?? word, endpoint.disabled ? tone : undefined),
      ' ',
      endpoint.disabled || !health?.words ? sentence : `${capital(health.words)}.`,
    ),
    figures(
      figure('Waiting', waitingText(health?.waiting), {
        note: health?.oldestWaiting ? ['oldest due ', when(health.oldestWaiting)] : null,
      }),
      figure('In flight', health?.inFlight ?? '–', {
        note: health?.concurrency ? `${number(health.concurrency)} at once at most now` : null,
      }),
      figure('Delivered', made?.delivered ?? '–', { note: made?.within }),
      figure('Failed attempts', made?.failed ?? '–', { note: made?.within }),
      figure('Throttle', throttleText(endpoint, health?.throttle), {
        note: health?.throttle?.waitingForMs
          ? `next one in ${millis(health.throttle.waitingForMs)}`
          : null,
      }),
    ),
    facts([
      ['Failing since', health?.failingSince && when(health.failingSince)],
      ['Next probe', health?.nextProbe && when(health.nextProbe)],
      ['Last delivered', health?.lastSuccess && when(health.lastSuccess)],
      ['Last failure', lastFailure(health?.lastFailure)],
    ]),
    error ? problem(error) : null,
  ];
}

const declared = (endpoint) =>
  endpoint.managed
    ? h('p', { class: 'faint' }, 'It is declared in relay.toml: change it there and reload.')
    : null;

function settings(endpoint) {
  const own = endpoint.delivery ?? {};
  const order =
    own.order && (own.order.by ? `one after the other by ${own.order.by}` : 'one after the other');
  const batch = own.batch && `${own.batch.size} messages, or after ${millis(own.batch.waitMs)}`;
  return card(
    'Settings',
    facts([
      ['URL', endpoint.url],
      ['Description', endpoint.description],
      ['Uid', endpoint.uid],
      ['Id', h('code', null, endpoint.id)],
      ['Event types', endpoint.eventTypes?.join(', ') ?? 'every one'],
      ['Channels', endpoint.channels?.join(', ') ?? 'whatever a message carries'],
      ['Sources', endpoint.sources?.join(', ')],
      ['Timeout', own.timeoutSeconds && `${own.timeoutSeconds} s`],
      ['Retry schedule', own.retryScheduleSeconds && scheduleText(own.retryScheduleSeconds)],
      ['Delay', own.delaySeconds && `${own.delaySeconds} s`],
      ['Requests at once', own.maxInFlight],
      ['Order', order],
      ['Batch', batch],
      ['Credentials', own.auth?.type],
      ['TLS', own.tls && 'of its own'],
      ['Proxy', own.proxy],
      [
        'Metadata',
        Object.keys(endpoint.metadata ?? {}).length
          ? h('code', null, JSON.stringify(endpoint.metadata))
          : null,
      ],
      ['Made', when(endpoint.createdAt)],
      ['Changed', when(endpoint.updatedAt)],
    ]),
    declared(endpoint),
  );
}

function overTime() {
  const drawn = h('div');
  async function draw() {
    try {
      const history = await api.get(`${base}/attempt-history`, { period });
      made = {
        ...attemptsMade(history),
        within: period === 'hour' ? 'within the last hour' : `within a ${period}`,
      };
      const cut =
        history.complete === false
          ? h(
              'p',
              { class: 'faint' },
              'Only attempts since ',
              when(history.since),
              ' are counted: there were too many before.',
            )
          : null;
      show(
        drawn,
        h(
          'div',
          { class: 'grid' },
          chart('Attempts', history.points, [
            ['delivered', 'delivered', 'two'],
            ['failed', 'failed', 'three'],
          ]),
          chart(
            'Time to an answer',
            history.points,
            [
              ['latencyP50Ms', 'p50', 'one'],
              ['latencyP99Ms', 'p99', 'four'],
            ],
            { format: millis },
          ),
        ),
        cut,
      );
    } catch (error) {
      show(drawn, problem(error));
    }
  }
  const buttons = PERIODS.map(([given, words]) =>
    h(
      'button',
      {
        type: 'button',
        class: 'plain small',
        'aria-pressed': String(given === period),
        onclick: () => {
          period = given;
          buttons.forEach((one, at) =>
            one.setAttribute('aria-pressed', String(PERIODS[at][0] === period)),
          );
          draw();
        },
      },
      words,
    ),
  );
  return {
    draw,
    element: card(
      null,
      h(
        'div',
        { class: 'head' },
        h('h2', null, 'Over time'),
        h('div', { class: 'actions', role: 'group', 'aria-label': 'Period of the chart' }, buttons),
      ),
      drawn,
    ),
  };
}

function heading(endpoint, owner) {
  title(endpoint.description || place(endpoint.url));
  about(
    h('a', { href: to('applications', app) }, owner.value?.name ?? 'Application'),
    ' · ',
    h('span', null, endpoint.url),
    endpoint.uid ? [' · ', h('code', null, endpoint.uid)] : null,
  );
}

function doings(endpoint, health, again) {
  const since = health.value?.failingSince;
  actions(
    endpoint.managed
      ? null
      : button(endpoint.disabled ? 'Enable' : 'Disable', () => toggle(app, endpoint, again), {
          kind: endpoint.disabled ? '' : 'plain',
        }),
    button('Send a test', () => test(app, endpoint, again), { kind: 'plain' }),
    endpoint.managed
      ? null
      : button('Edit', () => editEndpoint(app, endpoint, again), { kind: 'plain' }),
    more([
      ['Recover what failed', () => recover(app, endpoint, since)],
      ['Replay what is missing', () => replay(app, endpoint)],
      ['Show the secret', () => secret(app, endpoint)],
      ...(endpoint.managed
        ? []
        : [
            ['Rotate the secret', () => rotate(app, endpoint)],
            [
              'Delete',
              () => remove(app, endpoint, () => location.assign(to('applications', app))),
              'danger',
            ],
          ]),
    ]),
  );
}

page(async () => {
  const top = h('div');
  const look = () => Promise.all([api.get(base), settled(api.get(`${base}/health`))]);
  const graph = overTime();
  const below = h('div');
  let seen;
  const paint = (...now) => {
    seen = now;
    show(top, wellbeing(...now));
  };
  const [[endpoint, health], may, owner] = await Promise.all([
    look(),
    mayChange,
    settled(api.get(path`app/${app}`)),
  ]);
  // After a change all of it is drawn anew; while somebody only looks, the figures alone.
  const again = async () => {
    const [found, how] = await look();
    heading(found, owner);
    doings(found, how, again);
    paint(found, how);
    show(below, parts(found, may));
  };
  heading(endpoint, owner);
  doings(endpoint, health, again);
  paint(endpoint, health);
  show(below, parts(endpoint, may));
  // Nothing waits for the history, which takes a moment where there is much of it.
  graph.draw().then(() => paint(...seen));
  every(REFRESH_SECONDS, async () => paint(...(await look())));
  every(60, graph.draw);
  return [card(null, top), graph.element, below];
});

function parts(endpoint, may) {
  const mine = may && !endpoint.managed;
  return tabs([
    ['messages', 'Messages', () => endpointMessages(app, endpoint, may)],
    ['attempts', 'Attempts', () => endpointAttempts(app, endpoint)],
    [
      'transform',
      'Filter and transform',
      () => [declared(endpoint), endpointTransform(app, endpoint, mine)],
    ],
    ['headers', 'Headers', () => [declared(endpoint), endpointHeaders(app, endpoint, mine)]],
    ['settings', 'Settings', () => settings(endpoint)],
  ]);
}
