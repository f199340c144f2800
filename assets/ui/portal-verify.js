// How deliveries of an endpoint are verified, as code to take along.

import { api } from './api.js';
import { h, show } from './dom.js';
import { field } from './forms.js';
import { button, card, code, copy } from './parts.js';
import { may, own } from './portal-place.js';
import { PLACEHOLDER, SNIPPETS } from './portal-snippets.js';

const KEPT = 'relay.portal.language';
const OTHER_HEADERS = document.documentElement.dataset.headers === 'svix';

function language() {
  try {
    return localStorage.getItem(KEPT) ?? SNIPPETS[0].name;
  } catch {
    return SNIPPETS[0].name;
  }
}

function prefer(name) {
  try {
    localStorage.setItem(KEPT, name);
  } catch {
    /* this time only */
  }
}

const RULES = [
  'Take the body as the bytes that came, before anything parses it.',
  'Refuse a timestamp more than five minutes from your clock: the library does.',
  'Remember the webhook-id of what you have handled, and answer 2xx to it when it comes again.',
  'Answer within the time to answer, and do long work after it.',
];

export function verifying(endpoint) {
  let secret = PLACEHOLDER;
  const place = h('div');
  const select = field('language', 'Language', {
    kind: 'select',
    value: language(),
    options: SNIPPETS.map(({ name, words }) => [name, words]),
  });
  const chosen = select.querySelector('select');
  const note = h('p', { class: 'faint', role: 'status' });
  const draw = () => {
    const {
      install,
      code: text,
      words,
    } = SNIPPETS.find(({ name }) => name === chosen.value) ?? SNIPPETS[0];
    show(
      place,
      code(install, { label: 'How the library is installed' }),
      code(text(secret), { label: `A receiver in ${words}` }),
      h(
        'p',
        { class: 'actions' },
        copy(text(secret), 'Copy the code'),
        secret === PLACEHOLDER ? put : null,
      ),
    );
  };
  chosen.addEventListener('change', () => {
    prefer(chosen.value);
    draw();
  });
  const put = may('ViewEndpointSecret')
    ? button(
        'Put the secret in',
        async () => {
          const { key } = await api.get(own`endpoint/${endpoint.id}/secret`);
          if (!key.startsWith('whsec_')) {
            note.textContent =
              'Deliveries to this endpoint are signed with Ed25519 (v1a), which this library ' +
              `does not verify. Their public key is ${key}.`;
            return;
          }
          secret = key;
          note.textContent = 'The code holds the secret now: keep it out of version control.';
          draw();
        },
        { kind: 'plain small' },
      )
    : null;
  draw();
  return [
    card(
      'Verify what comes',
      h(
        'p',
        null,
        'Each delivery is signed as Standard Webhooks has it, in the headers webhook-id, ' +
          'webhook-timestamp and webhook-signature. This is a whole receiver that verifies it.',
      ),
      OTHER_HEADERS
        ? h(
            'p',
            null,
            'Here the headers are called svix-id, svix-timestamp and svix-signature: take the ' +
              'library svix in place of standardwebhooks. Its Webhook is used in the same way.',
          )
        : null,
      select,
      place,
      note,
    ),
    card(
      'What a receiver does',
      h(
        'ol',
        null,
        RULES.map((rule) => h('li', null, rule)),
      ),
    ),
  ];
}
