// What people do: find out why one customer did not get one event, and mend it.

import { act, api, open, same, until } from './harness.mjs';

async function messages(made, storage) {
  await act(storage, 'a text in the body finds its message', async (page, view) => {
    await open(view, '/messages');
    await page.getByLabel('Id, event id or text').fill('findable-needle');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.waitForURL(/findable-needle/);
    await until('one row', async () => (await page.locator('tbody tr').count()) === 1);
    await page.locator('tbody tr a').first().click();
    await page.waitForURL(new RegExp(made.paid[7].id));
    await page.getByText('it does not want invoice.paid, but invoice.voided').waitFor();
    await page.getByText('Attempt 1').first().waitFor();
  });
  await act(storage, 'an attempt shows what was sent and answered, as text', async (page, view) => {
    await open(view, `/applications/${made.acme.app.id}/messages/${made.paid[3].id}`);
    const card = page
      .locator('section.card')
      .filter({ hasText: made.acme.endpoints.failing.url.replace('http://', '') });
    await card.locator('details > summary').first().click();
    await card.getByText('webhook-id').first().waitFor();
    await card.getByText('<b>down</b>').first().waitFor();
  });
  await act(storage, 'resending sends once more', async (page, view) => {
    const before = made.at.good.got.length;
    await open(view, `/applications/${made.acme.app.id}/messages/${made.paid[1].id}`);
    const card = page
      .locator('section.card')
      .filter({ has: page.locator(`a[href*="${made.acme.endpoints.good.id}"]`) });
    await card.getByRole('button', { name: 'Resend' }).click();
    await until('the delivery', async () => made.at.good.got.length > before);
    if (made.at.good.got.at(-1).headers['webhook-id'] !== made.paid[1].id)
      throw new Error('another message came');
    await page.getByText('Sent by hand').waitFor();
  });
}

async function letters(made, storage) {
  await act(
    storage,
    'dead letters: planned first, then sent again with progress',
    async (page, view) => {
      await open(view, `/dead-letters?app=${made.acme.app.id}`);
      await page.getByLabel('Endpoint', { exact: true }).fill(made.acme.endpoints.failing.id);
      await page.getByRole('button', { name: 'Filter' }).click();
      const place = `app/${made.acme.app.id}/dead-letter?limit=250`;
      const dead = async () =>
        (await api('GET', `${place}&endpoint_id=${made.acme.endpoints.failing.id}`)).data;
      const count = (await dead()).length;
      const before = made.at.failing.got.length;
      await page.getByRole('button', { name: 'Send again…' }).click();
      await page.getByText(`${count} dead letters will be due at once`).waitFor();
      if (made.at.failing.got.length !== before) throw new Error('a plan sent something');
      await page.getByRole('button', { name: 'Send them again' }).click();
      await page.locator('dialog').getByText(`${count} done`).waitFor();
      await until('all of them', async () => made.at.failing.got.length >= before + count);
    },
  );
}

async function givingUp(made, storage) {
  const { app, endpoints } = made.acme;
  const place = `app/${app.id}/dead-letter?limit=250&endpoint_id=${endpoints.failing.id}`;
  const dead = async () => (await api('GET', place)).data;
  await act(storage, 'dead letters of one type are given up', async (page, view) => {
    await until('them', async () => (await dead()).length === 35);
    await open(view, '/dead-letters');
    await page.getByRole('button', { name: 'Give up…' }).click();
    await page.getByText('Choose an application first').waitFor();
    await page.getByLabel('Application').selectOption(app.id);
    await page.getByLabel('Endpoint', { exact: true }).fill(endpoints.failing.id);
    await page.getByLabel('Event types').fill('user.created');
    await page.getByLabel('Reason').selectOption('exhausted');
    await page.getByRole('button', { name: 'Filter' }).click();
    await until('five', async () => (await page.locator('tbody tr').count()) === 5);
    await page.getByRole('button', { name: 'Give up…' }).click();
    await page.getByText('5 dead letters will leave this list for good.').waitFor();
    same((await dead()).length, 35, 'dead letters after a plan');
    await page.getByRole('button', { name: 'Give them up' }).click();
    await page.locator('dialog').getByText('5 done').waitFor();
    const left = (await dead()).map((one) => one.eventType);
    same([left.length, left.includes('user.created')], [30, false], 'what is left');
    await page.keyboard.press('Escape');
    await page.getByText('No dead letters').waitFor();
  });
}

