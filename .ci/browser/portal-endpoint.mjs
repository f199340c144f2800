// What a customer does with an endpoint in the portal. What comes of it is seen at the receiver and
// in the API.

import { api, check, open, receiver, same, status, until } from './harness.mjs';
import { enter } from './portal.mjs';
import { signed } from './endpoint.mjs';

// An application with a receiver and a link that may do everything.
export async function tenant(name, more = {}) {
  const app = await api('POST', 'app', { name });
  const at = await receiver(() => ({ status: at.down ? 500 : 200 }));
  const endpoint = await api('POST', `app/${app.id}/endpoint`, { url: `${at.url}/own` });
  const { url } = await api('POST', `auth/app-portal-access/${app.id}`, more);
  const base = `app/${app.id}/endpoint/${endpoint.id}`;
  const send = (eventType, payload = {}, given = {}) =>
    api('POST', `app/${app.id}/msg`, { eventType, payload, ...given });
  const came = ({ id }) => at.got.filter((one) => one.headers['webhook-id'] === id);
  const comes = (sent) =>
    until('the delivery', async () => came(sent).length > 0).then(() => came(sent).at(-1));
  const place = `/portal?view=endpoint&endpoint=${endpoint.id}`;
  return { app, at, endpoint, link: url, base, send, came, comes, place };
}

// One check in a window that the link was opened in.
export async function visit(link, name, action) {
  await check(name, async () => {
    const view = await enter(link);
    try {
      await action(view.page, view);
      view.quiet();
    } finally {
      await view.close();
    }
  });
}

async function failing() {
  const down = await tenant('Down');
  down.at.down = true;
  await down.send('order.placed');
  await until(
    'the failure',
    async () => (await api('GET', `${down.base}/health`)).status === 'failing',
  );
  await visit(down.link, 'the list says which endpoint fails', (page) =>
    page.getByRole('cell').getByText('failing', { exact: true }).waitFor(),
  );
}

async function adding({ app, at, link, send, came, comes }) {
  await visit(link, 'a customer adds an endpoint, and it takes what was chosen', async (page) => {
    await page.getByRole('link', { name: 'Add an endpoint' }).click();
    await page.getByLabel('URL').fill(`${at.url}/added`);
    await page.getByLabel('Description').fill('The books');
    await page.getByLabel('Only these').check();
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('alert').filter({ hasText: 'choose one at least' }).waitFor();
    await page.getByLabel('Search the catalogue').fill('invoice was paid');
    await page.getByLabel('invoice.paid').check();
    await page.getByText('Chosen: 1 event type.').waitFor();
    await page.getByLabel('Patterns').fill('order.*');
    await page.getByText(/^More: channels/).click();
    await page.getByLabel('Channels').fill('north');
    await page.getByLabel('Messages a second').fill('40');
    await page.getByLabel('Headers', { exact: true }).fill('no header');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('alert').filter({ hasText: 'is no header' }).waitFor();
    await page
      .getByLabel('Headers', { exact: true })
      .fill('X-Team: books\nAuthorization: Basic zzz');
    await page.getByLabel('Filter', { exact: true }).fill('{"body": {"amount": {"$gte": 10}}}');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'The books' }).waitFor();
    const found = (await api('GET', `app/${app.id}/endpoint`)).data.find((one) =>
      one.url.endsWith('/added'),
    );
    same(
      [found.eventTypes, found.channels, found.throttleRate, found.filter],
      [['invoice.paid', 'order.*'], ['north'], 40, { body: { amount: { $gte: 10 } } }],
      'the endpoint',
    );
    const given = (amount) => [{ id: 'in', amount }, { channels: ['north'] }];
    const little = await send('invoice.paid', ...given(1));
    const much = await send('invoice.paid', ...given(50));
    await until('both', async () => came(much).length === 2);
    await comes(little);
    const got = came(much).find((one) => one.path === '/added');
    same([got.headers['x-team'], got.headers.authorization], ['books', 'Basic zzz'], 'headers');
    same(
      came(little).map((one) => one.path),
      ['/own'],
      'where the little one went',
    );
  });
}

async function changing({ app, link, at, send, came }) {
  const { data } = await api('GET', `app/${app.id}/endpoint`);
  const added = data.find((one) => one.url.endsWith('/added'));
  const base = `app/${app.id}/endpoint/${added.id}`;
  await visit(link, 'its filter is tried, its headers and types changed', async (page, view) => {
    const before = at.got.length;
    await open(view, `/portal?view=endpoint&endpoint=${added.id}`);
    await page.getByRole('link', { name: 'Change', exact: true }).click();
    await page.getByLabel('Filter', { exact: true }).fill('{"body": {"amount": {"$lt": 10}}}');
    await page.getByRole('button', { name: 'Try it on stored messages' }).click();
    await page.getByText('Of the newest 2 messages 1 would be sent, 1 not.').waitFor();
    await page.getByLabel('Filter', { exact: true }).fill('{"amount": 1}');
    await page.getByRole('button', { name: 'Try it on stored messages' }).click();
    await page.getByRole('alert').filter({ hasText: 'is not known' }).waitFor();
    view.forgive(/422/);
    same(at.got.length, before, 'deliveries');
    await page.getByLabel('Filter', { exact: true }).fill('');
    await page.getByLabel('Channels').fill('');
    await page.getByLabel('Messages a second').fill('');
    same(
      await page.getByLabel('Headers', { exact: true }).inputValue(),
      'X-Team: books',
      'headers',
    );
    if ((await page.content()).includes('Basic zzz')) throw new Error('a secret header is shown');
    await page.getByLabel('Headers', { exact: true }).fill('X-Part: two');
    await page.getByLabel(/^Take away authorization/i).check();
    await page.getByLabel('Every event type').check();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('every one').waitFor();
    const now = await api('GET', base);
    same(
      [now.eventTypes, now.channels, now.throttleRate, now.filter].map((one) => one ?? null),
      [null, null, null, null],
      'the endpoint',
    );
    const sent = await send('anything.else');
    await until('both', async () => came(sent).length === 2);
    const { headers } = came(sent).find((one) => one.path === '/added');
    same(
      [headers['x-part'], headers['x-team'], headers.authorization],
      ['two', undefined, undefined],
      'headers',
    );
  });
  await visit(link, 'a customer deletes an endpoint after being asked', async (page, view) => {
    await open(view, `/portal?view=endpoint&endpoint=${added.id}`);
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    same(await status('GET', base), 200, 'after Cancel');
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.getByRole('heading', { level: 1, name: 'Endpoints' }).waitFor();
    same(await status('GET', base), 404, 'after it');
  });
}

