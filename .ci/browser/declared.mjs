// What relay.toml declares is shown, and offers nothing that the API would refuse.

import { appendFileSync } from 'node:fs';
import { act, api, open, receiver, same, status, until } from './harness.mjs';

const WORDS = 'It is declared in relay.toml: change it there and reload.';
const CHANGES =
  /^(Edit|Disable|Rotate|Add a header|Take away|Save|Delete|Archive|Pause|Change|Make a new)/;

// Taken up while it runs, as an operator would do it.
async function declare(url) {
  appendFileSync(
    process.env.RELAY_FILE,
    `
[[application]]
uid = "declared"
name = "Declared"

[[event_type]]
name = "declared.thing"
description = "From the file"

[[endpoint]]
uid = "declared-hook"
application = "declared"
url = "${url}/declared"

[[source]]
uid = "declared-source"
provider = "none"
`,
  );
  process.kill(Number(process.env.RELAY_PROCESS), 'SIGHUP');
  await until(
    'the declared source',
    async () => (await status('GET', 'source/declared-source')) === 200,
  );
}

const changing = async (page) =>
  (await page.locator('main button:visible').allTextContents()).filter((words) =>
    CHANGES.test(words.trim()),
  );

export async function declared({ acme, sources }, storage) {
  const taker = await receiver(() => ({}));
  await declare(taker.url);
  const app = await api('GET', 'app/declared');
  const hook = await api('GET', 'app/declared/endpoint/declared-hook');
  const source = await api('GET', 'source/declared-source');
  const mine = `/applications/${app.id}`;
  const theirs = `/applications/${acme.app.id}`;
  for (const [name, its, like] of [
    ['application', `${mine}#settings`, `${theirs}#settings`],
    ...['settings', 'headers', 'transform'].map((tab) => [
      `endpoint (${tab})`,
      `${mine}/endpoints/${hook.id}#${tab}`,
      `${theirs}/endpoints/${acme.endpoints.good.id}#${tab}`,
    ]),
    ['source', `/sources/${source.id}#settings`, `/sources/${sources.github.id}#settings`],
    ['event type', '/event-types/declared.thing', '/event-types/invoice.paid'],
  ]) {
    await act(storage, `a declared ${name} offers no change`, async (page, view) => {
      await open(view, like);
      if ((await changing(page)).length === 0) throw new Error('one that is not offers none');
      await open(view, its);
      await page.getByText(WORDS).first().waitFor({ state: 'attached' });
      same(await changing(page), [], 'what is offered');
    });
  }
  await act(storage, 'a declared endpoint is tested like any other', async (page, view) => {
    await open(view, `${mine}/endpoints/${hook.id}`);
    await page.getByRole('button', { name: 'Send a test' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByRole('button', { name: /^Send/ }).click();
    await until('the test event', () => taker.got.some((one) => one.path === '/declared'));
  });
}
