// What people do with a source: add it, look at what comes, hold it, take what was refused.

import { createHmac } from 'node:crypto';
import { act, api, open, receiver, same, status, until } from './harness.mjs';

// A request as GitHub makes them.
async function post(url, secret, body) {
  const text = JSON.stringify(body);
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'issues',
      'x-github-delivery': crypto.randomUUID(),
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(text).digest('hex')}`,
    },
    body: text,
  });
  await answer.text();
  return answer.status;
}

async function stage() {
  const app = await api('POST', 'app', { name: 'Sources' });
  const at = await receiver(() => ({}));
  await api('POST', `app/${app.id}/endpoint`, { url: at.url });
  const had = (body) => at.got.find((one) => one.body === JSON.stringify(body));
  const has = (body) => until('it to be delivered', async () => had(body));
  return { app, at, had, has };
}

// A source of its own for a check.
async function sourceOf({ app }, name, more = {}) {
  const secret = `the secret of ${name}`;
  const source = await api('POST', 'source', {
    name,
    type: 'github',
    application: app.id,
    config: { secret },
    ...more,
  });
  const base = `source/${source.id}`;
  const requests = (verdict) =>
    api('GET', `${base}/request?limit=50${verdict ? `&verdict=${verdict}` : ''}`).then(
      (found) => found.data,
    );
  return { source, secret, base, requests, place: `/sources/${source.id}`, url: source.ingestUrl };
}

async function adding(made, storage) {
  const { app, has } = made;
  await act(storage, 'a source is added, and what comes is delivered', async (page, view) => {
    await open(view, '/sources');
    await page.getByRole('button', { name: 'Add a source' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('Who sends').selectOption('github');
    await asked.getByRole('link', { name: /^How GitHub/ }).waitFor();
    await asked.getByLabel('Name').fill('Hub of rooms');
    await asked.getByLabel('Uid').fill('rooms');
    await asked.getByLabel('Secret').fill('rooms-secret');
    await asked.getByLabel('Application').fill(app.id);
    await asked.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('heading', { name: 'The source is there' }).waitFor();
    const url = await page.getByRole('region', { name: 'URL' }).textContent();
    const found = await api('GET', 'source/rooms');
    same([found.ingestUrl, found.application], [url, app.id], 'the source');
    same(await post(url, 'rooms-secret', { first: 1 }), 200, 'the answer');
    await has({ first: 1 });
    same(await post(url, 'another-secret', { second: 2 }), 401, 'the answer to a forger');
    await page.getByRole('link', { name: 'To the source' }).click();
    await page.getByRole('region', { name: 'Requests' }).waitFor();
    const rows = page.getByRole('region', { name: 'Requests' }).locator('tbody tr');
    await until('both', async () => (await rows.count()) === 2);
    await rows.filter({ hasText: 'accepted' }).locator('a[href*="msg_"]').waitFor();
    await rows.filter({ hasText: 'refused' }).getByText('of another secret').waitFor();
    await page.getByLabel('Verdict').selectOption('accepted');
    await page.getByRole('button', { name: 'Filter' }).click();
    await until('one', async () => (await rows.count()) === 1);
    if ((await page.content()).includes('rooms-secret')) throw new Error('its secret is shown');
  });
  await act(storage, 'a source with a rule of its own', async (page, view) => {
    await open(view, '/sources');
    await page.getByRole('button', { name: 'Add a source' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('Who sends').selectOption('custom');
    await asked.getByLabel('Name').fill('Own rule');
    await asked.getByLabel('Uid').fill('own-rule');
    await asked.getByLabel('Application').fill(app.id);
    await asked.getByLabel('Secret').fill('own-secret');
    await asked.getByLabel('How it is signed').fill('{"signature": ');
    await asked.getByRole('button', { name: 'Add', exact: true }).click();
    await asked.getByRole('alert').filter({ hasText: 'is no JSON' }).waitFor();
    await asked
      .getByLabel('How it is signed')
      .fill('{"signature": {"header": "x-own-signature", "prefix": "sha256="}}');
    await asked.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('heading', { name: 'The source is there' }).waitFor();
    const body = JSON.stringify({ own: 'rule' });
    const sign = createHmac('sha256', 'own-secret').update(body).digest('hex');
    const url = (await api('GET', 'source/own-rule')).ingestUrl;
    const headers = { 'content-type': 'application/json', 'x-own-signature': `sha256=${sign}` };
    same((await fetch(url, { method: 'POST', headers, body })).status, 200, 'the answer');
    await has({ own: 'rule' });
  });
}

async function modes(made, storage) {
  const { had, has } = made;
  await act(storage, 'paused it holds what comes, active it lets it go', async (page, view) => {
    const { place, base, url, secret, requests } = await sourceOf(made, 'Held');
    await open(view, place);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Active' }).waitFor();
    same((await api('GET', base)).mode, 'paused', 'the mode');
    same(await post(url, secret, { held: 1 }), 200, 'the answer');
    await until('it to be held', async () => (await requests('held')).length === 1);
    await page.getByRole('tab', { name: 'Quarantine' }).click();
    await page.getByRole('region', { name: 'Requests' }).getByText('held').waitFor();
    if (had({ held: 1 })) throw new Error('it was delivered');
    await page.getByRole('button', { name: 'Active' }).click();
    await has({ held: 1 });
  });
  await act(storage, 'one that is held is released by itself', async (page, view) => {
    const { place, url, secret } = await sourceOf(made, 'Held by one', { mode: 'paused' });
    await post(url, secret, { one: 1 });
    await post(url, secret, { two: 2 });
    await open(view, `${place}#quarantine`);
    const rows = page.getByRole('region', { name: 'Requests' }).locator('tbody tr');
    await until('both', async () => (await rows.count()) === 2);
    await rows
      .last()
      .getByRole('button', { name: /^Release/ })
      .click();
    await has({ one: 1 });
    if (had({ two: 2 })) throw new Error('the other went too');
  });
  await act(storage, 'while it is inspected no message is made', async (page, view) => {
    const { place, url, secret, requests } = await sourceOf(made, 'Inspected');
    await open(view, place);
    await page.getByRole('button', { name: 'Inspect' }).click();
    await page.getByRole('button', { name: 'Active' }).waitFor();
    same(await post(url, secret, { inspected: 1 }), 200, 'the answer');
    await until('the request', async () => (await requests('inspected')).length === 1);
    await page.getByRole('button', { name: 'Look again' }).click();
    await page.getByRole('region', { name: 'Requests' }).getByText('inspected').waitFor();
    same((await requests())[0].msgId ?? null, null, 'its message');
  });
}