async function pausing({ link, base, place, send, came, comes, at, app }) {
  await visit(
    link,
    'a paused endpoint gets nothing, and later what it missed',
    async (page, view) => {
      await open(view, place);
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.getByRole('button', { name: 'Resume' }).waitFor();
      same((await api('GET', base)).disabled, true, 'disabled');
      same(await page.getByRole('button', { name: 'Send an example' }).count(), 0, 'examples');
      const missed = await send('order.missed');
      await page.getByRole('button', { name: 'Resume' }).click();
      await page.getByRole('button', { name: 'Pause' }).waitFor();
      await comes(await send('order.after'));
      same(came(missed).length, 0, 'what was missed');
      await page.getByRole('tab', { name: 'Send again' }).click();
      await page.getByRole('button', { name: 'Send what is missing' }).click();
      await comes(missed);
      await page.getByText('Send what is missing: done, 1 delivery.').waitFor();
    },
  );
  await visit(link, 'a customer recovers what failed', async (page, view) => {
    at.down = true;
    const failed = await send('order.failed');
    const dead = async () => (await api('GET', `app/${app.id}/dead-letter`)).data;
    await until('it to die', async () => (await dead()).length === 1);
    at.down = false;
    const before = came(failed).length;
    await open(view, `${place}#again`);
    await page.getByRole('button', { name: 'Recover' }).click();
    await until('one more', async () => came(failed).length > before);
    await page.getByText('Recover: done, 1 delivery.').waitFor();
    same(await dead(), [], 'dead letters');
  });
  await visit(link, 'a customer sends an example', async (page, view) => {
    await open(view, place);
    await page.getByRole('button', { name: 'Send an example' }).click();
    await page.getByLabel('Event type').selectOption('invoice.paid');
    await page.getByRole('button', { name: 'Send it' }).click();
    await page.waitForURL(/view=message/);
    const id = new URL(page.url()).searchParams.get('message');
    same(JSON.parse((await comes({ id })).body), { id: 'in_1', amount: 4200 }, 'the example');
    await page.getByRole('heading', { level: 1, name: 'invoice.paid' }).waitFor();
  });
}

async function secrets({ link, base, place, send, comes }) {
  await visit(link, 'the secret is shown when asked for, and replaced', async (page, view) => {
    const { key } = await api('GET', `${base}/secret`);
    await open(view, place);
    if ((await page.content()).includes(key)) throw new Error('it stands there unasked');
    const shown = page.getByRole('region', { name: 'The secret' });
    await page.getByRole('button', { name: 'Show the secret' }).click();
    same(await shown.textContent(), key, 'the secret');
    await page.getByRole('button', { name: 'Make a new one' }).click();
    await page.getByRole('button', { name: 'Make a new secret' }).click();
    await shown.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Show the secret' }).click();
    const fresh = await shown.textContent();
    same(fresh === key, false, 'the old secret shown');
    const got = await comes(await send('order.signed'));
    if (!signed(got, fresh) || !signed(got, key)) throw new Error('not signed by both');
  });
  await visit(link, 'seven receivers in as many languages', async (page, view) => {
    const { key } = await api('GET', `${base}/secret`);
    await open(view, `${place}#verify`);
    const language = page.getByLabel('Language');
    const names = await language.locator('option').allTextContents();
    same(names.length, 7, 'languages');
    const texts = new Set();
    for (const name of names) {
      await language.selectOption({ label: name });
      const text = await page.getByRole('region', { name: `A receiver in ${name}` }).textContent();
      same(text.includes('whsec_put-the-secret-here'), true, `the place of the secret in ${name}`);
      texts.add(text);
    }
    same(texts.size, 7, 'different ones');
    await page.getByRole('button', { name: 'Put the secret in' }).click();
    await page.getByText('The code holds the secret now').waitFor();
    for (const name of names) {
      await language.selectOption({ label: name });
      const text = await page.getByRole('region', { name: `A receiver in ${name}` }).textContent();
      same(text.includes(`"${key}"`), true, `the secret in ${name}`);
    }
  });
}

export async function portalEndpoint() {
  const made = await tenant('Customer');
  await adding(made);
  await changing(made);
  await pausing(made);
  await secrets(made);
  await failing();
}
