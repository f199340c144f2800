// Dead letters: what is not tried again by itself, and many of them at once.

import { all, api, path } from './api.js';
import { h, show, to } from './dom.js';
import { dialog, field, form, read } from './forms.js';
import { bytes, number, plural, seconds, when } from './format.js';
import { button, facts, notice, pages, pill, problem, table } from './parts.js';
import { about, mayChange, page } from './shell.js';

const REASONS = [
  ['', 'Any'],
  ['exhausted', 'Tried to the end'],
  ['gone', 'Endpoint gone (410)'],
  ['rejected', 'Rejected by the receiver'],
  ['expired', 'Expired'],
];
const CLASSES = [
  ['', 'Any'],
  ['0', 'No answer'],
  ['300', '3xx'],
  ['400', '4xx'],
  ['500', '5xx'],
];
const asked = Object.fromEntries(new URLSearchParams(location.search));

function filter(given) {
  return {
    endpoint_id: given.endpoint,
    reason: given.reason,
    status_code_class: given.status,
    event_types: given.types ? given.types.split(/[\s,]+/) : '',
    since: given.since ? new Date(given.since).toISOString() : '',
  };
}

// The same for a body: names differ and empty ones are left out.
function work(given) {
  const {
    endpoint_id: endpointId,
    reason,
    status_code_class: statusCodeClass,
    event_types: eventTypes,
    since,
  } = filter(given);
  const wanted = {
    endpointId,
    reason,
    statusCodeClass: statusCodeClass === '' ? '' : Number(statusCodeClass),
    eventTypes,
    since,
  };
  return Object.fromEntries(
    Object.entries(wanted).filter(([, value]) => value !== '' && value !== undefined),
  );
}

function letters(items) {
  return table(
    [
      [
        'Event',
        (row) =>
          h('a', { href: to('applications', row.appId, 'messages', row.msgId) }, row.eventType),
      ],
      ['Reason', (row) => pill(row.reason, 'bad')],
      [
        'Last answer',
        (row) =>
          row.attempts === 0
            ? 'not tried'
            : row.lastStatusCode
              ? String(row.lastStatusCode)
              : 'none',
      ],
      ['Attempts', (row) => number(row.attempts), 'right'],
      [
        'Endpoint',
        (row) =>
          h(
            'a',
            { href: to('applications', row.appId, 'endpoints', row.endpointId) },
            row.endpointId,
          ),
      ],
      ['Content', (row) => (row.expunged ? 'gone' : 'kept')],
      ['Given up', (row) => when(row.timestamp)],
    ],
    items,
    {
      empty: 'No dead letters: everything was delivered or is still being tried.',
      caption: 'Dead letters',
    },
  );
}

async function follow(place, task) {
  const begun = await api.get(path`background-task/${task.id}`);
  const { lookedAt, done, error } = begun.data;
  show(
    place,
    h('p', null, pill(begun.status), ` ${number(done)} done, ${number(lookedAt)} looked at.`),
    error ? problem(new Error(error)) : null,
    begun.status === 'running'
      ? [
          h('progress', { 'aria-label': 'Progress' }),
          h(
            'p',
            null,
            button(
              'Stop',
              async () => {
                await api.post(path`background-task/${task.id}/cancel`);
              },
              { kind: 'plain' },
            ),
          ),
        ]
      : null,
  );
  if (begun.status === 'running')
    setTimeout(() => follow(place, task).catch((failed) => show(place, problem(failed))), 700);
  return begun.status;
}

const ACTIONS = {
  resend: {
    title: 'Send again',
    yes: 'Send them again',
    words: (count) =>
      `${plural(count, 'dead letter')} will be due at once, and tried by the retry schedule.`,
  },
  purge: {
    title: 'Give up',
    yes: 'Give them up',
    words: (count) =>
      `${plural(count, 'dead letter')} will leave this list for good. The messages stay.`,
  },
};

// Plans first: nothing is done before somebody has seen how much it is.
async function plan(kind, app, given, again) {
  const { title, yes, words } = ACTIONS[kind];
  const place = path`app/${app}/dead-letter/${kind}`;
  const told = await api.post(place, { ...work(given), plan: true });
  const reasons = Object.entries(told.byReason)
    .map(([reason, count]) => `${number(count)} ${reason}`)
    .join(', ');
  dialog(title, (element) => {
    const progress = h('div');
    const go = button(
      yes,
      async () => {
        const task = await api.post(place, { ...work(given), until: told.until });
        go.hidden = true;
        await follow(progress, task);
        element.addEventListener('close', again);
      },
      { kind: kind === 'purge' ? 'danger' : '' },
    );
    go.hidden = told.count === 0;
    return [
      h('p', null, words(told.count)),
      facts([
        ['By reason', reasons],
        ['Content', told.bytes ? bytes(told.bytes) : null],
        ['Takes at least', told.estimatedSeconds ? seconds(told.estimatedSeconds) : null],
        [
          'Left out',
          told.skipped.disabled
            ? `${number(told.skipped.disabled)} of disabled endpoints: enable them first`
            : null,
        ],
        [
          'Content gone',
          told.skipped.expunged ? `${number(told.skipped.expunged)}: can't be sent any more` : null,
        ],
      ]),
      progress,
      h('div', { class: 'actions' }, go),
    ];
  });
}

page(async () => {
  about(
    'Deliveries that are not tried again by themselves. They stay until they are sent again, given up, or over their time.',
  );
  const apps = await all('app', {}, 1000);
  let list;
  const search = form(
    [
      field('app', 'Application', {
        kind: 'select',
        options: [['', 'All'], ...apps.map((one) => [one.id, one.name])],
        value: asked.app ?? '',
      }),
      field('endpoint', 'Endpoint', { value: asked.endpoint, placeholder: 'ep_…' }),
      field('reason', 'Reason', { kind: 'select', options: REASONS, value: asked.reason ?? '' }),
      field('status', 'Last answer', { kind: 'select', options: CLASSES, value: '' }),
      field('types', 'Event types', { placeholder: 'any' }),
      field('since', 'Given up since', { kind: 'datetime-local' }),
    ],
    'Filter',
    () => list.again(),
    { kind: 'row' },
  );
  const load = (iterator) => {
    const given = read(search);
    const place = given.app ? path`app/${given.app}/dead-letter` : 'dead-letter';
    return api.get(place, { ...filter(given), iterator, limit: 50 });
  };
  list = pages(load, letters);
  const act = (kind) =>
    button(
      kind === 'resend' ? 'Send again…' : 'Give up…',
      async () => {
        const given = read(search);
        if (!given.app)
          return notice(
            'Choose an application first: letters are handled one application at a time.',
            'bad',
          );
        return plan(kind, given.app, given, () => list.again());
      },
      { kind: kind === 'purge' ? 'plain' : '' },
    );
  const bulk = h(
    'div',
    { class: 'actions', hidden: true },
    act('resend'),
    act('purge'),
    h('span', { class: 'faint' }, 'for all that the filter finds'),
  );
  mayChange.then((may) => {
    bulk.hidden = !may;
  });
  await list.ready;
  return [search, bulk, list];
});