async function refusals(made, storage) {
  const { had, has } = made;
  await act(storage, 'a new secret counts, and what it signed is released', async (page, view) => {
    const { place, url, secret, requests } = await sourceOf(made, 'Changed');
    same(await post(url, 'fresh', { early: 1 }), 401, 'the answer');
    same(await post(url, 'strange', { never: 1 }), 401, 'the answer');
    await open(view, place);
    await page.getByRole('button', { name: 'Change the secret' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('Secret').fill('fresh');
    await asked.getByLabel('The old ones still count for').selectOption({ label: 'at once' });
    await asked.getByRole('button', { name: 'Change it' }).click();
    await page.getByText('The new secret counts.').waitFor();
    same(await post(url, 'fresh', { late: 1 }), 200, 'the answer');
    same(await post(url, secret, { old: 1 }), 401, 'the answer by the old one');
    await has({ late: 1 });
    await page.getByRole('tab', { name: 'Quarantine' }).click();
    await page.getByRole('button', { name: 'Release all that was refused' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
    await page.getByText('1 released, 0 duplicates, 2 refused still.').waitFor();
    await has({ early: 1 });
    same((await requests('refused')).length, 2, 'refused ones');
    if (had({ never: 1 })) throw new Error('a forged one was taken');
  });
  await act(storage, 'a refused request as it came, taken anyway, expunged', async (page, view) => {
    const { url, base, source, requests } = await sourceOf(made, 'Anyway');
    await post(url, 'wrong', { anyway: 'planted-secret' });
    const [{ id }] = await until('it', async () => (await requests('refused')).slice(0, 1));
    await open(view, `/sources/${source.id}/requests/${id}`);
    await page.getByText('planted-secret').waitFor();
    await page.getByRole('region', { name: 'Headers as they came' }).getByText('issues').waitFor();
    await page.getByRole('button', { name: 'Release', exact: true }).click();
    await page.locator('.notice.bad').filter({ hasText: 'of another secret' }).waitFor();
    view.forgive(/4\d\d/);
    same((await api('GET', `${base}/request/${id}`)).verdict, 'refused', 'the verdict');
    await page.getByRole('button', { name: 'Release anyway' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Release it' }).click();
    const got = await has({ anyway: 'planted-secret' });
    same(got.headers['relay-verified'], 'false', 'relay-verified');
    await page.getByRole('button', { name: 'Release anyway' }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Expunge content' }).click();
    await page.getByRole('button', { name: 'Expunge it' }).click();
    await page.getByText('Its bytes are kept no longer.').waitFor();
    const now = JSON.stringify(await api('GET', `${base}/request/${id}`));
    if (now.includes('planted-secret')) throw new Error('the API shows it still');
  });
}

async function settings(made, storage) {
  const { app, has } = made;
  await act(storage, 'a new URL, and the old one ends at once', async (page, view) => {
    const { place, url, secret } = await sourceOf(made, 'Leaked');
    await open(view, place);
    await page.getByRole('button', { name: 'Make a new URL' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('The old URL still counts for').selectOption({ label: 'at once' });
    await asked.getByRole('button', { name: 'Make a new URL' }).click();
    const fresh = await asked.getByRole('region', { name: 'URL' }).textContent();
    same(await post(url, secret, { old: 'url' }), 404, 'the old URL');
    same(await post(fresh, secret, { new: 'url' }), 200, 'the new URL');
    await has({ new: 'url' });
  });
  await act(storage, 'its settings are changed, and only those', async (page, view) => {
    const { place, base, url, secret, requests } = await sourceOf(made, 'Settings');
    await open(view, `${place}#settings`);
    await page.getByLabel('Name').fill('Settled');
    await page.getByLabel('Event type').fill('hub.happened');
    await page.getByLabel('Channels').fill('hub, north');
    await page.getByLabel('Requests are the same event').selectOption('body');
    const [patch] = await Promise.all([
      page.waitForRequest((request) => request.method() === 'PATCH'),
      page.getByRole('button', { name: 'Save' }).click(),
    ]);
    const wanted = {
      name: 'Settled',
      eventType: 'hub.happened',
      channels: ['hub', 'north'],
      dedup: 'body',
    };
    same(patch.postDataJSON(), wanted, 'the call');
    await page.getByRole('heading', { level: 1, name: 'Settled' }).waitFor();
    const { name, eventType, channels, dedup } = await api('GET', base);
    same({ name, eventType, channels, dedup }, wanted, 'the source');
    await post(url, secret, { twice: 1 });
    await post(url, secret, { twice: 1 });
    await until('a duplicate', async () => (await requests('duplicate')).length === 1);
    const [{ msgId }] = await requests('accepted');
    const message = await api('GET', `app/${app.id}/msg/${msgId}`);
    same([message.eventType, message.channels], ['hub.happened', ['hub', 'north']], 'the message');
    await page.getByRole('tab', { name: 'Try a dedup rule' }).click();
    await page.getByLabel('Requests are the same event').selectOption('off');
    await page.getByRole('button', { name: 'Try it' }).click();
    const figure = (name) => page.locator('.figure').filter({ hasText: name });
    await figure('Would be messages').getByText('2', { exact: true }).waitFor();
    await page.getByLabel('Requests are the same event').selectOption('body');
    await page.getByRole('button', { name: 'Try it' }).click();
    await figure('Would be duplicates').getByText('1', { exact: true }).waitFor();
    same((await requests('accepted')).length, 1, 'messages of it');
  });
}

async function removing(made, storage) {
  await act(storage, 'it is deleted, and what it holds only when asked', async (page, view) => {
    const { place, base, url, secret } = await sourceOf(made, 'Leaving', { mode: 'paused' });
    await post(url, secret, { lost: 1 });
    await open(view, `${place}#settings`);
    await page.getByRole('button', { name: 'Delete this source' }).click();
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page
      .getByRole('dialog')
      .getByRole('alert')
      .filter({ hasText: /hold|held/ })
      .waitFor();
    view.forgive(/40\d|409/);
    same(await status('GET', base), 200, 'after a refusal');
    await page.getByLabel('Throw away what it holds').check();
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.waitForURL(/\/sources$/);
    same(await status('GET', base), 404, 'after it');
    same(await post(url, secret, { gone: 1 }), 404, 'its URL');
  });
}

export async function sources(_, storage) {
  const made = await stage();
  await adding(made, storage);
  await modes(made, storage);
  await refusals(made, storage);
  await settings(made, storage);
  await removing(made, storage);
}
