// What people do with an endpoint. What comes of it is seen at the receiver and in the API.

import { createHmac } from 'node:crypto';
import { act, api, open, receiver, same, status, until } from './harness.mjs';

// An application with receivers of its own, so that nothing else reaches them.
async function stage() {
  const app = await api('POST', 'app', { name: 'Endpoints' });
  const at = await receiver((_, count) => ({ status: at.down ? 500 : 200, body: `no ${count}` }));
  const endpoint = await api('POST', `app/${app.id}/endpoint`, { url: `${at.url}/own` });
  const place = `/applications/${app.id}/endpoints/${endpoint.id}`;
  const base = `app/${app.id}/endpoint/${endpoint.id}`;
  const send = (eventType, payload = {}, more = {}) =>
    api('POST', `app/${app.id}/msg`, { eventType, payload, ...more });
  const came = (id) => at.got.filter((one) => one.headers['webhook-id'] === id);
  const comes = (sent, what = 'the delivery') =>
    until(what, async () => came(sent.id).length > 0).then(() => came(sent.id).at(-1));
  return { app, at, endpoint, place, base, send, came, comes };
}

// Whether a delivery is signed with the secret.
export function signed({ headers, body }, secret) {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const wanted = createHmac('sha256', key).update(text).digest('base64');
  return headers['webhook-signature'].split(' ').includes(`v1,${wanted}`);
}

const further = async (page, words) => {
  await page.locator('#actions summary').click();
  await page.locator('#actions').getByRole('button', { name: words }).click();
};

