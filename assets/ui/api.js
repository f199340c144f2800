// Calls of the public API: with the session's cookie in the dashboard, with a token in the portal.

import { root } from './dom.js';

let token = null;
let closed = () => {};

// From now on calls carry this token; `whenClosed` is called when it is good for nothing any more.
export function useToken(text, whenClosed) {
  token = text;
  closed = whenClosed;
}

// What is called when nobody is signed in, or no longer.
export function onClosed(action) {
  closed = action;
}

// A call that was refused, in the words of the server.
export class Refused extends Error {
  constructor(status, code, words, problems) {
    super(words);
    this.status = status;
    this.code = code;
    this.problems = problems;
  }
}

function query(values) {
  const list = new URLSearchParams();
  for (const [name, value] of Object.entries(values ?? {})) {
    if (value === null || value === undefined || value === '') continue;
    for (const one of Array.isArray(value) ? value : [value]) list.append(name, one);
  }
  const text = list.toString();
  return text ? `?${text}` : '';
}

function refusal(status, text) {
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    /* a proxy's own words */
  }
  const detail = body?.detail;
  if (Array.isArray(detail)) {
    const words = detail.map((one) =>
      `${(one.loc ?? []).slice(1).join('.')}: ${one.msg}`.replace(/^: /, ''),
    );
    return new Refused(status, 'validation', words.join('; '), detail);
  }
  const words = typeof detail === 'string' ? detail : `the relay answered ${status}`;
  return new Refused(status, body?.code ?? '', words, []);
}

// Path segments are encoded: api`app/${id}/msg` is safe whatever the id is.
export function path(strings, ...values) {
  return String.raw({ raw: strings }, ...values.map((value) => encodeURIComponent(value)));
}

// A request as `fetch` takes it, with what tells who asks.
export function ask(place, options = {}) {
  const headers = { accept: 'application/json', ...options.headers };
  if (token) headers.authorization = `Bearer ${token}`;
  const credentials = token ? 'omit' : 'same-origin';
  return fetch(`${root}api/v1/${place}`, { ...options, headers, credentials, cache: 'no-store' });
}

async function call(method, place, { values, body, signal } = {}) {
  const options = { method, signal, headers: {} };
  if (body !== undefined) {
    options.headers['content-type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  if (method === 'POST')
    options.headers['idempotency-key'] = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  let answer;
  try {
    answer = await ask(place + query(values), options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refused(0, 'unreachable', 'the relay does not answer', []);
  }
  const text = await answer.text();
  if (answer.status === 401) closed();
  if (!answer.ok) throw refusal(answer.status, text);
  return text ? JSON.parse(text) : null;
}

export const api = {
  get: (place, values, signal) => call('GET', place, { values, signal }),
  post: (place, body, values) => call('POST', place, { body: body ?? {}, values }),
  put: (place, body) => call('PUT', place, { body }),
  patch: (place, body) => call('PATCH', place, { body }),
  delete: (place) => call('DELETE', place),
};

// Every item of a list, page by page, up to a number of them.
export async function all(place, values, most = 1000) {
  const found = [];
  let iterator;
  do {
    const page = await api.get(place, { limit: 250, ...values, iterator });
    found.push(...page.data);
    iterator = page.done ? null : page.iterator;
  } while (iterator && found.length < most);
  return found;
}
