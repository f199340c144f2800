// A link that lets a tenant see an application's part of relay, and nothing else.

import { api, path } from './api.js';
import { h, show } from './dom.js';
import { confirm, field, form, list } from './forms.js';
import { button, card, copy, notice } from './parts.js';

const CAPABILITIES = [
  ['ViewBase', 'see endpoints, messages and attempts'],
  ['ManageEndpoint', 'add, change and delete endpoints, with their secrets and headers'],
  ['ViewEndpointSecret', 'see the secrets of endpoints'],
  ['ManageEndpointSecret', 'rotate the secrets of endpoints'],
  ['ManageTransformations', 'change filters and transformations'],
  ['CreateAttempts', 'resend, recover and send examples'],
];

const EXPIRIES = [
  ['3600', 'an hour'],
  ['28800', '8 hours'],
  ['86400', 'a day'],
  ['604800', '7 days'],
];

function wanted(values) {
  const chosen = CAPABILITIES.map(([name]) => name).filter(
    (name) => name === 'ViewBase' || values[name],
  );
  const flags = list(values.featureFlags);
  return {
    expiry: Number(values.expiry),
    ...(values.sessionId && { sessionId: values.sessionId }),
    ...(flags && { featureFlags: flags }),
    ...(values.readOnly ? { readOnly: true } : { capabilities: chosen }),
  };
}

function link(made) {
  return [
    h(
      'p',
      null,
      'Whoever has this link has what was chosen, until it ends. It is shown this once.',
    ),
    h(
      'pre',
      { class: 'code', tabindex: '0', role: 'region', 'aria-label': 'Portal link' },
      made.url,
    ),
    h(
      'p',
      { class: 'actions' },
      copy(made.url, 'Copy the link'),
      copy(made.token, 'Copy the token alone'),
    ),
  ];
}

function end(app) {
  confirm(
    'End every portal link?',
    'Every link and token of this application is good for nothing from now on. People who use one have to be given another.',
    async () => {
      await api.post(path`auth/app/${app}/expire-all`);
      notice('Every link has ended.');
    },
    { yes: 'End them' },
  );
}

export function portal(app) {
  const made = h('div', { role: 'status' });
  const boxes = CAPABILITIES.map(([name, words]) =>
    field(name, words, { kind: 'checkbox', value: true, disabled: name === 'ViewBase' }),
  );
  const ask = form(
    [
      field('readOnly', 'Read only: may look and change nothing', {
        kind: 'checkbox',
        onchange: (event) => {
          choices.disabled = event.target.checked;
        },
      }),
      h('p', { class: 'faint' }, 'Else, who has the link may'),
      boxes,
      field('expiry', 'Ends after', { kind: 'select', options: EXPIRIES, value: '604800' }),
      field('featureFlags', 'Feature flags', {
        hint: 'Event types with a feature flag are shown when theirs is here. Divided by commas; may be empty.',
      }),
      field('sessionId', 'Session', {
        hint: 'A name by which to end its links together. May be empty.',
      }),
    ],
    'Make a link',
    async (values) =>
      show(made, link(await api.post(path`auth/app-portal-access/${app}`, wanted(values)))),
    { kind: 'narrow' },
  );
  const choices = h(
    'fieldset',
    { class: 'plain' },
    h('legend', { class: 'hidden' }, 'What the link allows'),
  );
  boxes[0].before(choices);
  choices.append(...boxes);
  return [
    card(
      'Portal link',
      h('p', null, 'The portal shows a tenant this application, and no other.'),
      ask,
      made,
    ),
    card(
      'End links',
      h('p', null, 'When a link is in wrong hands.'),
      button('End every link', () => end(app), { kind: 'danger' }),
    ),
  ];
}
