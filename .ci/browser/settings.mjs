// What stands behind `Settings` beside people: the audit log, the configuration, workers, tasks.

import { readFileSync } from 'node:fs';
import { act, api, open, same, token, until } from './harness.mjs';
import { fill } from './speed.mjs';

// Tasks that go on beside each other.
const COUNTS = 60;

async function audit(storage) {
  await act(storage, 'the audit log is narrowed, and taken along as a file', async (page, view) => {
    const key = await api('POST', 'auth/key', { name: '=Dora', scopes: ['operator'] });
    const app = await api('POST', 'app', { name: 'Audited' }, key.token);
    await api('PATCH', `app/${app.id}`, { name: 'Audited twice' }, key.token);
    await open(view, '/audit');
    await page.getByLabel('Who').fill('=Dora');
    await page.getByRole('button', { name: 'Filter' }).click();
    const rows = page.getByRole('region', { name: 'Audit log' }).locator('tbody tr');
    await until('two', async () => (await rows.count()) === 2);
    await rows.first().getByText(`PATCH /api/v1/app/${app.id}`).waitFor();
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download as CSV' }).click(),
    ]);
    const lines = readFileSync(await file.path(), 'utf8')
      .trim()
      .split('\r\n');
    same(lines.length, 3, 'lines');
    same(lines[0].split(',').slice(0, 4), ['time', 'what', 'who', 'name'], 'the headings');
    same(lines[1].split(',')[3], "'=Dora", 'a name that a spreadsheet would run');
    await page.getByLabel('After').fill('2000-01-01T00:00');
    await page.getByLabel('Before').fill('2001-01-01T00:00');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.getByText('No entry.').waitFor();
    await page.getByLabel('Before').fill('');
    await page.getByRole('button', { name: 'Filter' }).click();
    await until('two again', async () => (await rows.count()) === 2);
    await rows.first().getByText('PATCH').waitFor();
  });
}

async function configuration(storage) {
  await act(storage, 'the configuration tells where each value is from', async (page, view) => {
    await open(view, '/config');
    const row = (name) => page.locator('tr').filter({ has: page.getByText(name, { exact: true }) });
    const held = await api('GET', 'config');
    await row('delivery.retry_schedule').getByText('["50ms"]').waitFor();
    await row('delivery.retry_schedule')
      .getByText(/relay\.toml, line \d+/)
      .waitFor();
    await row('delivery.park_after').getByText('RELAY__DELIVERY__PARK_AFTER').waitFor();
    await row('delivery.threads').getByText('default').waitFor();
    await row('delivery.threads').getByText(String(held.config.delivery.threads)).waitFor();
    if ((await page.content()).includes(token)) throw new Error('the operator key stands there');
    const all = await page.locator('tbody tr').count();
    await page.getByLabel('Only what is not the default').check();
    await until('fewer', async () => (await page.locator('tbody tr').count()) < all);
    same(await row('delivery.threads').count(), 0, 'defaults shown');
    await row('guard.allow').waitFor();
    await page.getByLabel('Search settings').fill('retry_schedule');
    await until('one', async () => (await page.locator('tbody tr').count()) === 1);
  });
}

async function workers(storage) {
  await act(storage, 'every worker stands there', async (page, view) => {
    await open(view, '/workers');
    const { data } = await api('GET', 'workers');
    if (data.length < 3) throw new Error(`only ${data.length} workers`);
    const cells = await page.locator('tbody tr td:first-child').allTextContents();
    const words = data.map(({ name }) => name.replaceAll(/[-_.]/g, ' '));
    same(cells.map((name) => name.toLowerCase()).sort(), words.sort(), 'workers shown');
  });
}

async function tasks(made, storage) {
  await act(storage, 'tasks by state and by what they do', async (page, view) => {
    await open(view, '/tasks');
    await page.getByLabel('State').selectOption('finished');
    await page.getByLabel('Task', { exact: true }).selectOption('endpoint.recover');
    await page.getByRole('button', { name: 'Filter' }).click();
    const rows = page.getByRole('region', { name: 'Background tasks' }).locator('tbody tr');
    await rows.first().getByText('Resend what failed at an endpoint').waitFor();
    const others = rows.filter({ hasText: 'Count messages' });
    await until('no others', async () => (await others.count()) === 0);
    same((await rows.count()) > 0, true, 'those that were asked for');
    await page.getByLabel('State').selectOption('failed');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.getByText('No tasks.').waitFor();
  });
  await fill(made);
  await act(storage, 'a task that goes on is cancelled', async (page, view) => {
    // They take turns: as many go on until all of them have ended.
    const hour = 3_600_000;
    const count = () =>
      api('POST', 'stats/usage/app', {
        since: new Date(Date.now() - hour).toISOString(),
        until: new Date(Date.now() + hour).toISOString(),
      });
    const begun = [];
    for (let at = 0; at < COUNTS; at += 1) begun.push(await count());
    await open(view, '/tasks');
    const [cancelled] = begun.slice(-1);
    const row = page.locator('tr').filter({ hasText: cancelled.id.slice(-4) });
    await row.getByText('running').waitFor();
    await page.getByRole('button', { name: `Cancel ${cancelled.id}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel it' }).click();
    await page.getByText('Cancelled.').waitFor();
    const found = await api('GET', `background-task/${cancelled.id}`);
    same(found.data.cancelled, true, 'cancelled');
    const state = async ({ id }) => (await api('GET', `background-task/${id}`)).status;
    await until('another to end', async () => (await state(begun[0])) === 'finished');
    await page.getByLabel('State').selectOption('cancelled');
    await page.getByRole('button', { name: 'Filter' }).click();
    await until('it alone', async () => (await page.locator('tbody > tr').count()) === 1);
  });
}

export async function settings(made, storage) {
  await audit(storage);
  await configuration(storage);
  await workers(storage);
  await tasks(made, storage);
}
