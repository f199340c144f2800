// One request that came to a source, as it came, and what was made of it.

import { api, path } from './api.js';
import { h, names, show, to } from './dom.js';
import { confirm } from './forms.js';
import { bytes, moment, pretty } from './format.js';
import { button, card, code, facts, notice, pill, table } from './parts.js';
import { about, actions, page, title } from './shell.js';
import { messageLink, release } from './source-requests.js';
import { verdictWords } from './words.js';

const { source, request: name } = names;
const call = path`source/${source}/request/${name}`;

function body(request) {
  if (request.expired) return h('p', { class: 'empty' }, 'Its bytes are kept no longer.');
  if (request.bodyBase64 !== undefined)
    return [
      h('p', { class: 'faint' }, 'It is no text; in base64:'),
      code(request.bodyBase64, { label: 'Body' }),
    ];
  if (!request.body) return h('p', { class: 'empty' }, 'It is empty.');
  const shown = pretty(request.body);
  const size = bytes(new TextEncoder().encode(request.body).length);
  const note = shown === request.body ? size : `${size}, indented here`;
  return [h('p', { class: 'faint' }, note), code(shown, { label: 'Body' })];
}

function expunge(again) {
  confirm(
    'Expunge its content?',
    'Headers and body go from the disk too; of one that is a message, also its payload and what its attempts sent and were answered. This can’t be undone.',
    async () => {
      await api.delete(`${call}/content`);
      notice('Its content is gone.');
      await again();
    },
    { yes: 'Expunge it' },
  );
}

function doings(request, again) {
  const take = async (anyway) => {
    await release(source, name, anyway);
    await again();
  };
  const open = !request.msgId && !request.expired;
  actions(
    open && ['refused', 'held'].includes(request.verdict)
      ? button('Release', () => take(false))
      : null,
    open && ['refused', 'duplicate'].includes(request.verdict)
      ? button(
          'Release anyway',
          () =>
            confirm(
              'Release it anyway?',
              'It becomes a message though it is refused, or its event came before. Endpoints are told that it is not verified (relay-verified: false).',
              () => take(true),
              { yes: 'Release it' },
            ),
          { kind: 'plain' },
        )
      : null,
    request.expired ? null : button('Expunge content', () => expunge(again), { kind: 'plain' }),
  );
}

page(async () => {
  const content = h('div');
  const paint = (request) => {
    title(`Request ${request.eventType || request.id}`);
    about(h('a', { href: to('sources', source) }, 'Source'), ' · ', h('code', null, request.id));
    doings(request, again);
    const query = request.query ? `?${request.query}` : '';
    show(
      content,
      card(
        null,
        h('p', null, pill(request.verdict), ' ', verdictWords(request)),
        facts([
          ['Came', moment(request.timestamp)],
          ['From', request.ip],
          [
            'Asked for',
            request.method && h('code', null, `${request.method} ${request.path || '/'}${query}`),
          ],
          ['Event type', request.eventType],
          ['Event id', request.eventId],
          ['Reason', request.reason && h('code', null, request.reason)],
          [
            'Came before as',
            request.duplicateOf &&
              h(
                'a',
                { href: to('sources', source, 'requests', request.duplicateOf) },
                request.duplicateOf,
              ),
          ],
          ['Message', request.msgId ? messageLink(request) : 'none'],
        ]),
      ),
      request.headers
        ? card(
            'Headers',
            table(
              [
                ['Name', ([header]) => h('code', null, header)],
                ['Value', ([, value]) => h('code', null, value)],
              ],
              request.headers,
              { caption: 'Headers as they came', empty: 'None.' },
            ),
          )
        : null,
      card('Body', body(request)),
    );
  };
  const again = async () => paint(await api.get(call));
  await again();
  return content;
});
