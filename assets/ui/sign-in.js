// A key becomes a session of this browser.

import { api } from './api.js';
import { byId, h, root, show } from './dom.js';
import { field, form } from './forms.js';

// Only places of this server: what follows is a path, and no other site's.
export function next() {
  const wanted = new URLSearchParams(location.search).get('next');
  if (!wanted) return `${root}./`;
  const place = new URL(wanted, location.href);
  return place.origin === location.origin ? place.href : `${root}./`;
}

show(
  byId('content'),
  form(
    [
      field('key', 'Key', {
        kind: 'password',
        required: true,
        autofocus: true,
        autocomplete: 'current-password',
        hint: 'Your own key, or the operator key of this relay.',
      }),
    ],
    'Sign in',
    async ({ key }) => {
      await api.post('auth/session', { key });
      location.assign(next());
    },
  ),
  h(
    'p',
    { class: 'faint' },
    'No key? On the server: ',
    h('code', null, 'relay sign-in-link --name you'),
    ' prints a link that makes one.',
  ),
);
document.querySelector('input')?.focus();
