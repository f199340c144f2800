// What a customer finds in the portal, sends again and gives up; and what a link does not permit.

import { api, open, same, server, until } from './harness.mjs';
import { tenant, visit } from './portal-endpoint.mjs';

async function finding({ link, send, came, comes, endpoint }) {
  const sent = await send(
    'order.found',
    { note: 'a-needle' },
    { channels: ['north'], tags: ['t'] },
  );
  await send('order.other', {}, { channels: ['south'] });
  await comes(sent);
  await visit(
    link,
    'a customer finds a message by text, type, channel, tag',
    async (page, view) => {
      await open(view, '/portal?view=messages');
      const rows = page.getByRole('region', { name: 'Messages' }).locator('tbody tr');
      const look = async (label, value, count) => {
        await page.getByLabel(label, { exact: true }).fill(value);
        await page.getByRole('button', { name: 'Show', exact: true }).click();
        await page.waitForURL(new RegExp(value));
        await until(`${count} by ${label}`, async () => (await rows.count()) === count);
        await page.getByRole('link', { name: 'Show all' }).click();
        await until('all', async () => (await rows.count()) === 2);
      };
      await look('Search', 'a-needle', 1);
      await look('Event type', 'order.other', 1);
      await look('Channel', 'north', 1);
      await look('Tag', 't', 1);
    },
  );
  await visit(link, 'a message, its attempts, and sent again', async (page, view) => {
    await open(view, `/portal?view=message&message=${sent.id}`);
    await page.getByRole('region', { name: 'The content' }).getByText('a-needle').waitFor();
    await page.getByText('Request and answer').first().click();
    await page.getByRole('button', { name: 'Show the headers that were sent' }).first().click();
    await page.getByText(`webhook-id: ${sent.id}`).waitFor();
    await page.getByRole('button', { name: 'Send again' }).click();
    await until('one more', async () => came(sent).length === 2);
    await page.getByText('sent again by hand').waitFor();
  });
  await visit(link, 'messages and attempts of an endpoint, by state', async (page, view) => {
    await open(view, `/portal?view=endpoint&endpoint=${endpoint.id}#messages`);
    await page.getByLabel('Deliveries').selectOption({ label: 'delivered' });
    const rows = page.getByRole('region', { name: 'Messages of this' }).locator('tbody tr');
    await until('both', async () => (await rows.count()) === 2);
    await page.getByLabel('Deliveries').selectOption({ label: 'failed' });
    await page.getByText('Nothing that was meant for this endpoint stands so.').waitFor();
    await page.getByRole('tab', { name: 'Attempts' }).click();
    const attempts = page.getByRole('region', { name: 'Attempts', exact: true });
    await until('three', async () => (await attempts.locator('tbody tr').count()) === 3);
    await page.locator('select[name=result]').selectOption('2');
    await page.getByText('No attempt fits.').waitFor();
  });
}

async function letters({ app, at, link, send, came }) {
  at.down = true;
  const lost = [await send('letter.one'), await send('letter.one'), await send('letter.two')];
  const dead = async () => (await api('GET', `app/${app.id}/dead-letter`)).data;
  await until('three', async () => (await dead()).length === 3);
  at.down = false;
  await visit(link, 'dead letters: some sent again, the others given up', async (page, view) => {
    await open(view, '/portal?view=dead-letters');
    await page.getByLabel('Event type').fill('letter.one');
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await page.getByRole('button', { name: 'Send these again' }).click();
    await page.getByRole('heading', { name: 'Send these again: 2 deliveries' }).waitFor();
    const before = at.got.length;
    same((await dead()).length, 3, 'dead letters after a plan');
    await page.getByRole('dialog').getByRole('button', { name: 'Send these again' }).click();
    await until('two', async () => at.got.length === before + 2);
    await page.getByText('Nothing was given up.').waitFor();
    await page.getByRole('link', { name: 'Show all' }).click();
    await page.getByRole('button', { name: 'Give all up' }).click();
    await page.getByRole('heading', { name: 'Give all up: 1 delivery' }).waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Give all up' }).click();
    await until('none', async () => (await dead()).length === 0);
    await page.getByText('Nothing was given up.').waitFor();
    same(came(lost[2]).length, 2, 'attempts of what was given up');
  });
}

