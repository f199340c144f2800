// What people do with an application: add it, change it, look through what it was sent, give its
// people a link, and take it away.

import { act, api, open, receiver, same, status, until, window } from './harness.mjs';

async function adding(storage) {
  const found = {};
  await act(storage, 'an application is added, found and changed', async (page, view) => {
    await open(view, '/applications');
    await page.getByRole('button', { name: 'Add an application' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('Name').fill('Room for rent');
    await asked.getByLabel('Uid').fill('not allowed!');
    await asked.getByRole('button', { name: 'Add' }).click();
    await asked.getByRole('alert').filter({ hasText: /uid/i }).waitFor();
    view.forgive(/422/);
    await asked.getByLabel('Uid').fill('room');
    await asked.getByRole('button', { name: 'Add' }).click();
    await page.waitForURL(/applications\/app_/);
    Object.assign(found, await api('GET', 'app/room'));
    same(found.name, 'Room for rent', 'its name');
    await open(view, '/applications');
    await page.getByLabel('Search applications').fill('ROOM FOR');
    await until('one', async () => (await page.locator('tbody tr').count()) === 1);
    await page.getByRole('link', { name: 'Room for rent' }).click();
    await page.getByRole('tab', { name: 'Settings' }).click();
    await page.getByLabel('Name').fill('Rented');
    await page.getByLabel('Throttle').fill('900');
    await page.getByLabel('Metadata').fill('{"plan": "large"}');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { level: 1, name: 'Rented' }).waitFor();
    const changed = await api('GET', 'app/room');
    same(
      [changed.name, changed.throttleRate, changed.metadata],
      ['Rented', 900, { plan: 'large' }],
      'the application',
    );
    await page.getByLabel('Throttle').fill('');
    await page.getByLabel('Metadata').fill('{broken');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('alert').filter({ hasText: 'Metadata is no JSON' }).waitFor();
    same((await api('GET', 'app/room')).throttleRate, 900, 'the throttle');
    await page.getByLabel('Metadata').fill('');
    await page.getByRole('button', { name: 'Save' }).click();
    await until('no throttle', async () => !(await api('GET', 'app/room')).throttleRate);
  });
  return found;
}

async function looking(app, storage) {
  await act(storage, 'its messages by type, channel and tag, and counted', async (page, view) => {
    const send = (eventType, more) =>
      api('POST', `app/${app.id}/msg`, { eventType, payload: {}, ...more });
    await send('room.let', { channels: ['north'], tags: ['first'] });
    await send('room.let', { channels: ['south'] });
    await send('room.left', { channels: ['north'] });
    await open(view, `/applications/${app.id}#messages`);
    const rows = page.getByRole('region', { name: 'Messages' }).locator('tbody tr');
    const look = async (given, count) => {
      for (const [label, value] of Object.entries(given))
        await page.getByLabel(label, { exact: true }).fill(value);
      await page.getByRole('button', { name: 'Filter' }).click();
      await until(`${count} of them`, async () => (await rows.count()) === count);
    };
    await look({}, 3);
    await look({ 'Event type': 'room.let' }, 2);
    await look({ Channel: 'north' }, 1);
    await look({ 'Event type': '', Channel: '', Tag: 'first' }, 1);
    await page.getByRole('tab', { name: 'Usage' }).click();
    await page.getByRole('button', { name: 'Count' }).click();
    const figure = page.locator('.figure').filter({ hasText: 'Messages' });
    await figure.getByText('3', { exact: true }).waitFor();
  });
}

// What a link's token is told that it may.
const known = async (link) => {
  const key = new URL(link).hash.replace('#key=', '');
  return { key, ...(await api('GET', 'auth/whoami', undefined, key)) };
};

async function links(app, storage) {
  await act(
    storage,
    'a portal link holds what was ticked, until it is ended',
    async (page, view) => {
      await open(view, `/applications/${app.id}#portal`);
      const made = page.getByRole('region', { name: 'Portal link' });
      await page.getByLabel('add, change and delete endpoints').uncheck();
      await page.getByLabel('rotate the secrets of endpoints').uncheck();
      await page.getByLabel('Ends after').selectOption({ label: 'an hour' });
      await page.getByRole('button', { name: 'Make a link' }).click();
      const url = await made.textContent();
      const held = await known(url);
      same(held.appId, app.id, 'the application');
      same(
        held.capabilities.toSorted(),
        ['CreateAttempts', 'ManageTransformations', 'ViewBase', 'ViewEndpointSecret'],
        'what it may',
      );
      const left = new Date(held.expiresAt) - Date.now();
      if (left > 3_600_000 || left < 3_500_000) throw new Error(`it ends in ${left} ms`);
      await page.getByLabel('Read only').check();
      await page.getByRole('button', { name: 'Make a link' }).click();
      await until('another link', async () => (await made.textContent()) !== url);
      const reader = await known(await made.textContent());
      same(reader.capabilities, ['ViewBase'], 'what a reader may');
      const tenant = await window();
      await tenant.page.goto(url);
      await tenant.page.getByText('No endpoint yet.').waitFor();
      await page.getByRole('button', { name: 'End every link' }).click();
      await page.getByRole('button', { name: 'End them' }).click();
      await page.getByText('Every link has ended.').waitFor();
      for (const { key } of [held, reader])
        same(await status('GET', 'auth/whoami', undefined, key), 401, 'an ended link');
      await tenant.page.getByRole('link', { name: 'Messages', exact: true }).click();
      await tenant.page.getByRole('heading', { name: 'This link has ended' }).waitFor();
      tenant.forgive(/401/);
      tenant.quiet();
      await tenant.close();
    },
  );
}

async function removing(app, storage) {
  await act(storage, 'a deletion asks first, and takes it all', async (page, view) => {
    const at = await receiver(() => ({}));
    await api('POST', `app/${app.id}/endpoint`, { url: at.url });
    await open(view, `/applications/${app.id}#settings`);
    await page.getByRole('button', { name: 'Delete this application' }).click();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    same(await status('GET', `app/${app.id}`), 200, 'after Escape');
    await page.getByRole('button', { name: 'Delete this application' }).click();
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.waitForURL(/\/applications$/);
    same(await status('GET', `app/${app.id}`), 404, 'after it');
    await page.getByRole('link', { name: 'Acme' }).waitFor();
    same(await page.getByRole('link', { name: 'Rented' }).count(), 0, 'shown');
  });
}

export async function application(_, storage) {
  const app = await adding(storage);
  await looking(app, storage);
  await links(app, storage);
  await removing(app, storage);
}