async function content(made, storage) {
  const { app } = made.strange;
  const sent = await api('POST', `app/${app.id}/msg`, {
    eventType: 'user.left',
    payload: { name: 'not-to-be-kept' },
  });
  await act(storage, 'content is taken away after a question', async (page, view) => {
    await open(view, `/applications/${app.id}/messages/${sent.id}`);
    await page.getByText('not-to-be-kept').waitFor();
    await page.getByRole('button', { name: 'Take content away' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    const payload = async () => (await api('GET', `app/${app.id}/msg/${sent.id}`)).payload;
    same(await payload(), { name: 'not-to-be-kept' }, 'the content');
    await page.getByRole('button', { name: 'Take content away' }).click();
    await page.getByRole('button', { name: 'Take it away' }).click();
    await page.getByText('The content is over its time, or was taken away.').waitFor();
    same(await payload(), { expired: true }, 'the content');
  });
  await act(storage, 'messages by application, type, state and time', async (page, view) => {
    await open(view, '/messages');
    const rows = page.getByRole('region', { name: 'Messages' }).locator('tbody tr');
    await page.getByLabel('Application').fill(made.acme.app.id);
    await page.getByLabel('Event type').fill('invoice.paid');
    await page.getByLabel('State').selectOption({ label: 'Dead' });
    await page.getByLabel('Tag').fill('seed');
    await page.getByLabel('Time').selectOption({ label: 'Last hour' });
    await page.getByRole('button', { name: 'Search' }).click();
    await until('all thirty', async () => (await rows.count()) === 30);
    const address = page.url();
    await page.getByLabel('Tag').fill('none such');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByText('Nothing found.').waitFor();
    await page.goto(address);
    await until('all thirty again', async () => (await rows.count()) === 30);
  });
}

async function following(made, storage) {
  await act(storage, 'the live tail by filter, held still and gone on', async (page, view) => {
    await open(view, '/live');
    const send = (amount) =>
      api('POST', `app/${made.strange.app.id}/msg`, {
        eventType: `amount.of${amount}`,
        payload: { amount },
      });
    const filter = page.getByLabel('Filter');
    await filter.fill('{"amount": 1}');
    await page.getByRole('button', { name: 'Follow' }).click();
    await page.getByRole('alert').filter({ hasText: 'amount: is not known' }).waitFor();
    view.forgive(/422/);
    // What is shown as an example is one.
    await filter.fill(await filter.getAttribute('placeholder'));
    await page.getByLabel('With body').check();
    await page.getByRole('button', { name: 'Follow' }).click();
    await page.getByText('connected', { exact: true }).waitFor();
    await send(5);
    await send(500);
    const first = page.locator('ol.timeline li').filter({ hasText: 'amount.of500' });
    await first.getByText('Body').click();
    await first.getByText('"amount": 500').waitFor();
    await page.getByRole('button', { name: 'Hold still' }).click();
    await Promise.all([page.waitForEvent('console', (told) => told.text() === 'came'), hold()]);
    same(await page.locator('ol.timeline > li').count(), 1, 'shown while held');
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('link', { name: 'amount.of600' }).waitFor();
    same(await page.getByText('amount.of5', { exact: true }).count(), 0, 'what does not match');
    await page.getByRole('button', { name: 'Clear' }).click();
    same(await page.locator('ol.timeline > li').count(), 0, 'shown after it');

    // Until a stream beside the page's own has had it: the page was sent it before or then.
    async function hold() {
      await page.evaluate(
        (place) =>
          new Promise((done) => {
            const beside = new EventSource(place);
            beside.addEventListener('connected', done);
            beside.addEventListener('message', () => {
              beside.close();
              console.log('came');
            });
          }),
        '/api/v1/live?event_types=amount.of600',
      );
      await send(600);
    }
  });
}

async function live(made, storage) {
  await act(
    storage,
    'the live tail shows what is accepted, and goes on after a break',
    async (page, view) => {
      await open(view, '/live');
      await page.getByText('connected', { exact: true }).waitFor();
      const send = (name) =>
        api('POST', `app/${made.acme.app.id}/msg`, { eventType: name, payload: {} });
      await send('live.first');
      await page.getByRole('link', { name: 'live.first' }).waitFor();
      await view.context.setOffline(true);
      await send('live.second');
      await view.context.setOffline(false);
      await send('live.third');
      await page.getByRole('link', { name: 'live.third' }).waitFor();
      const shown = await page.locator('ol.timeline a').allTextContents();
      const wanted = ['live.third', 'live.second', 'live.first'];
      if (JSON.stringify(shown) !== JSON.stringify(wanted)) throw new Error(`shown: ${shown}`);
      view.forgive(/ERR_INTERNET_DISCONNECTED|ERR_NETWORK/);
    },
  );
}

async function overview(made, storage) {
  await act(storage, 'the overview tells what is wrong and leads there', async (page, view) => {
    await open(view, '/');
    const row = page
      .locator('tr')
      .filter({ hasText: made.acme.endpoints.failing.url.replace('http://', '') });
    await row.first().waitFor();
    await row.first().getByRole('link').first().click();
    await page.waitForURL(new RegExp(made.acme.endpoints.failing.id));
    await page.goBack();
    await page.getByRole('button', { name: 'Week' }).click();
    await page.locator('svg[role="img"]').first().waitFor();
  });
  await act(storage, 'the theme is kept', async (page, view) => {
    await open(view, '/');
    await page.locator('#person summary').click();
    await page.getByRole('button', { name: /^Theme/ }).click();
    await page.getByRole('button', { name: /^Theme/ }).click();
    await page.reload();
    if ((await page.evaluate(() => document.documentElement.dataset.theme)) !== 'dark')
      throw new Error('forgotten');
  });
}

export async function actions(made, storage) {
  await overview(made, storage);
  await messages(made, storage);
  await content(made, storage);
  await letters(made, storage);
  await givingUp(made, storage);
  await live(made, storage);
  await following(made, storage);
}
