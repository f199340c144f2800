// Who may use the relay: signing in, keys, invitations, and what somebody who may only read sees
// and is refused.

import {
  act,
  api,
  check,
  open,
  same,
  server,
  signedIn,
  signIn,
  status,
  token,
  until,
  window,
} from './harness.mjs';
import { places } from './pages.mjs';

async function signing() {
  await act(undefined, 'a wrong key is refused in words, and leads nowhere', async (page, view) => {
    await page.goto('/messages');
    await page.waitForURL(/sign-in/);
    await page.getByLabel('Key').fill('sk_wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').filter({ hasText: /./ }).waitFor();
    view.forgive(/401/);
    await page.getByLabel('Key').fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(/\/messages$/);
    view.forgive(/401/);
  });
  await act(undefined, 'signing in leads to no other site', async (page) => {
    await page.goto(`/sign-in?next=${encodeURIComponent('https://elsewhere.example/')}`);
    await page.getByLabel('Key').fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(`${server}/`);
  });
  await act(undefined, 'signing out ends the session', async (page, view) => {
    await signIn(view);
    const before = await view.context.cookies();
    await page.locator('#person summary').click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(/sign-in/);
    await view.context.addCookies(before);
    await page.goto('/');
    await page.waitForURL(/sign-in/);
    view.forgive(/401/);
  });
}

// The text of what is shown once in a dialog.
const once = (page, name) => page.getByRole('region', { name }).textContent();

