// What several views of the portal show.

import { all, api, path } from './api.js';
import { h, show } from './dom.js';
import { field } from './forms.js';
import { id, millis, place, plural, when } from './format.js';
import { notice, pill, table } from './parts.js';
import { at, go, may, own } from './portal-place.js';

const REASONS = {
  by_caller: ['paused', 'warn'],
  gone: ['switched off: answered 410', 'bad'],
  failing: ['switched off: failed for too long', 'bad'],
  left_config: ['switched off', 'warn'],
};
const DEAD = {
  exhausted: 'every attempt failed',
  gone: 'the endpoint answered 410',
  rejected: 'refused',
  expired: 'too old',
  blocked: 'the address is not permitted',
};
const LOOK_MILLIS = 1000;

// How an endpoint stands.
export function state(endpoint) {
  if (!endpoint.disabled) return pill('active', 'good');
  const [words, kind] = REASONS[endpoint.disabledReason] ?? ['paused', 'warn'];
  return pill(words, kind);
}

// What people call an endpoint.
export const called = (endpoint) => endpoint.description?.split('\n')[0] || place(endpoint.url);

export const endpointLink = (endpoint) =>
  h('a', { href: at({ view: 'endpoint', endpoint: endpoint.id }) }, called(endpoint));

// Why a delivery died, in words.
export const died = (reason) => DEAD[reason] ?? reason;

export const messageLink = (message, words) =>
  h('a', { href: at({ view: 'message', message }) }, words ?? id(message));

// Every endpoint by its id.
export async function endpointsById() {
  const found = await all(own`endpoint`, {}, Infinity);
  return new Map(found.map((one) => [one.id, one]));
}

// Every event type of the catalogue.
export const catalogue = (values) => all('event-type', values, Infinity);

// How an attempt ended: 0 stands for no answer.
export const answered = (attempt) =>
  attempt.responseStatusCode ? String(attempt.responseStatusCode) : 'no answer';

// A table of attempts at one endpoint.
export function attemptsTable(attempts) {
  return table(
    [
      ['When', (one) => when(one.timestamp), 'keep'],
      ['Message', (one) => messageLink(one.msgId, one.msg?.eventType)],
      ['Result', (one) => pill(one.statusText)],
      ['Answer', answered],
      ['Took', (one) => millis(one.responseDurationMs), 'right'],
      ['Why', (one) => (one.triggerType === 1 ? 'sent again by hand' : 'by schedule')],
    ],
    attempts,
    { empty: 'No attempt fits. What is sent to this endpoint shows here.', caption: 'Attempts' },
  );
}

// When the next attempt is: what is due and held up waits for its endpoint.
export function due(time) {
  if (!time) return '–';
  return new Date(time) < Date.now() ? 'due' : when(time);
}

// Says what has become of work in the background, until it is done.
export async function follow(task, words) {
  notice(`${words}: begun.`);
  let now = task;
  while (now.status === 'running') {
    await new Promise((done) => {
      setTimeout(done, LOOK_MILLIS);
    });
    now = await api.get(path`background-task/${task.id}`);
  }
  if (now.status === 'failed') notice(`${words}: ${now.data?.error ?? 'failed'}`, 'bad');
  else notice(`${words}: done, ${plural(now.data?.done ?? 0, 'delivery', 'deliveries')}.`);
}

// A moment as a field of a form has it, and back.
export function local(time) {
  if (!time) return '';
  const moment = new Date(time);
  return new Date(moment - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export const utc = (text) => (text ? new Date(text).toISOString() : '');

// A row of fields that narrows a list; what was chosen is in the address.
export function narrow(view, fields) {
  const times = fields.filter((one) => one.kind === 'datetime-local').map((one) => one.name);
  const shown = fields.map(({ name, label, value, ...more }) =>
    field(name, label, {
      ...more,
      value: times.includes(name) ? local(value) : value,
    }),
  );
  const set = fields.some((one) => one.value);
  return h(
    'form',
    {
      class: 'row',
      role: 'search',
      onsubmit: (event) => {
        event.preventDefault();
        const chosen = Object.fromEntries(new FormData(event.target));
        for (const name of times) chosen[name] = utc(chosen[name]);
        go(at({ ...view, ...chosen }));
      },
    },
    shown,
    h(
      'div',
      { class: 'actions' },
      h('button', { type: 'submit' }, 'Show'),
      set ? h('a', { class: 'button plain', href: at(view) }, 'Show all') : null,
    ),
  );
}

// Names to choose from while typing, for a field's `list`.
export const suggestions = (id, words) =>
  h(
    'datalist',
    { id },
    words.map((value) => h('option', { value })),
  );

// One more attempt of a delivery.
export function resend(message, endpoint, done) {
  if (!may('CreateAttempts')) return null;
  const element = h(
    'button',
    {
      type: 'button',
      class: 'plain small',
      onclick: async () => {
        element.disabled = true;
        try {
          await api.post(own`msg/${message}/endpoint/${endpoint}/resend`);
          notice('Sent again. What it was answered shows here in a moment.');
          setTimeout(done, LOOK_MILLIS);
        } catch (error) {
          notice(error.message, 'bad');
        } finally {
          element.disabled = false;
        }
      },
    },
    'Send again',
  );
  return element;
}

// Event types below what they have in common: by their group, else by their first segment.
export function grouped(types) {
  const groups = new Map();
  for (const type of types) {
    const name = type.groupName || type.name.split('.')[0];
    groups.set(name, [...(groups.get(name) ?? []), type]);
  }
  return [...groups].sort(([one], [two]) => one.localeCompare(two));
}

// What is left of event types when somebody looks for a word.
export function matching(types, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const about = (type) => `${type.name} ${type.description} ${type.groupName ?? ''}`.toLowerCase();
  return types.filter((type) => words.every((word) => about(type).includes(word)));
}

// A piece that is filled when its own call is answered, beside the rest of the view.
export function later(
  promise,
  fill,
  missing = (error) => h('p', { class: 'problem', role: 'alert' }, error.message),
) {
  const element = h('div', null, h('p', { class: 'faint' }, 'Loading …'));
  promise.then(
    (found) => show(element, fill(found)),
    (error) => show(element, missing(error)),
  );
  return element;
}
