// One source: its URL, its secrets, its mode, and what came.

import { api, path } from './api.js';
import { h, names, show, to } from './dom.js';
import { dialog, field, form } from './forms.js';
import { plural, when } from './format.js';
import { button, card, code, copy, facts, notice, pill, tabs } from './parts.js';
import { about, actions, mayChange, page, title } from './shell.js';
import { sourceForm } from './source-form.js';
import { dedupTry, requests } from './source-requests.js';
import { modeWords } from './words.js';

const call = path`source/${names.source}`;
const MODES = [
  ['active', 'Active'],
  ['paused', 'Pause'],
  ['inspect', 'Inspect'],
];
const OVERLAPS = [
  ['', 'as configured (a day)'],
  ['0', 'at once'],
  ['3600', 'an hour'],
  ['604800', '7 days'],
];

const overlap = (values) =>
  values.overlap === '' ? {} : { overlapSeconds: Number(values.overlap) };

function rotateUrl(again) {
  const asked = dialog(
    'A new URL',
    form(
      [
        field('overlap', 'The old URL still counts for', {
          kind: 'select',
          options: OVERLAPS,
          value: '',
          hint: 'Long enough to change it at the provider. At once, when it has leaked.',
        }),
      ],
      'Make a new URL',
      async (values) => {
        const made = await api.post(`${call}/token/rotate`, overlap(values));
        show(
          asked.querySelector('.body'),
          h('p', null, 'Give this URL to who sends.'),
          code(made.ingestUrl, { label: 'URL' }),
          h('p', null, copy(made.ingestUrl, 'Copy the URL')),
        );
        await again();
      },
    ),
  );
}

function changeSecret(again) {
  const asked = dialog(
    'A new secret',
    form(
      [
        field('secret', 'Secret', {
          kind: 'password',
          required: true,
          autocomplete: 'new-password',
          hint: 'What the provider signs with from now on. Never shown again.',
        }),
        field('overlap', 'The old ones still count for', {
          kind: 'select',
          options: OVERLAPS,
          value: '',
        }),
      ],
      'Change it',
      async (values) => {
        await api.patch(call, { config: { secret: values.secret, ...overlap(values) } });
        asked.close();
        notice('The new secret counts. What was refused for the old one can be released.');
        await again();
      },
    ),
  );
}

function remove(source) {
  dialog(
    `Delete ${source.name}?`,
    form(
      [
        h(
          'p',
          null,
          'Its URL leads nowhere from then on. Its messages stay. This can’t be undone.',
        ),
        field('discard', 'Throw away what it holds', {
          kind: 'checkbox',
          hint: 'A source that holds requests is not deleted without this.',
        }),
      ],
      'Delete it',
      async ({ discard }) => {
        await api.delete(discard ? `${call}?discard_held=true` : call);
        location.assign(to('sources'));
      },
    ),
  );
}

function mode(source, may, again) {
  const set = (name) => async () => {
    await api.patch(call, { mode: name });
    notice(modeWords(name));
    await again();
  };
  const buttons = MODES.filter(([name]) => name !== source.mode).map(([name, words]) =>
    button(words, set(name), { kind: 'plain small' }),
  );
  return h(
    'p',
    { class: 'actions' },
    pill(source.mode),
    h('span', null, modeWords(source.mode)),
    may ? buttons : null,
  );
}

function reach(source, may, again) {
  const url = source.ingestUrl
    ? [
        code(source.ingestUrl, { label: 'URL' }),
        h(
          'p',
          { class: 'actions' },
          copy(source.ingestUrl, 'Copy the URL'),
          may ? button('Make a new URL', () => rotateUrl(again), { kind: 'plain small' }) : null,
        ),
      ]
    : h('p', { class: 'faint' }, 'Its URL is a secret, and not shown to people who may only read.');
  const sender = source.type === 'generic-webhook' ? 'none' : source.type;
  const trigger = `relay trigger ${sender} --source ${source.uid ?? source.id}${source.secrets ? ' --secret-file FILE' : ''}`;
  return card(
    'URL',
    mode(source, may, again),
    url,
    facts([
      [
        'Secrets that count',
        h(
          'span',
          { class: 'actions' },
          String(source.secrets ?? '–'),
          may
            ? button('Change the secret', () => changeSecret(again), { kind: 'plain small' })
            : null,
        ),
      ],
      ['Try it from the command line', h('code', null, trigger)],
    ]),
  );
}

function known(source, link) {
  const { dedup } = source;
  return facts([
    [
      'Who sends',
      link
        ? h('a', { href: link.docs, rel: 'noreferrer', target: '_blank' }, link.title)
        : source.type,
    ],
    [
      'Application',
      h('a', { href: to('applications', source.application) }, h('code', null, source.application)),
    ],
    ['Same event', Array.isArray(dedup) ? dedup.join(', ') : dedup],
    ['Event type', source.eventType],
    ['Channels', source.channels?.join(', ')],
    ['Id', h('code', null, source.id)],
    ['Made', when(source.createdAt)],
    ['Changed', when(source.updatedAt)],
  ]);
}

function settings(source, link, may, again) {
  if (source.managed)
    return card(
      'Settings',
      known(source, link),
      h('p', { class: 'faint' }, 'It is declared in relay.toml: change it there and reload.'),
    );
  if (!may) return card('Settings', known(source, link));
  return [
    card('Settings', known(source, link), sourceForm(source, again)),
    card(
      'Delete',
      button('Delete this source', () => remove(source), { kind: 'danger' }),
    ),
  ];
}

function held(source, may) {
  return [
    card(
      'Quarantine',
      h(
        'p',
        null,
        `What came while the source is paused is held here. All of it becomes messages, oldest first, when the source is active again. What was refused is kept for a while too, and can be released.`,
      ),
    ),
    requests(source, may, source.mode === 'paused' ? 'held' : 'refused'),
  ];
}

page(async () => {
  const top = h('div');
  const below = h('div');
  const [first, types, may] = await Promise.all([
    api.get(call),
    api.get('source-type').catch(() => ({ data: [] })),
    mayChange,
  ]);
  const paint = (source) => {
    const mine = may && !source.managed;
    title(source.name);
    about(
      source.uid ? [h('code', null, source.uid), ' · '] : null,
      source.type,
      source.secrets === undefined ? null : ` · ${plural(source.secrets, 'secret')}`,
    );
    show(top, reach(source, mine, again));
    const link = types.data.find(({ type }) => type === source.type);
    show(
      below,
      tabs([
        ['requests', 'Requests', () => requests(source, may)],
        ['quarantine', 'Quarantine', () => held(source, may)],
        ['settings', 'Settings', () => settings(source, link, may, again)],
        ['dedup', 'Try a dedup rule', () => dedupTry(source)],
      ]),
    );
  };
  const again = async () => paint(await api.get(call));
  paint(first);
  actions(button('Look again', again, { kind: 'plain' }));
  return [top, below];
});