async function keys(storage) {
  await act(storage, 'a key for reading reads, and is revoked', async (page, view) => {
    await open(view, '/people');
    await page.getByRole('button', { name: 'Make a key' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('Name').fill('Reading machine');
    await asked.getByLabel('Role').selectOption('read-only');
    await asked.getByLabel('Ends').fill('2000-01-01T00:00');
    await asked.getByRole('button', { name: 'Make it' }).click();
    await asked.getByRole('alert').filter({ hasText: /./ }).waitFor();
    view.forgive(/422/);
    await asked.getByLabel('Ends').fill('');
    await asked.getByRole('button', { name: 'Make it' }).click();
    const key = await once(page, 'Key');
    same(await status('GET', 'app', undefined, key), 200, 'reading with it');
    same(await status('POST', 'app', { name: 'no' }, key), 403, 'changing with it');
    await page.keyboard.press('Escape');
    const row = page.locator('tr').filter({ hasText: 'Reading machine' });
    await row.getByText('read only').waitFor();
    await row.getByRole('button', { name: /^Revoke/ }).click();
    await page.getByRole('button', { name: 'Revoke it' }).click();
    await row.waitFor({ state: 'detached' });
    same(await status('GET', 'app', undefined, key), 401, 'reading with it');
  });
  await check('another key for me, and the one before revoked ends the session', async () => {
    const mine = await api('POST', 'auth/key', { name: 'Ada', scopes: ['operator'] });
    const view = await window({ storage: await signedIn(mine.token) });
    const { page } = view;
    await open(view, '/people');
    await page.getByRole('button', { name: 'Another key for me' }).click();
    same(await page.getByLabel('Name').inputValue(), 'Ada', 'the name');
    await page.getByRole('dialog').getByRole('button', { name: 'Make it' }).click();
    const other = await once(page, 'Key');
    same((await api('GET', 'auth/whoami', undefined, other)).name, 'Ada', 'whose it is');
    await page.keyboard.press('Escape');
    await page
      .locator('tr')
      .filter({ hasText: 'you' })
      .getByRole('button', { name: /^Revoke/ })
      .click();
    await page.getByText('you are signed out').waitFor();
    await page.getByRole('button', { name: 'Revoke it' }).click();
    await page.waitForURL(/sign-in/);
    same(await status('GET', 'app', undefined, mine.token), 401, 'the old key');
    same(await status('GET', 'app', undefined, other), 200, 'the new key');
    view.forgive(/401/);
    view.quiet();
    await view.close();
  });
}

// Who was invited and who is signed in, and the end of either.
async function signedInOnes(storage) {
  await act(storage, 'an invitation that waits is taken back', async (page, view) => {
    await open(view, '/people');
    await page.getByRole('button', { name: 'Invite somebody' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('Name').fill('Nobody yet');
    await asked.getByRole('button', { name: 'Make a sign-in link' }).click();
    const link = await once(page, 'Sign-in link');
    await page.keyboard.press('Escape');
    const row = page.locator('tr').filter({ hasText: 'Nobody yet' });
    await row.getByRole('button', { name: 'Take back' }).click();
    await page.getByRole('button', { name: 'Take it back' }).click();
    await row.waitFor({ state: 'detached' });
    const own = await window();
    await own.page.goto(link);
    await own.page.getByLabel('Your name').fill('Late');
    await own.page.getByRole('button', { name: 'Make my key' }).click();
    await own.page.getByRole('alert').filter({ hasText: /./ }).waitFor();
    own.forgive(/401/);
    own.quiet();
    await own.close();
  });
  await act(storage, 'a browser is signed out from elsewhere', async (page, view) => {
    const theirs = await api('POST', 'auth/key', { name: 'Left it open', scopes: ['operator'] });
    const other = await window({ storage: await signedIn(theirs.token) });
    await open(other, '/audit');
    await open(view, '/people');
    const row = page.locator('tr').filter({ hasText: 'Left it open' });
    await row.getByRole('button', { name: /^Browsers/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('No browser is signed in with this key.').waitFor();
    await other.page.goto('/audit');
    await other.page.waitForURL(/sign-in/);
    other.forgive(/401/);
    other.quiet();
    await other.close();
  });
}

// Somebody who may only read, by a link made on the page; what their browser keeps.
async function invited(storage) {
  let reader;
  await act(storage, 'an invitation makes a person, and only once', async (page, view) => {
    await open(view, '/people');
    await page.getByRole('button', { name: 'Invite somebody' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('Name').fill('Reader');
    await asked.getByLabel('Role').selectOption('read-only');
    await asked.getByRole('button', { name: 'Make a sign-in link' }).click();
    const link = await once(page, 'Sign-in link');
    const own = await window();
    await own.page.goto(link);
    if (own.page.url().includes('code')) throw new Error('the code stays in the address');
    await own.page.getByLabel('Your name').fill('Reader');
    await own.page.getByRole('button', { name: 'Make my key' }).click();
    const key = await own.page.locator('#key').textContent();
    same((await api('GET', 'auth/whoami', undefined, key)).role, 'read-only', 'the role');
    await own.page.getByRole('link', { name: 'To the dashboard' }).click();
    await own.page.getByText('Reader (read only)').waitFor();
    reader = await own.context.storageState();
    own.quiet();
    await own.page.goto('about:blank');
    await own.page.goto(link);
    await own.page.getByLabel('Your name').fill('Second');
    await own.page.getByRole('button', { name: 'Make my key' }).click();
    await own.page.getByRole('alert').filter({ hasText: /./ }).waitFor();
    await own.close();
  });
  return reader;
}

// What a reader may press: it looks, searches, tries, copies and leaves.
const HARMLESS = new RegExp(
  '^(Filter|Search|Follow|Hold still|Clear|Count|Try it|Try again|Show more|Show all .*|Copy.*|' +
    'Theme: .*|Sign out|Hour|Day|Week|Download as CSV|Browsers|Close|×)$',
);

// Every call by which the pages change something or show a secret.
function changes(made) {
  const { app, endpoints } = made.acme;
  const base = `app/${app.id}/endpoint/${endpoints.good.id}`;
  const paid = made.paid[0].id;
  const hub = `source/${made.sources.github.id}`;
  return [
    ['POST', 'app', { name: 'x' }],
    ['PATCH', `app/${app.id}`, { name: 'x' }],
    ['DELETE', `app/${app.id}`],
    ['POST', `app/${app.id}/msg`, { eventType: 'a.b', payload: {} }],
    ['POST', `app/${app.id}/endpoint`, { url: 'http://127.0.0.1:9/' }],
    ['PATCH', base, { disabled: true }],
    ['DELETE', base],
    ['GET', `${base}/secret`],
    ['POST', `${base}/secret/rotate`, {}],
    ['PATCH', `${base}/headers`, { headers: { 'x-a': 'b' } }],
    ['PATCH', `${base}/transformation`, { code: null }],
    ['POST', `${base}/send-example`, { eventType: 'invoice.paid' }],
    ['POST', `${base}/recover`, { since: '2020-01-01T00:00:00Z' }],
    ['POST', `${base}/replay-missing`, { since: '2020-01-01T00:00:00Z' }],
    ['POST', `app/${app.id}/msg/${paid}/endpoint/${endpoints.good.id}/resend`, {}],
    ['DELETE', `app/${app.id}/msg/${paid}/content`],
    ['POST', `app/${app.id}/dead-letter/resend`, {}],
    ['POST', `app/${app.id}/dead-letter/purge`, {}],
    ['POST', `auth/app-portal-access/${app.id}`, {}],
    ['POST', `auth/app/${app.id}/expire-all`, {}],
    ['POST', 'source', { name: 'x', type: 'github' }],
    ['PATCH', hub, { mode: 'paused' }],
    ['DELETE', hub],
    ['POST', `${hub}/token/rotate`, {}],
    ['POST', `${hub}/request/release`, {}],
    ['POST', 'event-type', { name: 'x.y', description: 'x' }],
    ['PATCH', 'event-type/invoice.paid', { archived: true }],
    ['DELETE', 'event-type/invoice.paid?expunge=true'],
    ['POST', 'event-type/import/openapi', { specRaw: '{}' }],
    ['POST', 'auth/key', { name: 'x' }],
    ['POST', 'auth/sign-in-link', { name: 'x', role: 'operator' }],
  ];
}

async function reading(made, reader) {
  const { app, endpoints } = made.acme;
  await act(reader, 'a reader is offered nothing that changes anything', async (page, view) => {
    const seen = [];
    const own = `app/${app.id}/endpoint/${endpoints.failing.id}/secret`;
    const url = made.sources.github.ingestUrl;
    const secrets = [url.split('/').at(-1), (await api('GET', own)).key];
    for (const [path, words] of places(made)) {
      await open(view, path);
      await page.getByText(words).first().waitFor({ state: 'attached' });
      await page.getByText('Reader (read only)').waitFor();
      const buttons = page.locator('button:visible:not([role=tab])');
      for (const words of await buttons.allInnerTexts())
        if (!HARMLESS.test(words.trim())) seen.push(`${path}: ${words}`);
      const shown = await page.content();
      for (const one of secrets) if (shown.includes(one)) seen.push(`${path}: ${one}`);
    }
    same(seen, [], 'offered');
  });
  await act(reader, 'a reader who calls the API is refused', async (page, view) => {
    await open(view, '/');
    const base = `app/${app.id}/endpoint/${endpoints.good.id}`;
    const taken = await page.evaluate(async (list) => {
      const found = [];
      for (const [method, path, body] of list) {
        const headers = { 'content-type': 'application/json' };
        const text = body && JSON.stringify(body);
        const answer = await fetch(`/api/v1/${path}`, { method, headers, body: text });
        if (answer.status !== 403) found.push(`${method} ${path}: ${answer.status}`);
      }
      return found;
    }, changes(made));
    same(taken, [], 'not refused');
    view.forgive(/403/);
    same((await api('GET', base)).disabled, false, 'the endpoint');
    const [own] = (await api('GET', 'auth/key?limit=250')).data.filter(
      (key) => key.name === 'Reader',
    );
    await api('DELETE', `auth/key/${own.id}`);
    await page.goto('/messages');
    await page.waitForURL(/sign-in/);
    view.forgive(/401/);
  });
}

async function copying(made, storage) {
  await act(storage, 'a copy button copies', async (page, view) => {
    await view.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server });
    await open(view, `/sources/${made.sources.github.id}`);
    await page.getByRole('button', { name: 'Copy the URL' }).click();
    await page.getByText('Copied.').waitFor();
    const held = await until('it', () => page.evaluate(() => navigator.clipboard.readText()));
    same(held, made.sources.github.ingestUrl, 'the clipboard');
  });
}

export async function people(made, storage) {
  await signing();
  await keys(storage);
  await signedInOnes(storage);
  await copying(made, storage);
  await reading(made, await invited(storage));
}
