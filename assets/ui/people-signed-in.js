// Invitations that nobody has followed yet, and the browsers that are signed in with a key.

import { api, path } from './api.js';
import { h, show } from './dom.js';
import { confirm, dialog } from './forms.js';
import { when } from './format.js';
import { button, card, notice, pill, table } from './parts.js';

const small = { kind: 'plain small' };

function takeBack(link, again) {
  confirm(
    `Take back the link for ${link.name ?? 'the first person'}?`,
    'Whoever follows it from now on is told that it is no good.',
    async () => {
      await api.delete(path`auth/sign-in-link/${link.id}`);
      notice('Taken back.');
      await again();
    },
    { yes: 'Take it back' },
  );
}

// A card of them, or nothing when there are none; `again` draws it once more.
export function invitations(may) {
  const all = h('div');
  all.again = async () => {
    const { data } = await api.get('auth/sign-in-link');
    if (data.length === 0) return show(all);
    const columns = [
      ['For', (link) => link.name ?? 'the first person'],
      ['Role', (link) => pill(link.role === 'read-only' ? 'read only' : link.role, 'calm')],
      ['Made', (link) => when(link.createdAt)],
      ['Ends', (link) => when(link.expiresAt)],
      ['', (link) => may && button('Take back', () => takeBack(link, all.again), small)],
    ];
    const caption = 'Invitations that wait';
    return show(all, card(caption, table(columns, data, { caption })));
  };
  return all;
}

// The browsers that are signed in with a key, each to be signed out.
export function browsers(key, may) {
  const address = path`auth/key/${key.id}/session`;
  dialog(`Signed in as ${key.name ?? key.id}`, (element) => {
    const all = h('div');
    const draw = async () => {
      const { data } = await api.get(address);
      const end = async (session) => {
        await api.delete(`${address}/${session.id}`);
        notice('Signed out.');
        await draw();
      };
      const columns = [
        ['Since', (session) => when(session.createdAt)],
        ['Ends', (session) => when(session.expiresAt)],
        ['', (session) => may && button('Sign out', () => end(session), small)],
      ];
      const empty = 'No browser is signed in with this key.';
      show(all, table(columns, data, { caption: 'Browsers', empty }));
    };
    draw().catch((error) => {
      element.close();
      notice(error.message, 'bad');
    });
    return all;
  });
}
