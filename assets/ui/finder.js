// A list that is searched within: what is read is shown at once, and the rest is read when
// somebody searches, page by page.

import { h, show } from './dom.js';
import { number, plural } from './format.js';
import { problem } from './parts.js';

const STEP = 100;

// `load(iterator)` gives a page, `text(item)` what is searched in, `draw(items, searching)` shows;
// `one` and `many` are what the items are called.
export function finder({ load, text, draw, one, many = `${one}s` }) {
  const place = h('div');
  const told = h('p', { class: 'faint', role: 'status' });
  const more = h('button', { type: 'button', class: 'plain', hidden: true }, 'Show more');
  const search = h('input', {
    type: 'search',
    autocomplete: 'off',
    spellcheck: 'false',
    placeholder: `Search ${many}`,
    'aria-label': `Search ${many}`,
  });
  let items = [];
  let iterator = null;
  let done = false;
  let reading = null;
  let most = STEP;

  function paint(error) {
    const wanted = search.value.trim().toLowerCase();
    const found = wanted
      ? items.filter((item) => text(item).toLowerCase().includes(wanted))
      : items;
    const shown = found.slice(0, most);
    show(place, draw(shown, wanted !== ''), error ? problem(error) : null);
    more.hidden = found.length <= most && (done || wanted !== '');
    const left = done ? '' : ', more are being read';
    if (wanted)
      told.textContent = `${plural(found.length, 'match', 'matches')} among ${plural(items.length, one, many)}${left}`;
    else
      told.textContent = done
        ? plural(items.length, one, many)
        : `${number(shown.length)} ${many} of more`;
  }

  function next() {
    reading ??= load(iterator)
      .then((page) => {
        items = items.concat(page.data);
        iterator = page.iterator;
        done = page.done || !iterator;
      })
      .finally(() => {
        reading = null;
      });
    return reading;
  }

  async function find() {
    most = STEP;
    paint();
    try {
      while (!done && search.value.trim()) {
        await next();
        paint();
      }
    } catch (error) {
      paint(error);
    }
  }

  search.addEventListener('input', find);
  more.addEventListener('click', async () => {
    most += STEP;
    try {
      if (!done && items.length < most) await next();
      paint();
    } catch (error) {
      paint(error);
    }
  });
  const element = h(
    'div',
    null,
    h('div', { class: 'finder' }, search, told),
    place,
    h('p', null, more),
  );
  element.again = async () => {
    items = [];
    iterator = null;
    done = false;
    try {
      await next();
      paint();
    } catch (error) {
      paint(error);
    }
    if (search.value.trim()) await find();
  };
  element.ready = element.again();
  return element;
}
