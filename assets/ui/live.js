// The live tail: what is accepted, as it comes.

import { ask } from './api.js';
import { h, root, show, to } from './dom.js';
import { field, form, read } from './forms.js';
import { id, moment, pretty } from './format.js';
import { button, code, pill, problem } from './parts.js';
import { about, page } from './shell.js';

// So many stay on the page; the others are found by searching.
const ROWS_MAX = 500;

let stream = null;
let waiting = [];
let paused = false;

function entry(message) {
  const payload =
    message.payload && Object.keys(message.payload).length
      ? code(pretty(message.payload), { label: 'Body' })
      : null;
  const link = h(
    'a',
    { href: to('applications', message.appId, 'messages', message.id) },
    message.eventType,
  );
  return h(
    'li',
    null,
    h(
      'p',
      null,
      link,
      ' ',
      message.origin ? pill(message.origin.source, 'calm') : null,
      ' ',
      id(message.id),
      ' ',
      h('span', { class: 'faint' }, moment(message.timestamp)),
    ),
    payload ? h('details', null, h('summary', null, 'Body'), payload) : null,
  );
}

// Why a stream is refused is not told to an EventSource: asked once more, the server says so.
async function reason(query) {
  const stop = new AbortController();
  const answer = await ask(`live?${query}`, { signal: stop.signal });
  if (answer.ok) {
    stop.abort();
    return null;
  }
  const told = await answer.json().catch(() => null);
  const detail = told?.detail;
  return new Error(
    Array.isArray(detail)
      ? detail.map((one) => one.msg).join('; ')
      : (detail ?? `the relay answered ${answer.status}`),
  );
}

function open(given, state, rows) {
  stream?.close();
  const words = {
    filter: given.filter,
    event_types: given.types,
    channel: given.channel,
    with_content: given.body ? 'true' : '',
  };
  const query = new URLSearchParams(Object.entries(words).filter(([, value]) => value));
  // By itself it comes back after a break with the last id it saw: nothing is missed.
  stream = new EventSource(`${root}api/v1/live?${query}`);
  show(state, pill('connecting', 'warn'));
  stream.addEventListener('connected', () => show(state, pill('connected', 'good')));
  stream.addEventListener('gap', (event) =>
    rows.prepend(
      h('li', { class: 'warn' }, h('p', null, `Some are gone by retention: ${event.data}`)),
    ),
  );
  stream.addEventListener('message', (event) => {
    const shown = entry(JSON.parse(event.data));
    if (paused) waiting.push(shown);
    else rows.prepend(shown);
    while (rows.children.length > ROWS_MAX) rows.lastChild.remove();
    waiting = waiting.slice(-ROWS_MAX);
  });
  stream.addEventListener('error', async () => {
    show(state, pill('lost, trying again', 'bad'));
    if (stream.readyState !== EventSource.CLOSED) return;
    const why = await reason(query).catch((error) => error);
    if (why) show(state, problem(why));
    else setTimeout(() => open(given, state, rows), 1000);
  });
}

page(async () => {
  about('Messages as they are accepted. After a break it goes on where it stopped.');
  const state = h('p', { role: 'status' });
  const rows = h('ol', { class: 'timeline', 'aria-label': 'Messages as they come' });
  const choose = form(
    [
      field('types', 'Event types', { placeholder: 'any' }),
      field('channel', 'Channel'),
      field('filter', 'Filter', {
        placeholder: '{"body": {"amount": {"$gt": 100}}}',
        hint: 'The filter language of endpoints.',
      }),
      field('body', 'With body', { kind: 'checkbox' }),
    ],
    'Follow',
    async (given) => {
      rows.replaceChildren();
      open(given, state, rows);
    },
    { kind: 'row' },
  );
  const pause = h(
    'button',
    {
      type: 'button',
      class: 'plain',
      'aria-pressed': 'false',
      onclick: () => {
        paused = !paused;
        pause.setAttribute('aria-pressed', String(paused));
        pause.textContent = paused ? 'Go on' : 'Hold still';
        if (!paused) {
          waiting.forEach((one) => rows.prepend(one));
          waiting = [];
        }
      },
    },
    'Hold still',
  );
  open(read(choose), state, rows);
  return [
    choose,
    h(
      'div',
      { class: 'head' },
      state,
      h(
        'div',
        { class: 'actions' },
        pause,
        button('Clear', async () => rows.replaceChildren(), { kind: 'plain' }),
      ),
    ),
    rows,
  ];
});