async function adding(made, storage) {
  const { app, at, send, comes, came } = made;
  await act(storage, 'an endpoint is added, and takes what it asks for', async (page, view) => {
    await open(view, `/applications/${app.id}`);
    await page.getByRole('button', { name: 'Add an endpoint' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('URL').fill(`${at.url}/added`);
    await asked.getByLabel('Description').fill('added by hand');
    await asked.getByLabel('Event types').fill('order.*, user.made');
    await asked.getByLabel('Channels').fill('books');
    await asked.getByLabel('Throttle').fill('50');
    await asked.getByLabel('Uid').fill('by-hand');
    await asked.getByText('How deliveries are made').click();
    await asked.getByLabel('Timeout').fill('7');
    await asked.getByLabel('Retry schedule').fill('1s, 2m, 3h');
    await asked.getByText('Metadata', { exact: true }).click();
    await asked.getByLabel('Metadata, as JSON').fill('{"team": "books"}');
    await asked.getByRole('button', { name: 'Add' }).click();
    await page.waitForURL(/endpoints\/ep_/);
    const found = await api('GET', `app/${app.id}/endpoint/by-hand`);
    same(found.eventTypes, ['order.*', 'user.made'], 'event types');
    same(found.channels, ['books'], 'channels');
    same(found.throttleRate, 50, 'throttle');
    same(found.metadata, { team: 'books' }, 'metadata');
    same(found.delivery.timeoutSeconds, 7, 'timeout');
    same(found.delivery.retryScheduleSeconds, [1, 120, 10_800], 'schedule');
    const other = await send('invoice.sent', {}, { channels: ['books'] });
    const sent = await send('order.placed', {}, { channels: ['books'] });
    await comes(sent);
    await comes(other);
    await until('both', async () => came(sent.id).length === 2);
    const paths = (id) => came(id).map((one) => one.path);
    same(paths(sent.id).sort(), ['/added', '/own'], 'order.placed went to');
    same(paths(other.id), ['/own'], 'invoice.sent went to');
  });
  await act(storage, 'what is wrong in the form is said there', async (page, view) => {
    await open(view, `/applications/${app.id}`);
    await page.getByRole('button', { name: 'Add an endpoint' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('URL').fill(`${at.url}/wrong`);
    await asked.getByText('How deliveries are made').click();
    await asked.getByLabel('Retry schedule').fill('soon');
    await asked.getByRole('button', { name: 'Add' }).click();
    await asked.getByRole('alert').filter({ hasText: '“soon” is no time to wait' }).waitFor();
    await asked.getByLabel('Retry schedule').fill('');
    await asked.getByLabel('Event types').fill('not a type!');
    await asked.getByRole('button', { name: 'Add' }).click();
    await asked.getByRole('alert').filter({ hasText: /type/i }).waitFor();
    view.forgive(/422/);
    const { data } = await api('GET', `app/${app.id}/endpoint`);
    if (data.some((one) => one.url.endsWith('/wrong'))) throw new Error('it was added');
  });
}

async function changing({ place, base, at, send, came, comes }, storage) {
  await act(storage, 'an edit sends what was changed, and no more', async (page, view) => {
    await open(view, place);
    await page.getByRole('button', { name: 'Edit' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('Description').fill('changed by hand');
    const [patch] = await Promise.all([
      page.waitForRequest((request) => request.method() === 'PATCH'),
      asked.getByRole('button', { name: 'Save' }).click(),
    ]);
    same(patch.postDataJSON(), { description: 'changed by hand' }, 'the call');
    await page.getByRole('heading', { level: 1, name: 'changed by hand' }).waitFor();
    same((await api('GET', base)).description, 'changed by hand', 'the description');
  });
  await act(storage, 'disabled it is sent nothing; a replay fetches that', async (page, view) => {
    await open(view, place);
    await page.getByRole('button', { name: 'Disable', exact: true }).click();
    await page.getByRole('button', { name: 'Disable it' }).click();
    await page.getByRole('button', { name: 'Enable' }).waitFor();
    same((await api('GET', base)).disabled, true, 'disabled');
    const missed = await send('order.missed');
    await page.getByRole('button', { name: 'Enable' }).click();
    await page.getByRole('button', { name: 'Disable', exact: true }).waitFor();
    same((await api('GET', base)).disabled, false, 'disabled');
    await comes(await send('order.after'));
    if (came(missed.id).some((one) => one.path === '/own')) throw new Error('it was sent');
    await further(page, 'Replay what is missing');
    await page.getByRole('dialog').getByRole('button', { name: 'Go on' }).click();
    await page.getByText('It goes on in the background').waitFor();
    await comes(missed, 'what was missed');
  });
  await act(storage, 'what failed is recovered', async (page, view) => {
    at.down = true;
    const failed = await send('order.failed');
    const dead = async () => (await api('GET', `${base}/msg?status=2`)).data;
    await until('it to die', async () => (await dead()).some((one) => one.id === failed.id));
    at.down = false;
    const before = came(failed.id).length;
    await open(view, place);
    await further(page, 'Recover what failed');
    await page.getByRole('dialog').getByRole('button', { name: 'Go on' }).click();
    await until('one more', async () => came(failed.id).length > before);
    await until('no dead one', async () => (await dead()).length === 0);
  });
}

async function sending({ app, place, at, endpoint, send, came, comes }, storage) {
  await act(storage, 'a test sends the example of an event type', async (page, view) => {
    const before = at.got.length;
    await open(view, place);
    await page.getByRole('button', { name: 'Send a test' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('Example').selectOption({ label: 'invoice.paid' });
    await asked.getByRole('button', { name: 'Send', exact: true }).click();
    await asked.getByText('Sent as').waitFor();
    const sent = await asked.locator('a[href*="msg_"]').textContent();
    const got = await comes({ id: sent });
    same(JSON.parse(got.body), { id: 'in_1', amount: 4200 }, 'the example');
    same(at.got.length, before + 1, 'deliveries');
  });
  await act(storage, 'its messages by state, and one of them resent', async (page, view) => {
    const sent = await send('order.again');
    await comes(sent);
    await until('it to be told', async () =>
      (await api('GET', `app/${app.id}/endpoint/${endpoint.id}/msg?status=0`)).data.some(
        (one) => one.id === sent.id,
      ),
    );
    await open(view, place);
    await page.getByLabel('State').selectOption({ label: 'delivered' });
    await page.getByLabel('Event type', { exact: true }).fill('order.again');
    await page.getByRole('button', { name: 'Filter' }).click();
    const rows = page.getByRole('region', { name: 'Messages of the endpoint' }).locator('tbody tr');
    await until('one row', async () => (await rows.count()) === 1);
    await page.getByRole('button', { name: `Resend ${sent.id}` }).click();
    await until('one more', async () => came(sent.id).length === 2);
    await page.getByLabel('State').selectOption({ label: 'dead' });
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.getByText('No messages here.').waitFor();
  });
  await act(storage, 'its attempts open to request and answer', async (page, view) => {
    await open(view, `${place}#attempts`);
    await page.getByLabel('Answer', { exact: true }).selectOption({ label: '5xx' });
    await page.getByRole('button', { name: 'Filter' }).click();
    const line = page.locator('details.line').first();
    await line.getByText('500').first().waitFor();
    const others = page.locator('details.line').filter({ hasText: 'delivered' });
    await until('no others', async () => (await others.count()) === 0);
    await line.locator('summary').click();
    await line.getByText('webhook-signature').waitFor();
    await line.getByRole('heading', { name: 'Answer: 500' }).waitFor();
    await line.getByText(/^no \d+$/).waitFor();
  });
}

async function secrets({ base, place, send, comes }, storage) {
  await act(storage, 'the secret is shown, and rotated with a grace', async (page, view) => {
    const { key } = await api('GET', `${base}/secret`);
    await open(view, place);
    if ((await page.content()).includes(key)) throw new Error('it stands there unasked');
    await further(page, 'Show the secret');
    const shown = page.getByRole('region', { name: 'Secret' });
    same(await shown.textContent(), key, 'the secret shown');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    if (!signed(await comes(await send('order.old')), key)) throw new Error('not signed by it');
    await further(page, 'Rotate the secret');
    await page.getByRole('dialog').getByRole('button', { name: 'Rotate' }).click();
    await page.getByText('The new secret signs from now on.').waitFor();
    const fresh = await shown.textContent();
    same(fresh, (await api('GET', `${base}/secret`)).key, 'the new secret');
    const got = await comes(await send('order.both'));
    if (!signed(got, fresh) || !signed(got, key)) throw new Error('not signed by both');
    await page.keyboard.press('Escape');
    await further(page, 'Rotate the secret');
    await page.getByLabel('The old secret still signs').selectOption({ label: 'at once' });
    await page.getByRole('dialog').getByRole('button', { name: 'Rotate' }).click();
    await page.getByText('The new secret signs from now on.').waitFor();
    const last = await shown.textContent();
    const alone = await comes(await send('order.new'));
    if (!signed(alone, last) || signed(alone, fresh)) throw new Error('the old one still signs');
  });
  await act(storage, 'headers go with every request, secret ones unseen', async (page, view) => {
    await open(view, `${place}#headers`);
    const set = async (name, value) => {
      await page.getByLabel('Name').fill(name);
      await page.getByLabel('Value').fill(value);
      await page.getByRole('button', { name: 'Set', exact: true }).click();
      await page.getByRole('button', { name: `Take away ${name}` }).waitFor();
    };
    await set('x-team', 'books');
    await set('authorization', 'Bearer not-to-be-seen');
    await page.getByText('set, and not shown again').waitFor();
    if ((await page.content()).includes('not-to-be-seen')) throw new Error('it is shown');
    const got = await comes(await send('order.headers'));
    same(got.headers['x-team'], 'books', 'x-team');
    same(got.headers.authorization, 'Bearer not-to-be-seen', 'authorization');
    await page.getByRole('button', { name: 'Take away x-team' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Take it away' }).click();
    await page.getByRole('button', { name: 'Take away x-team' }).waitFor({ state: 'detached' });
    same((await comes(await send('order.less'))).headers['x-team'], undefined, 'x-team');
  });
}

async function removing({ app, base, place, at, send }, storage) {
  await act(storage, 'a deletion asks first, and then nothing is sent', async (page, view) => {
    await open(view, place);
    await further(page, 'Delete');
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    same(await status('GET', base), 200, 'after Cancel');
    await further(page, 'Delete');
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.waitForURL((url) => url.pathname === `/applications/${app.id}`);
    same(await status('GET', base), 404, 'after it');
    await page.getByRole('link', { name: '/added' }).waitFor();
    same(await page.locator('tbody tr').count(), 1, 'endpoints shown');
    const before = at.got.length;
    await send('order.placed', {}, { channels: ['books'] });
    await until('the other', async () => at.got.length > before);
    same(at.got.at(-1).path, '/added', 'where it went');
  });
}

export async function endpoint(_, storage) {
  const made = await stage();
  await adding(made, storage);
  await changing(made, storage);
  await sending(made, storage);
  await secrets(made, storage);
  await removing(made, storage);
}
