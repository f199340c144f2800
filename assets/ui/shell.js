// What every page of the dashboard has: who is signed in, the theme, where to sign in.

import { api, onClosed } from './api.js';
import { byId, h, root, show, to } from './dom.js';
import { button, problem } from './parts.js';

// Every call of a page says that nobody is signed in: the first one leads away.
let leaving = false;
onClosed(() => {
  if (leaving) return;
  leaving = true;
  const here = location.pathname + location.search + location.hash;
  location.replace(`${to('sign-in')}?next=${encodeURIComponent(here)}`);
});

// Who is signed in, as `GET /api/v1/auth/whoami` tells it; asked for beside what a page shows.
export const person = api.get('auth/whoami');
person.catch(() => {});

// Whether whoever is signed in may change anything.
export const mayChange = person.then(
  (found) => found.role !== 'read-only',
  () => false,
);

const THEMES = ['system', 'light', 'dark'];

function theme() {
  const chosen = () => document.documentElement.dataset.theme ?? 'system';
  const element = h(
    'button',
    {
      type: 'button',
      class: 'plain small',
      onclick: () => {
        const next = THEMES[(THEMES.indexOf(chosen()) + 1) % THEMES.length];
        if (next === 'system') delete document.documentElement.dataset.theme;
        else document.documentElement.dataset.theme = next;
        try {
          localStorage.setItem('relay.theme', next);
        } catch {
          /* for this page only */
        }
        element.textContent = `Theme: ${next}`;
      },
    },
    `Theme: ${chosen()}`,
  );
  return element;
}

async function bar() {
  const found = await person;
  const name = found.name ?? 'operator';
  const out = button(
    'Sign out',
    async () => {
      await api.delete('auth/session');
      location.assign(to('sign-in'));
    },
    { kind: 'plain small' },
  );
  show(
    byId('person'),
    h(
      'details',
      { class: 'menu' },
      h('summary', null, name, found.role === 'read-only' ? ' (read only)' : ''),
      h('div', null, h('a', { href: `${root}docs` }, 'API documentation'), theme(), out),
    ),
  );
}

// Fills the page: `draw` gives what stands in it. Says so when that fails.
export async function page(draw) {
  const content = byId('content');
  bar().catch(() => {});
  try {
    show(content, await draw(content));
  } catch (error) {
    show(content, problem(error));
  }
  content.setAttribute('aria-busy', 'false');
  performance.mark('shown');
}

// The words below the title.
export function about(...words) {
  const place = byId('about');
  place.hidden = false;
  show(place, ...words);
}

// The title of the page and of the window.
export function title(words) {
  byId('title').textContent = words;
  document.title = `${words} · relay`;
}

// What can be done here, for whoever may.
export async function actions(...list) {
  if (await mayChange) show(byId('actions'), ...list);
}

// Menus close when somebody turns to something else.
function leave(stays) {
  for (const menu of document.querySelectorAll('details.menu[open]'))
    if (!stays(menu)) menu.open = false;
}
document.addEventListener('click', (event) => leave((menu) => menu.contains(event.target)));
document.addEventListener('focusin', (event) => leave((menu) => menu.contains(event.target)));
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  const menu = event.target.closest?.('details.menu[open]');
  leave(() => false);
  menu?.querySelector('summary').focus();
});

// The same every so many seconds while somebody looks.
export function every(seconds, action) {
  setInterval(() => {
    if (!document.hidden) action().catch(() => {});
  }, seconds * 1000);
}
