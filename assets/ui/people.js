// People: operator keys, each with a name and a role.

import { api, path } from './api.js';
import { h, show } from './dom.js';
import { confirm, dialog, field, form } from './forms.js';
import { id, when } from './format.js';
import { button, card, copy, notice, pages, pill, table } from './parts.js';
import { browsers, invitations } from './people-signed-in.js';
import { about, actions, mayChange, page, person } from './shell.js';

const ROLES = [
  ['operator', 'operator: may do everything'],
  ['read-only', 'read only: may look, and sees no secrets'],
];

const role = (key) => key.role ?? (key.scopes?.includes('read-only') ? 'read-only' : 'operator');

// Whoever has no key of their own came with the configured one.
const isMine = (key, me) => (me.id ? key.id === me.id : Boolean(key.origin));

const shownOnce = (label, text) => [
  h('pre', { class: 'code', tabindex: '0', role: 'region', 'aria-label': label }, text),
  h('p', { class: 'actions' }, copy(text)),
];

function invite(waiting) {
  const asked = dialog(
    'Invite somebody',
    form(
      [
        field('name', 'Name', {
          required: true,
          maxlength: 100,
          hint: 'Stands in the audit log beside what they change.',
        }),
        field('role', 'Role', { kind: 'select', options: ROLES, value: 'operator' }),
      ],
      'Make a sign-in link',
      async (values) => {
        const made = await api.post('auth/sign-in-link', values);
        show(
          asked.querySelector('.body'),
          h(
            'p',
            null,
            `Give this link to ${values.name}. It works once`,
            made.expiresAt ? [', and ends ', when(made.expiresAt)] : null,
            '. Who opens it gets a key of their own.',
          ),
          shownOnce('Sign-in link', made.url),
        );
        await waiting.again();
      },
    ),
  );
}

function makeKey(again, given = {}) {
  const asked = dialog(
    given.name ? 'Another key for me' : 'Make a key',
    form(
      [
        h(
          'p',
          { class: 'faint' },
          given.name
            ? 'When you use the new key everywhere, revoke the one you have now.'
            : 'For a program, or for somebody who is to have a key without a link.',
        ),
        field('name', 'Name', { required: true, maxlength: 100, value: given.name }),
        field('role', 'Role', { kind: 'select', options: ROLES, value: given.role ?? 'operator' }),
        field('expires', 'Ends', { kind: 'datetime-local', hint: 'Empty: when it is revoked.' }),
      ],
      'Make it',
      async (values) => {
        const made = await api.post('auth/key', {
          name: values.name,
          scopes: [values.role],
          ...(values.expires && { expiresAt: new Date(values.expires).toISOString() }),
        });
        show(
          asked.querySelector('.body'),
          h('p', null, 'It is shown this once.'),
          shownOnce('Key', made.token),
        );
        await again();
      },
    ),
  );
}

function revoke(key, mine, again) {
  const words = mine
    ? 'This is the key you are signed in with: you are signed out, here and wherever else it is used.'
    : 'Calls with it are refused from now on, and sessions that came from it end.';
  confirm(
    `Revoke the key of ${key.name ?? key.id}?`,
    words,
    async () => {
      await api.delete(path`auth/key/${key.id}`);
      notice('Revoked.');
      await again();
    },
    { yes: 'Revoke it' },
  );
}

page(async () => {
  const [me, may] = await Promise.all([person, mayChange]);
  about(
    'Everybody has a key of their own, so that it can be revoked alone and the audit log knows who did what.',
  );
  const waiting = invitations(may);
  const revoking = (key) => {
    if (key.origin) return h('span', { class: 'faint' }, `from ${key.origin}: change it there`);
    return may
      ? button('Revoke', () => revoke(key, isMine(key, me), list.again), {
          kind: 'plain small',
          'aria-label': `Revoke the key of ${key.name ?? key.id}`,
        })
      : null;
  };
  const list = pages(
    (iterator) => api.get('auth/key', { limit: 100, iterator }),
    (rows) =>
      table(
        [
          [
            'Name',
            (key) => [
              key.name ?? (key.origin ? 'the configured key' : '(without a name)'),
              ' ',
              isMine(key, me) ? pill('you', 'good') : null,
            ],
          ],
          ['Role', (key) => pill(role(key) === 'read-only' ? 'read only' : role(key), 'calm')],
          ['Id', (key) => id(key.id)],
          ['Made', (key) => when(key.createdAt)],
          ['Last used', (key) => when(key.lastUsedAt)],
          ['Ends', (key) => (key.expiresAt ? when(key.expiresAt) : 'when revoked')],
          [
            '',
            (key) => [
              button('Browsers', () => browsers(key, may), {
                kind: 'plain small',
                'aria-label': `Browsers that are signed in as ${key.name ?? key.id}`,
              }),
              ' ',
              revoking(key),
            ],
          ],
        ].filter(([heading]) => heading !== 'Last used' || rows.some((key) => key.lastUsedAt)),
        rows,
        { caption: 'People', empty: 'Nobody has a key of their own yet.' },
      ),
  );
  actions(
    button('Invite somebody', () => invite(waiting)),
    button('Make a key', () => makeKey(list.again), { kind: 'plain' }),
    button(
      'Another key for me',
      () => makeKey(list.again, { name: me.name ?? 'operator', role: me.role }),
      { kind: 'plain' },
    ),
  );
  await Promise.all([list.ready, waiting.again()]);
  return [card(null, list), waiting];
});
