// Adding an endpoint, and changing one.

import { api } from './api.js';
import { h } from './dom.js';
import { field, form, list } from './forms.js';
import { card, notice } from './parts.js';
import { chooser } from './portal-choose.js';
import { filter } from './portal-filter.js';
import { called, catalogue } from './portal-parts.js';
import { at, go, own } from './portal-place.js';

// Headers as people write them, a line each.
function headers(text) {
  const found = {};
  for (const line of text
    .split('\n')
    .map((one) => one.trim())
    .filter(Boolean)) {
    const colon = line.indexOf(':');
    if (colon < 1) throw new Error(`Headers: “${line}” is no header, write it as Name: value.`);
    found[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return found;
}

// What has to be asked to come from the headers as they are to those that were written.
export function changes(present, written) {
  const names = new Map(Object.keys(written).map((name) => [name.toLowerCase(), name]));
  const same = Object.entries(present.headers).filter(
    ([name, value]) => written[names.get(name.toLowerCase())] === value,
  );
  const unchanged = new Set(same.map(([name]) => name.toLowerCase()));
  const set = Object.entries(written).filter(([name]) => !unchanged.has(name.toLowerCase()));
  const gone = Object.keys(present.headers).filter((name) => !names.has(name.toLowerCase()));
  return { headers: Object.fromEntries(set), deleteHeaders: gone };
}

function throttle(text) {
  if (!text) return null;
  const rate = Number(text);
  if (!Number.isInteger(rate))
    throw new Error('Messages a second: a whole number, or nothing for no bound.');
  return rate;
}

function sensitive(names) {
  if (!names?.length) return null;
  return h(
    'fieldset',
    { class: 'field' },
    h('legend', null, 'Headers whose values are not shown'),
    h(
      'p',
      { class: 'faint' },
      'They stay as they are. Write one above with a new value to replace it, or tick it to take ' +
        'it away.',
    ),
    names.map((name, number) =>
      h(
        'p',
        { class: 'choice' },
        h('input', { type: 'checkbox', id: `gone-${number}`, 'data-gone': name }),
        h('label', { for: `gone-${number}` }, 'Take away ', h('code', null, name)),
      ),
    ),
  );
}

function fields(endpoint, present, types) {
  const lines = Object.entries(present.headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
  const picked = chooser(types, endpoint?.eventTypes);
  const content = filter(endpoint?.filter, endpoint?.id);
  const more =
    endpoint &&
    (endpoint.channels ||
      endpoint.throttleRate ||
      endpoint.filter ||
      lines ||
      present.sensitive.length);
  return {
    picked,
    content,
    list: [
      field('url', 'URL', {
        kind: 'url',
        value: endpoint?.url,
        required: true,
        placeholder: 'https://example.com/webhooks',
        hint: 'Each event is posted there, signed.',
      }),
      field('description', 'Description', {
        value: endpoint?.description,
        hint: 'What you call it.',
      }),
      picked.element,
      h(
        'details',
        { open: Boolean(more), class: 'more' },
        h('summary', null, 'More: channels, throttle, headers, filter'),
        field('channels', 'Channels', {
          value: endpoint?.channels?.join(', '),
          hint: 'Only messages that carry one of them; commas between. Empty: whatever they carry.',
        }),
        field('throttleRate', 'Messages a second, at most', {
          value: endpoint?.throttleRate,
          inputmode: 'numeric',
          hint: 'What is more waits. Empty: no bound.',
        }),
        field('headers', 'Headers', {
          kind: 'textarea',
          rows: 3,
          value: lines,
          placeholder: 'X-Team: books',
          hint: 'Sent with every delivery, a line each: Name: value.',
        }),
        sensitive(present.sensitive),
        content.element,
      ),
    ],
  };
}

export async function newEndpoint(values, page) {
  page.title('Add an endpoint');
  const types = await catalogue({});
  const { list: parts, picked, content } = fields(null, { headers: {}, sensitive: [] }, types);
  return card(
    null,
    form(parts, 'Add', async (given) => {
      const made = await api.post(own`endpoint`, {
        url: given.url,
        description: given.description,
        eventTypes: picked.chosen(),
        channels: list(given.channels),
        throttleRate: throttle(given.throttleRate),
        headers: headers(given.headers),
        filter: content.value(),
      });
      notice('Added. What happens from now on is sent to it.');
      go(at({ view: 'endpoint', endpoint: made.id }));
    }),
  );
}

export async function editEndpoint(values, page) {
  const id = values.endpoint ?? '';
  const [endpoint, present, types] = await Promise.all([
    api.get(own`endpoint/${id}`),
    api.get(own`endpoint/${id}/headers`),
    catalogue({ include_archived: true }),
  ]);
  page.title(`Change ${called(endpoint)}`);
  const there = at({ view: 'endpoint', endpoint: id });
  const { list: parts, picked, content } = fields(endpoint, present, types);
  const shown = form(parts, 'Save', async (given) => {
    const wanted = {
      url: given.url,
      description: given.description,
      eventTypes: picked.chosen(),
      channels: list(given.channels),
      throttleRate: throttle(given.throttleRate),
      filter: content.value(),
    };
    const asked = changes(present, headers(given.headers));
    const gone = [...shown.querySelectorAll('[data-gone]:checked')].map((box) => box.dataset.gone);
    asked.deleteHeaders.push(...gone);
    await api.patch(own`endpoint/${id}`, wanted);
    if (asked.deleteHeaders.length || Object.keys(asked.headers).length)
      await api.patch(own`endpoint/${id}/headers`, asked);
    notice('Saved. What is accepted from now on follows it.');
    go(there);
  });
  return card(null, shown, h('p', null, h('a', { href: there }, 'Back without a change')));
}
