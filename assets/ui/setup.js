// A one-time link becomes a person with a key, and a session of this browser.

import { api } from './api.js';
import { byId, h, root, show } from './dom.js';
import { field, form } from './forms.js';
import { copy } from './parts.js';

const code = new URLSearchParams(location.hash.slice(1)).get('code');
// The code stands neither in the history nor in a screenshot.
history.replaceState(null, '', location.pathname);

function made(person) {
  show(
    byId('content'),
    h(
      'p',
      null,
      `Welcome, ${person.name}. You are signed in here. This is your key, for other browsers and the command line. It is shown this once: put it into your password manager.`,
    ),
    h('pre', { class: 'code', id: 'key' }, person.token),
    h(
      'p',
      { class: 'actions' },
      copy(person.token, 'Copy the key'),
      h('a', { class: 'button', href: `${root}./` }, 'To the dashboard'),
    ),
  );
}

if (code) {
  show(
    byId('content'),
    form(
      [
        field('name', 'Your name', {
          required: true,
          autofocus: true,
          autocomplete: 'name',
          maxlength: 100,
          hint: 'Stands in the audit log beside what you change.',
        }),
      ],
      'Make my key',
      async ({ name }) => made(await api.post('auth/sign-in-link/redeem', { code, name })),
    ),
  );
  document.querySelector('input')?.focus();
} else {
  show(
    byId('content'),
    h(
      'p',
      null,
      'This page is opened by a one-time link. On the server, ',
      h('code', null, 'relay sign-in-link --name you'),
      ' prints one.',
    ),
    h('p', null, h('a', { href: `${root}sign-in` }, 'Sign in with a key')),
  );
}
