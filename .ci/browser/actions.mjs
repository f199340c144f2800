// What people do: find out why one customer did not get one event, and mend it.

import { api, check, open, signIn, token, until, window } from './harness.mjs';

async function with_(storage, name, action) {
  await check(name, async () => {
    const view = await window({ storage });
    try {
      await action(view.page, view);
      view.quiet();
    } finally {
      await view.close();
    }
  });
}

async function signing(made) {
  await check('a wrong key is refused in words, and leads nowhere', async () => {
    const view = await window();
    await view.page.goto('/messages');
    await view.page.waitForURL(/sign-in/);
    await view.page.getByLabel('Key').fill('sk_wrong');
    await view.page.getByRole('button', { name: 'Sign in' }).click();
    await view.page.getByRole('alert').filter({ hasText: /./ }).waitFor();
    view.forgive(/401/);
    await view.page.getByLabel('Key').fill(token);
    await view.page.getByRole('button', { name: 'Sign in' }).click();
    await view.page.waitForURL(/\/messages$/);
    view.forgive(/401/);
    view.quiet();
    await view.close();
  });
  await check('signing out ends the session', async () => {
    const view = await window();
    await signIn(view);
    const before = await view.context.cookies();
    await view.page.locator('#person summary').click();
    await view.page.getByRole('button', { name: 'Sign out' }).click();
    await view.page.waitForURL(/sign-in/);
    await view.context.addCookies(before);
    await view.page.goto('/');
    await view.page.waitForURL(/sign-in/);
    view.forgive(/401/);
    view.quiet();
    await view.close();
  });
  await check('an invitation makes a person who may look and not change', async () => {
    const link = await api('POST', 'auth/sign-in-link', { name: 'Reader', role: 'read-only' });
    const view = await window();
    await view.page.goto(link.url);
    const name = view.page.getByLabel('Your name');
    await name.fill('Reader');
    await view.page.getByRole('button', { name: 'Make my key' }).click();
    await view.page.locator('#key').waitFor();
    await open(view, `/applications/${made.acme.app.id}/messages/${made.paid[0].id}`);
    await view.page.getByText('Deliveries (').waitFor();
    if (await view.page.getByRole('button', { name: 'Resend' }).first().isVisible())
      throw new Error('a reader is offered to resend');
    const status = await view.page.evaluate(
      (path) =>
        fetch(path, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{}',
        }).then((answer) => answer.status),
      `/api/v1/app/${made.acme.app.id}/msg/${made.paid[0].id}/endpoint/${made.acme.endpoints.good.id}/resend`,
    );
    if (status !== 403) throw new Error(`a reader's resend was answered ${status}`);
    view.forgive(/403/);
    view.quiet();
    await view.close();
  });
}

async function messages(made, storage) {
  await with_(storage, 'a text in the body finds its message', async (page, view) => {
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
  await with_(
    storage,
    'an attempt shows what was sent and answered, as text',
    async (page, view) => {
      await open(view, `/applications/${made.acme.app.id}/messages/${made.paid[3].id}`);
      const card = page
        .locator('section.card')
        .filter({ hasText: made.acme.endpoints.failing.url.replace('http://', '') });
      await card.locator('details > summary').first().click();
      await card.getByText('webhook-id').first().waitFor();
      await card.getByText('<b>down</b>').first().waitFor();
    },
  );
  await with_(storage, 'resending sends once more', async (page, view) => {
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
  await with_(
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

async function live(made, storage) {
  await with_(
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
  await with_(storage, 'the overview tells what is wrong and leads there', async (page, view) => {
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
  await with_(storage, 'the theme is kept', async (page, view) => {
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
  await signing(made);
  await overview(made, storage);
  await messages(made, storage);
  await letters(made, storage);
  await live(made, storage);
}
