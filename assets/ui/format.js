// Numbers, times and names as people read them.

import { h } from './dom.js';

const UNITS = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'short' });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const whole = new Intl.NumberFormat('en');

export const number = (value) =>
  value === null || value === undefined ? '–' : whole.format(value);

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

// How far away a moment is: `3 min. ago`, `in 2 hr.`
export function ago(time, now = Date.now()) {
  const seconds = (new Date(time).getTime() - now) / 1000;
  if (Math.abs(seconds) < 10) return 'now';
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1];
  return relative.format(Math.round(seconds / size), unit);
}

// A moment as an element: how far away it is, and when exactly on demand.
export function when(time) {
  if (!time) return '–';
  return h(
    'time',
    { datetime: time, title: `${exact.format(new Date(time))} (${time})` },
    ago(time),
  );
}

export const moment = (time) => (time ? exact.format(new Date(time)) : '–');

export function bytes(size) {
  if (size === null || size === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  let value = size;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

export function millis(value) {
  if (value === null || value === undefined) return '–';
  if (value < 1000) return `${value < 10 && value % 1 ? value.toFixed(1) : Math.round(value)} ms`;
  return seconds(value / 1000);
}

export function seconds(value) {
  if (value < 60)
    return `${value < 10 ? value.toFixed(1).replace(/\.0$/, '') : Math.round(value)} s`;
  if (value < 3600) return `${Math.round(value / 60)} min`;
  if (value < 172_800) return `${Math.round(value / 3600)} h`;
  return `${Math.round(value / 86_400)} d`;
}

// The host and path of a URL, without what is the same for all.
export function place(url) {
  return String(url)
    .replace(/^https?:\/\//, '')
    .replace(/\/$/, '');
}

// The first and last characters of an id, whole on demand.
export function id(text) {
  const short = text.length > 20 ? `${text.slice(0, 9)}…${text.slice(-6)}` : text;
  return h('code', { class: 'id', title: text }, short);
}

// A body: JSON indented, everything else as it is.
export function pretty(text) {
  if (typeof text !== 'string') return JSON.stringify(text, null, 2);
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
