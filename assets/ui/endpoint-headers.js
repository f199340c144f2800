// The headers that every request to an endpoint carries.

import { api, path } from './api.js';
import { h, show } from './dom.js';
import { confirm, field, form } from './forms.js';
import { button, card, notice, problem, table } from './parts.js';

export function endpointHeaders(app, endpoint, may) {
  const call = path`app/${app}/endpoint/${endpoint.id}/headers`;
  const place = h('div');

  function remove(name) {
    confirm(
      `Take ${name} away?`,
      'Requests go without it from now on.',
      async () => {
        await api.patch(call, { headers: {}, deleteHeaders: [name] });
        await draw();
      },
      { yes: 'Take it away' },
    );
  }

  async function draw() {
    try {
      const found = await api.get(call);
      const rows = Object.entries(found.headers ?? {}).map(([name, value]) => ({ name, value }));
      const hidden = (found.sensitive ?? [])
        .filter((name) => !rows.some((row) => row.name === name))
        .map((name) => ({ name, value: null }));
      show(
        place,
        table(
          [
            ['Name', (row) => h('code', null, row.name)],
            [
              'Value',
              (row) =>
                row.value === null
                  ? h('span', { class: 'faint' }, 'set, and not shown again')
                  : h('code', null, row.value),
            ],
            ...(may
              ? [
                  [
                    '',
                    (row) =>
                      button('Take away', () => remove(row.name), {
                        kind: 'plain small',
                        'aria-label': `Take away ${row.name}`,
                      }),
                  ],
                ]
              : []),
          ],
          [...rows, ...hidden],
          { caption: 'Headers', empty: 'None but those of relay itself.' },
        ),
      );
    } catch (error) {
      show(place, problem(error));
    }
  }

  draw();
  const ask = form(
    [
      field('name', 'Name', { required: true, maxlength: 256, placeholder: 'x-team' }),
      field('value', 'Value', { required: true, maxlength: 4096 }),
    ],
    'Set',
    async ({ name, value }, element) => {
      await api.patch(call, { headers: { [name]: value } });
      element.reset();
      notice(`${name} goes with every request from now on.`);
      await draw();
    },
    { kind: 'row' },
  );
  return card(
    'Headers',
    h(
      'p',
      { class: 'faint' },
      'Sent with every delivery. Those of HTTP itself and of the signature can’t be set.',
    ),
    place,
    may ? ask : null,
  );
}
