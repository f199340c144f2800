// The portal as its looks go: every view in every size and scheme, with the name, logo and colours
// of `relay.toml`, opened by a link; in frames of pages that may have it, and of no others.

import { appendFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { api, check, everywhere, open, same, server, shared, until, window } from './harness.mjs';

const LOGO =
  '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24">' +
  '<rect width="24" height="24"/></svg>';
export const ACCENT = { light: '#0b6b57', dark: '#6fd6bd' };

// Views of an application's portal, and words that must stand there.
export function views({ app, endpoints }, { paid }) {
  const of = (values) => `/portal?${new URLSearchParams(values)}`;
  const failing = endpoints.failing.id;
  return [
    ['/portal', 'failing receiver'],
    [of({ view: 'endpoint', endpoint: failing }), 'every one'],
    [`${of({ view: 'endpoint', endpoint: failing })}#messages`, 'however they stand'],
    [`${of({ view: 'endpoint', endpoint: failing })}#attempts`, '500'],
    [`${of({ view: 'endpoint', endpoint: failing })}#again`, 'At most 14 days back'],
    [`${of({ view: 'endpoint', endpoint: failing })}#verify`, 'whsec_put-the-secret-here'],
    [of({ view: 'new-endpoint' }), 'Every event type'],
    [of({ view: 'edit-endpoint', endpoint: endpoints.flaky.id }), 'Back without a change'],
    [of({ view: 'messages' }), 'invoice.paid'],
    [of({ view: 'messages', q: 'findable-needle' }), 'findable-needle'],
    [of({ view: 'message', message: paid[7].id }), 'findable-needle'],
    [of({ view: 'dead-letters' }), 'every attempt failed'],
    [of({ view: 'event-types' }), 'An invoice was paid.'],
    [of({ view: 'event-type', name: 'invoice.paid' }), 'amount'],
    [of({ view: 'event-type', name: 'user.created' }), 'A user signed up.'],
    [of({ view: 'message', message: app.id }), ''],
  ];
}

// A window that a link was opened in.
export async function enter(url, options) {
  const view = await window(options);
  await open(view, url.replace(server, ''));
  return view;
}

// A page of another site with the portal in a frame.
async function framing(link) {
  const listener = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><title>An application</title><iframe src="${link}"></iframe>`);
  });
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  listener.unref();
  return listener.address().port;
}

// Gives the relay a portal of its own looks, which a reload takes.
async function dress(origin) {
  const logo = `${process.env.RELAY_FILE}.svg`;
  writeFileSync(logo, LOGO);
  appendFileSync(
    process.env.RELAY_FILE,
    `[portal]
name = "Acme hooks"
logo = "${logo}"
accent = "${ACCENT.light}"
accent_dark = "${ACCENT.dark}"
frame_ancestors = ["${origin}"]
`,
  );
  process.kill(Number(process.env.RELAY_PROCESS), 'SIGHUP');
  await until('the reload', async () => (await api('GET', 'config')).config.portal.logo === logo);
}

async function looks(link) {
  for (const [scheme, accent] of Object.entries(ACCENT)) {
    await check(`name, logo and colours of relay.toml, ${scheme}`, async () => {
      const view = await enter(link, { scheme });
      await view.page.getByRole('link', { name: 'Acme hooks' }).waitFor();
      same(await view.page.title(), 'Endpoints · Acme hooks', 'the title');
      const image = view.page.locator('a.brand img');
      same(await image.evaluate((drawn) => drawn.complete && drawn.naturalWidth), 24, 'the logo');
      const button = view.page.getByRole('link', { name: 'Add an endpoint' });
      const shown = await button.evaluate((one) => getComputedStyle(one).backgroundColor);
      const parts = accent.match(/[0-9a-f]{2}/g).map((part) => parseInt(part, 16));
      same(shown, `rgb(${parts.join(', ')})`, 'the colour of a button');
      view.quiet();
      await view.close();
    });
  }
}

async function frames(link, origin, port, other) {
  await check('a page that may have it in a frame has it', async () => {
    const answer = await fetch(`${server}/portal`);
    const policy = answer.headers.get('content-security-policy');
    same(policy.match(/frame-ancestors ([^;]*)/)[1], origin, 'frame-ancestors');
    const view = await window();
    await view.page.goto(origin);
    const inside = view.page.frameLocator('iframe');
    await inside.getByRole('heading', { name: 'Endpoints' }).waitFor();
    await inside.getByRole('link', { name: 'Messages', exact: true }).click();
    await inside.getByRole('link', { name: 'invoice.paid' }).first().waitFor();
    view.forgive(new RegExp(`a request to localhost:${port}`));
    view.quiet();
    await view.close();
  });
  await check('any other page has it not, and no page has the dashboard', async () => {
    const view = await window();
    for (const place of [`http://127.0.0.1:${other}`, `http://localhost:${other}`]) {
      const refused = view.page.waitForEvent('console', (told) =>
        told.text().includes('frame-ancestors'),
      );
      await view.page.goto(place);
      await refused;
      const [, inside] = view.page.frames();
      same(await inside.locator('#nav').count(), 0, `what ${place} shows`);
    }
    const answer = await fetch(`${server}/sign-in`);
    const policy = answer.headers.get('content-security-policy');
    same(policy.includes("frame-ancestors 'none'"), true, 'the policy of the dashboard');
    await view.close();
  });
}

