// Where in the portal somebody is, and what their link permits. One document has every view: which
// one is in the address's query, so that a browser goes back and forth; the key is in none.

import { api, path, useToken } from './api.js';
import { byId, h, show } from './dom.js';
import { moment } from './format.js';
import { button, problem } from './parts.js';

const KEPT = 'relay.portal.key';
// What a capability includes beside itself, as the server has it.
const GIVEN_BY = {
  ViewEndpointSecret: ['ManageEndpointSecret', 'ManageEndpoint'],
  ManageEndpointSecret: ['ManageEndpoint'],
};
const NAME = document.documentElement.dataset.name;

let views = {};
let session = null;
let ending = null;
// Counts what was drawn: what comes late for a view that was left changes nothing.
let turn = 0;
let drawn = null;
let timers = [];

// Whether the link permits it.
export function may(capability) {
  const held = session?.capabilities ?? [];
  return [capability, ...(GIVEN_BY[capability] ?? [])].some((one) => held.includes(one));
}

// A call about this application: api.get(own`endpoint/${id}`).
export const own = (strings, ...values) => path`app/${session.appId}/` + path(strings, ...values);

// The address of a view: at({ view: 'message', message: id }).
export function at(values) {
  const given = Object.entries(values).filter(
    ([, value]) => value !== undefined && value !== null && value !== '',
  );
  const text = new URLSearchParams(given).toString();
  return text ? `portal?${text}` : 'portal';
}

// To another view.
export function go(address) {
  history.pushState(null, '', address);
  draw();
}

// The key of the link, which is taken out of the address at once. In a frame of another site
// storage may be closed: then it is in this document's memory alone.
function key() {
  const given = new URLSearchParams(location.hash.slice(1)).get('key');
  try {
    if (!given) return sessionStorage.getItem(KEPT);
    sessionStorage.setItem(KEPT, given);
  } catch {
    /* this document alone */
  }
  if (given) history.replaceState(null, '', location.pathname + location.search);
  return given;
}

function forget() {
  try {
    sessionStorage.removeItem(KEPT);
  } catch {
    /* it was never there */
  }
}

// Nothing more can be done here; the words say why and what comes next.
function end(heading, words) {
  turn += 1;
  session = null;
  clearTimeout(ending);
  timers.forEach(clearInterval);
  forget();
  for (const part of ['nav', 'footer', 'about']) byId(part).hidden = true;
  for (const part of ['actions', 'notices']) show(byId(part));
  document.querySelectorAll('dialog').forEach((dialog) => dialog.close());
  document.title = `${heading} · ${NAME}`;
  byId('title').textContent = heading;
  show(byId('content'), h('p', null, words));
  byId('content').setAttribute('aria-busy', 'false');
}

const ended = () =>
  end(
    'This link has ended',
    'Open this page anew from the application that you came from: it makes a fresh link. ' +
      'Your endpoints work on as they are.',
  );

function footer() {
  const leave = button(
    'Leave',
    async () => {
      await api.post('auth/logout');
      end('You have left', 'To come back, open this page from the application that you came from.');
    },
    { kind: 'plain small' },
  );
  const until = session.expiresAt
    ? `This link is good until ${moment(session.expiresAt)}.`
    : 'You are here by a link.';
  const only = ['ManageEndpoint', 'CreateAttempts'].some(may) ? '' : ' It is for looking only.';
  byId('footer').hidden = false;
  show(byId('footer'), h('span', null, until, only), ' ', leave);
}

async function begin() {
  const given = key();
  if (!given) {
    end(
      'No link',
      'This page is opened by a link that your application makes. Open it from there.',
    );
    return;
  }
  useToken(given, ended);
  const whoami = api.get('auth/whoami');
  try {
    session = await whoami;
  } catch (error) {
    if (error.status !== 401)
      show(byId('content'), problem(error), h('p', null, button('Try again', begin)));
    return;
  }
  if (session.scope !== 'application') {
    end(
      'Not a link',
      'The key of this address is none of an application. Open this page from your application.',
    );
    return;
  }
  clearTimeout(ending);
  if (session.expiresAt)
    ending = setTimeout(ended, Math.max(0, new Date(session.expiresAt) - Date.now()));
  byId('nav').hidden = false;
  footer();
  await draw();
}

// What a view may change beside its content, as long as it is the one that is looked at.
function parts(mine) {
  const present = () => mine === turn;
  return {
    title(words) {
      if (!present()) return;
      byId('title').textContent = words;
      document.title = `${words} · ${NAME}`;
    },
    about(...words) {
      if (!present()) return;
      byId('about').hidden = false;
      show(byId('about'), ...words);
    },
    actions(...list) {
      if (present()) show(byId('actions'), ...list);
    },
    every(seconds, action) {
      if (!present()) return;
      timers.push(
        setInterval(() => {
          if (!document.hidden) action().catch(() => {});
        }, seconds * 1000),
      );
    },
    again() {
      if (present()) draw();
    },
  };
}

async function draw() {
  if (!session) return;
  turn += 1;
  const mine = turn;
  timers.forEach(clearInterval);
  timers = [];
  document.querySelectorAll('dialog').forEach((dialog) => dialog.close());
  const values = Object.fromEntries(new URLSearchParams(location.search));
  const name = Object.hasOwn(views, values.view ?? '') ? values.view : 'endpoints';
  const { draw: fill, section } = views[name];
  for (const link of document.querySelectorAll('#nav a')) {
    if (link.dataset.view === section) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const content = byId('content');
  const moved = drawn !== null && drawn !== location.search;
  drawn = location.search;
  show(byId('actions'));
  byId('about').hidden = true;
  content.setAttribute('aria-busy', 'true');
  let found;
  try {
    found = await fill(values, parts(mine));
  } catch (error) {
    found = problem(error);
  }
  if (mine !== turn) return;
  show(content, found);
  content.setAttribute('aria-busy', 'false');
  performance.mark('shown');
  if (moved) {
    scrollTo(0, 0);
    byId('main').focus({ preventScroll: true });
  }
}

// A link to another view is followed without leaving the document.
function follow(event) {
  const link = event.target.closest?.('a[href]');
  const plain =
    event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || link.target || event.defaultPrevented || !session) return;
  const there = new URL(link.href);
  if (there.origin !== location.origin || there.pathname !== location.pathname) return;
  if (there.hash && there.search === location.search) return;
  event.preventDefault();
  go(there.href);
}

// `list` has a view by its name: `{ draw(values, parts), section }`.
export function start(list) {
  views = list;
  document.addEventListener('click', follow);
  addEventListener('popstate', () => {
    if (location.search !== drawn) draw();
  });
  // The application has put another link into the same frame.
  addEventListener('hashchange', () => {
    if (location.hash.startsWith('#key=')) begin();
  });
  begin();
}