async function types({ app, link }) {
  await api('POST', 'event-type', {
    name: 'hidden.thing',
    description: 'For some alone.',
    featureFlags: ['early'],
  });
  const early = await api('POST', `auth/app-portal-access/${app.id}`, { featureFlags: ['early'] });
  await visit(link, 'the catalogue with schema and example, searched', async (page, view) => {
    await open(view, '/portal?view=event-types');
    same(await page.getByText('hidden.thing').count(), 0, 'what has a flag');
    await page.getByLabel('Search').fill('paid');
    await page.getByText('user.created').waitFor({ state: 'detached' });
    await page.getByRole('link', { name: 'invoice.paid' }).click();
    await page.getByRole('region', { name: 'Example' }).getByText('4200').waitFor();
    await page.getByRole('region', { name: 'Schema' }).getByText('required').waitFor();
    await page.getByRole('link', { name: 'All event types' }).click();
    await page.getByRole('link', { name: 'user.created' }).waitFor();
  });
  await visit(early.url, 'a link with its flag shows it', async (page, view) => {
    await open(view, '/portal?view=event-types');
    await page.getByRole('link', { name: 'hidden.thing' }).waitFor();
  });
}

// What each capability shows of what can be done; whoever may look sees none of it.
const SHOWN = {
  ManageEndpoint: [
    'Pause',
    'Change',
    'Delete',
    'Add an endpoint',
    'Give all up',
    'Show the secret',
    'Make a new one',
    'Put the secret in',
  ],
  ViewEndpointSecret: ['Show the secret', 'Put the secret in'],
  // Last: what it takes sends the dead letter again.
  CreateAttempts: ['Send an example', 'Send again', 'Send all again'],
};
const ALL = [...new Set(Object.values(SHOWN).flat())].sort();

// Everything in the portal that does something, by name.
async function offered(page, view, made, sent) {
  const found = new Set();
  for (const [path, words] of [
    ['/portal', 'every event type'],
    [made.place, 'The last day'],
    [`${made.place}#messages`, 'however they stand'],
    [`${made.place}#verify`, 'What a receiver does'],
    [`/portal?view=message&message=${sent.id}`, 'Where it went'],
    ['/portal?view=dead-letters', 'letter.kept'],
  ]) {
    await open(view, path);
    await page.getByText(words).first().waitFor({ state: 'attached' });
    const parts = page.locator('#main :is(button, a, [role=tab]):visible');
    for (const name of await parts.allInnerTexts()) found.add(name.trim());
  }
  return ALL.filter((name) => found.has(name));
}

// Calls that change something, and what they need.
function calls({ app, base }, sent, endpoint) {
  return [
    ['ManageEndpoint', 'POST', `app/${app.id}/endpoint`, { url: 'http://127.0.0.1:9/' }],
    ['ManageEndpoint', 'PATCH', base, { description: 'x' }],
    ['ManageEndpoint', 'PATCH', `${base}/headers`, { headers: { 'x-a': 'b' } }],
    ['ManageEndpoint', 'POST', `app/${app.id}/dead-letter/purge`, { plan: true }],
    ['CreateAttempts', 'POST', `${base}/send-example`, { eventType: 'invoice.paid' }],
    ['CreateAttempts', 'POST', `${base}/recover`, { since: new Date().toISOString() }],
    ['CreateAttempts', 'POST', `app/${app.id}/msg/${sent.id}/endpoint/${endpoint.id}/resend`, {}],
    ['CreateAttempts', 'POST', `app/${app.id}/dead-letter/resend`, { plan: true }],
    ['ViewEndpointSecret', 'GET', `${base}/secret`],
    ['ManageEndpointSecret', 'POST', `${base}/secret/rotate`, {}],
    ['ManageTransformations', 'POST', `${base}/dry-run`, { filter: {} }],
  ];
}

const INCLUDED = {
  ManageEndpoint: ['ManageEndpoint', 'ViewEndpointSecret', 'ManageEndpointSecret'],
};

async function capabilities(made) {
  const { app, endpoint } = made;
  made.at.down = true;
  const sent = await made.send('letter.kept');
  const dead = `app/${app.id}/dead-letter`;
  await until('it', async () => (await api('GET', dead)).data.length === 1);
  made.at.down = false;
  const links = { 'read only': { readOnly: true } };
  for (const name of Object.keys(SHOWN)) links[name] = { capabilities: ['ViewBase', name] };
  for (const [name, given] of Object.entries(links)) {
    const { url, token } = await api('POST', `auth/app-portal-access/${app.id}`, given);
    await visit(url, `a link with ${name} shows that, and may no more`, async (page, view) => {
      same(await offered(page, view, made, sent), (SHOWN[name] ?? []).toSorted(), 'offered');
      const may = INCLUDED[name] ?? [name];
      for (const [needs, method, path, body] of calls(made, sent, endpoint)) {
        const answer = await fetch(`${server}/api/v1/${path}`, {
          method,
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: body && JSON.stringify(body),
        });
        same([path, answer.status !== 403], [path, may.includes(needs)], `${method} taken`);
      }
    });
  }
}

export async function portalMessages() {
  const made = await tenant('Correspondent');
  await finding(made);
  await letters(made);
  await types(made);
  await capabilities(made);
}