async function walk(made, link) {
  await shared(
    views(made.acme, made),
    () => enter(link),
    (view, [path, words]) =>
      everywhere(view, path, async ({ page, forgive }) => {
        const wanted = words ? page.getByText(words).first() : page.getByRole('alert');
        await wanted.waitFor({ state: 'attached' });
        if (!words) forgive(/404/);
      }),
  );
}

async function planted(made) {
  await check("a stranger's words stay words", async () => {
    const { url } = await api('POST', `auth/app-portal-access/${made.strange.app.id}`, {});
    const view = await enter(url);
    const endpoint = made.strange.endpoints.good.id;
    for (const values of [
      '',
      `?view=endpoint&endpoint=${endpoint}`,
      `?view=edit-endpoint&endpoint=${endpoint}`,
      `?view=message&message=${made.planted[0].id}`,
      '?view=messages&q=planted',
      '?view=event-type&name=user.created',
      `?view=${encodeURIComponent('"><script>document.title="planted"</script>')}`,
    ]) {
      await open(view, `/portal${values}`);
      if ((await view.page.title()) === 'planted') throw new Error(`it ran at ${values}`);
      same(await view.page.locator('#main img, #main script').count(), 0, `elements at ${values}`);
    }
    view.quiet();
    await view.close();
  });
}

async function links(made, link) {
  await check('the key is in no address, and lasts for the tab', async () => {
    const view = await enter(link);
    same(new URL(view.page.url()).hash, '', 'the address');
    await view.page.getByRole('link', { name: 'Messages', exact: true }).click();
    await view.page.getByRole('heading', { level: 1, name: 'Messages' }).waitFor();
    await view.page.getByRole('link', { name: 'Event types', exact: true }).click();
    await view.page.getByRole('heading', { level: 1, name: 'Event types' }).waitFor();
    await view.page.goBack();
    await view.page.getByRole('heading', { level: 1, name: 'Messages' }).waitFor();
    await view.page.reload();
    await view.page.getByRole('heading', { level: 1, name: 'Messages' }).waitFor();
    const other = await view.context.newPage();
    await other.goto('/portal');
    await other.getByRole('heading', { name: 'No link' }).waitFor();
    view.quiet();
    await view.close();
  });
  await check('a link that is none, and leaving', async () => {
    const view = await enter('/portal#key=tk_none');
    await view.page.getByRole('heading', { name: 'This link has ended' }).waitFor();
    view.forgive(/401/);
    view.quiet();
    await view.close();
    const { url, token } = await api('POST', `auth/app-portal-access/${made.acme.app.id}`, {});
    const own = await enter(url);
    await own.page.getByRole('button', { name: 'Leave' }).click();
    await own.page.getByRole('heading', { name: 'You have left' }).waitFor();
    const answer = await fetch(`${server}/api/v1/auth/whoami`, {
      headers: { authorization: `Bearer ${token}` },
    });
    same(answer.status, 401, 'the key that was left');
    own.quiet();
    await own.close();
  });
}

export async function portal(made) {
  const link = made.portal.url;
  const port = await framing(link);
  const origin = `http://localhost:${port}`;
  await dress(origin);
  await looks(link);
  await frames(link, origin, port, await framing(link));
  await links(made, link);
  await planted(made);
  await walk(made, link);
}
