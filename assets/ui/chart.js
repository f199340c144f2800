// Charts over time as SVG, with the same figures as a table for those who do not see them.

import { h, svg } from './dom.js';
import { moment, number } from './format.js';

const WIDTH = 640;
const HEIGHT = 150;
const LEFT = 44;
const BOTTOM = 18;
const TOP = 8;

// The next round number: 1, 2 or 5 times a power of ten.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function axis(top, format) {
  return [0, 0.5, 1].map((part) => {
    const y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - part);
    return [
      svg('line', { x1: LEFT, x2: WIDTH, y1: y, y2: y, class: 'grid' }),
      svg('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, format(top * part)),
    ];
  });
}

function times(points) {
  const clock = new Intl.DateTimeFormat(
    undefined,
    points.length > 100 ? { weekday: 'short' } : { hour: '2-digit', minute: '2-digit' },
  );
  return [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const at = points[Math.round((points.length - 1) * part)];
    const anchor = part === 0 ? 'start' : part === 1 ? 'end' : 'middle';
    return svg(
      'text',
      { x: LEFT + (WIDTH - LEFT) * part, y: HEIGHT - 3, 'text-anchor': anchor },
      clock.format(new Date(at.at)),
    );
  });
}

function line(points, name, top) {
  const x = (at) => LEFT + ((WIDTH - LEFT) * at) / Math.max(points.length - 1, 1);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  let path = '';
  let pen = false;
  points.forEach((point, at) => {
    const value = point[name];
    if (value === null || value === undefined) {
      pen = false;
      return;
    }
    path += `${pen ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    // A single point between two gaps is seen too.
    if (!pen && (points[at + 1]?.[name] ?? null) === null) path += `h1.5`;
    pen = true;
  });
  return path;
}

// `points` are `{at, …}`; `lines` are `[name, words, class]`.
export function chart(title, points, lines, { format = number } = {}) {
  const values = points.flatMap((point) => lines.map(([name]) => point[name] ?? 0));
  const top = ceiling(Math.max(1, ...values));
  const drawing = svg(
    'svg',
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: 'img',
      'aria-label': `${title}, as a chart; the same figures are in the table below`,
    },
    axis(top, format),
    times(points),
    lines.map(([name, , kind]) =>
      svg('path', { d: line(points, name, top), class: `line ${kind}` }),
    ),
  );
  const legend = h(
    'p',
    { class: 'legend' },
    lines.map(([name, words, kind]) => h('span', { class: kind }, words)),
  );
  const seen = points.filter((point) => lines.some(([name]) => point[name]));
  const rows = seen.map((point) =>
    h(
      'tr',
      null,
      h('th', { scope: 'row' }, moment(point.at)),
      lines.map(([name]) => h('td', null, point[name] === null ? '–' : format(point[name]))),
    ),
  );
  const figures = h(
    'details',
    { class: 'small' },
    h('summary', null, 'As a table'),
    rows.length === 0
      ? h('p', { class: 'empty' }, 'Nothing happened.')
      : h(
          'div',
          { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': title },
          h(
            'table',
            null,
            h(
              'thead',
              null,
              h(
                'tr',
                null,
                h('th', { scope: 'col' }, 'Time'),
                lines.map(([, words]) => h('th', { scope: 'col' }, words)),
              ),
            ),
            h('tbody', null, rows),
          ),
        ),
  );
  return h('figure', { class: 'chart' }, h('figcaption', null, title), legend, drawing, figures);
}

// How many attempts a history tells of; at least so many where it was cut.
export function attemptsMade({ points, complete }) {
  const sum = (field) => points.reduce((all, point) => all + point[field], 0);
  const text = (count) => `${complete === false ? '≥ ' : ''}${number(count)}`;
  return { delivered: text(sum('delivered')), failed: text(sum('failed')) };
}
