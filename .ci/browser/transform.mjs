// The filter and the transformation of an endpoint: tried while they are written, then in force.

import { act, api, open, receiver, same, until } from './harness.mjs';

async function stage() {
  const app = await api('POST', 'app', { name: 'Transformations' });
  const at = await receiver(() => ({}));
  const endpoint = await api('POST', `app/${app.id}/endpoint`, { url: at.url });
  const base = `app/${app.id}/endpoint/${endpoint.id}`;
  const send = (amount) =>
    api('POST', `app/${app.id}/msg`, { eventType: 'order.paid', payload: { amount } });
  const came = ({ id }) => at.got.find((one) => one.headers['webhook-id'] === id);
  const comes = (sent) => until('the delivery', async () => came(sent));
  for (const amount of [1, 5, 20, 50]) await comes(await send(amount));
  const place = `/applications/${app.id}/endpoints/${endpoint.id}#transform`;
  return { at, base, place, send, came, comes };
}

// What the try-out says, once it says these words.
const says = (page, words) => page.getByRole('status').filter({ hasText: words }).waitFor();

async function saved(page) {
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved: it counts from the next attempt on.').waitFor();
}

async function filtering({ at, base, place, send, came, comes }, storage) {
  await act(
    storage,
    'a filter is tried as it is typed, and nothing is sent',
    async (page, view) => {
      const before = at.got.length;
      await open(view, place);
      await says(page, 'Of 4 messages: 4 would be sent.');
      await page.getByLabel('Filter, as JSON').fill('{"body": {"amount": {"$gte": 20}}}');
      await says(page, 'Of 4 messages: 2 would be sent, 2 not matched.');
      await page.getByLabel('Filter, as JSON').fill('{"body": {"amount": ');
      await says(page, 'Filter is no JSON');
      await page.getByLabel('Filter, as JSON').fill('{"body": {"amount": {"$bigger": 20}}}');
      await says(page, '$bigger');
      view.forgive(/422/);
      same((await api('GET', base)).filter ?? null, null, 'the filter in force');
      same(at.got.length, before, 'deliveries');
    },
  );
  await act(storage, 'a saved filter is in force, and goes again', async (page, view) => {
    await open(view, place);
    const filter = { body: { amount: { $gte: 20 } } };
    await page.getByLabel('Filter, as JSON').fill(JSON.stringify(filter));
    await saved(page);
    same((await api('GET', base)).filter, filter, 'the filter');
    const little = await send(3);
    await comes(await send(30));
    if (came(little)) throw new Error('what does not match was sent');
    await page.reload();
    await page.getByLabel('Filter, as JSON').fill('');
    await saved(page);
    same((await api('GET', base)).filter ?? null, null, 'the filter');
    await comes(await send(4));
  });
}

async function scripts({ at, base, place, send, comes }, storage) {
  await act(storage, 'a script is tried on what is stored and on a payload', async (page, view) => {
    const before = at.got.length;
    await open(view, place);
    await page.getByLabel('Transformation', { exact: true }).selectOption({ index: 1 });
    await page.getByLabel('Script').fill(`function handler(webhook) {
      if (webhook.payload.amount > 20) return null;
      console.log('seen', webhook.payload.amount);
      webhook.payload = { doubled: webhook.payload.amount * 2 };
      return webhook;
    }`);
    await says(page, /would be sent, \d+ dropped/);
    const line = page.locator('details.line').filter({ hasText: 'would be sent' }).last();
    await line.locator('summary').click();
    await line.getByRole('region', { name: 'After', exact: true }).getByText('doubled').waitFor();
    await line.getByRole('region', { name: 'Console' }).getByText('seen').waitFor();
    await page.getByText('Try a payload of your own').click();
    await page.getByLabel('Payload, as JSON').fill('{"amount": 11}');
    await page.getByRole('button', { name: 'Try it', exact: true }).click();
    await page.getByText('"doubled": 22').waitFor();
    await page
      .getByLabel('Script')
      .fill('function handler(webhook) { throw new Error("no way"); }');
    await says(page, /would fail/);
    await page.getByText('no way').first().waitFor();
    same(at.got.length, before, 'deliveries');
    same((await api('GET', `${base}/transformation`)).code ?? null, null, 'the script in force');
  });
  await act(storage, 'a saved script is in force, with its variables', async (page, view) => {
    await open(view, place);
    await page.getByLabel('Transformation', { exact: true }).selectOption({ index: 1 });
    await page
      .getByLabel('Script')
      .fill('function transform(was, context) { return { of: context.env.TEAM, was }; }');
    await page.getByLabel('Variables, as JSON').fill('{"TEAM": "books-only"}');
    await saved(page);
    const got = await comes(await send(6));
    same(JSON.parse(got.body), { of: 'books-only', was: { amount: 6 } }, 'what came');
    await page.reload();
    await page.getByText('Set now: TEAM').waitFor();
    if ((await page.content()).includes('books-only')) throw new Error('a variable is shown');
  });
}

async function steps({ base, place, send, comes }, storage) {
  await act(storage, 'steps take the place of a script, and none of them', async (page, view) => {
    await open(view, place);
    await page.getByLabel('Transformation', { exact: true }).selectOption({ index: 2 });
    await page
      .getByLabel('Steps')
      .fill('[{"set_header": {"name": "x-made", "value": "by steps"}}]');
    await says(page, /would be sent\./);
    await saved(page);
    const got = await comes(await send(7));
    same([got.headers['x-made'], JSON.parse(got.body)], ['by steps', { amount: 7 }], 'what came');
    const held = await api('GET', `${base}/transformation`);
    same(held.code ?? null, null, 'the script');
    await page.reload();
    await page.getByLabel('Transformation', { exact: true }).selectOption({ index: 0 });
    await saved(page);
    same((await comes(await send(8))).headers['x-made'], undefined, 'the header');
  });
}

export async function transform(_, storage) {
  const made = await stage();
  await filtering(made, storage);
  await scripts(made, storage);
  await steps(made, storage);
}
