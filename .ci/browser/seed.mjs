// A history to look at: tenants, endpoints of every kind, sources, messages, and what a stranger
// would plant wherever they can.

import { api, receiver, server, until } from './harness.mjs';

// Runs if anything takes it for more than text.
export const PLANTED =
  '"><img src=x onerror="document.title=\'planted\'"><script>document.title="planted"</script>{{7*7}}\u202e';

const SCHEMA = {
  1: {
    type: 'object',
    title: 'Invoice paid',
    required: ['id', 'amount'],
    properties: { id: { type: 'string' }, amount: { type: 'integer' } },
    examples: [{ id: 'in_1', amount: 4200 }],
  },
};

async function eventTypes() {
  await api('POST', 'event-type', {
    name: 'invoice.paid',
    description: 'An invoice was paid.',
    schemas: SCHEMA,
    groupName: 'Invoices',
  });
  await api('POST', 'event-type', {
    name: 'user.created',
    description: `A user signed up. ${PLANTED}`,
    groupName: 'Users',
  });
}

async function receivers() {
  return {
    good: await receiver(() => ({})),
    failing: await receiver(() => ({ status: 500, body: `<b>down</b>${PLANTED}` })),
    gone: await receiver(() => ({ status: 410, body: 'gone' })),
    flaky: await receiver((_, count) => ({ status: count % 2 ? 503 : 200 })),
  };
}

async function tenant(name, urls) {
  const app = await api('POST', 'app', {
    name,
    uid: name
      .toLowerCase()
      .replaceAll(/[^a-z]/g, '-')
      .slice(0, 40),
  });
  const endpoints = {};
  for (const [kind, given] of Object.entries(urls)) {
    endpoints[kind] = await api('POST', `app/${app.id}/endpoint`, {
      url: given.url,
      description: given.description ?? `${kind} receiver`,
      ...given.more,
    });
  }
  return { app, endpoints };
}

async function send(app, count, eventType, payload) {
  const sent = [];
  for (let number = 0; number < count; number += 1) {
    sent.push(
      await api('POST', `app/${app.id}/msg`, {
        eventType,
        eventId: `evt_${app.id}_${eventType}_${number}`,
        payload: payload(number),
        tags: ['seed'],
      }),
    );
  }
  return sent;
}

async function sources(app) {
  const open = await api('POST', 'source', {
    name: 'Warehouse',
    uid: 'warehouse',
    type: 'custom',
    application: app.id,
    verification: { scheme: 'none' },
  }).catch(() => null);
  const github = await api('POST', 'source', {
    name: 'GitHub',
    uid: 'github',
    type: 'github',
    application: app.id,
    config: { secret: 'a-secret-of-github' },
  });
  const bad = await fetch(github.ingestUrl, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-github-event': PLANTED.replace('\u202e', ''),
      'x-hub-signature-256': 'sha256=00',
    },
    body: JSON.stringify({ planted: PLANTED }),
  });
  await bad.text();
  return { open, github };
}

// Everything; what was made, by name.
export async function seed() {
  await eventTypes();
  const at = await receivers();
  const acme = await tenant('Acme', {
    good: { url: `${at.good.url}/hooks` },
    failing: { url: `${at.failing.url}/hooks` },
    flaky: { url: `${at.flaky.url}/hooks`, more: { eventTypes: ['invoice.paid'] } },
    choosy: { url: `${at.good.url}/choosy`, more: { eventTypes: ['invoice.voided'] } },
    gone: { url: `${at.gone.url}/hooks`, more: { eventTypes: ['user.created'] } },
  });
  const strange = await tenant(`Strange ${PLANTED}`, {
    good: {
      url: `${at.good.url}/?q=${encodeURIComponent(PLANTED)}`,
      description: PLANTED,
      more: { metadata: { planted: PLANTED } },
    },
  });
  const paid = await send(acme.app, 30, 'invoice.paid', (number) => ({
    id: `in_${number}`,
    amount: 100 * number,
    note: number === 7 ? 'findable-needle' : 'x',
  }));
  await send(acme.app, 5, 'user.created', (number) => ({ id: number, name: PLANTED }));
  const planted = await send(strange.app, 3, 'user.created', () => ({ [PLANTED]: PLANTED }));
  const from = await sources(acme.app);
  // All 35 that it was meant to get.
  const dead = `app/${acme.app.id}/dead-letter?limit=50&endpoint_id=${acme.endpoints.failing.id}`;
  await until('dead letters', async () => (await api('GET', dead)).data.length === 35);
  const [refused] = (await api('GET', `source/${from.github.id}/request?limit=50`)).data;
  // A task to look at.
  await api('POST', `app/${acme.app.id}/endpoint/${acme.endpoints.choosy.id}/recover`, {
    since: new Date(Date.now() - 3_600_000).toISOString(),
  });
  const portal = await api('POST', `auth/app-portal-access/${acme.app.id}`, {});
  return { at, acme, strange, paid, planted, sources: from, refused, portal, server };
}
