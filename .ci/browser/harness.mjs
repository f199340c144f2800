// A browser that watches what pages do: errors on the console, requests to other hosts, faults that
// axe-core finds. And the relay that the step has started.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';

const {
  RELAY_SERVER: server,
  RELAY_TOKEN: token,
  BROWSER_LIBRARIES: libraries,
  CHROMIUM: chromium,
} = process.env;
const load = createRequire(`${libraries}/package.json`);
const { chromium: engine } = load('playwright-core');
const axe = readFileSync(load.resolve('axe-core/axe.min.js'), 'utf8');

export { server, token };

export const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

// Longer than any page takes, also on a busy machine.
export const PATIENCE = 30_000;

// Calls the API as the operator; what is refused ends the run.
export async function api(method, path, body, key = token) {
  const answer = await fetch(`${server}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

// The status that a call is answered with, whatever it is.
export async function status(method, path, body, key = token) {
  const answer = await fetch(`${server}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  await answer.text();
  return answer.status;
}

// Waits until `look` gives something.
export async function until(what, look, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

// How many requests a receiver keeps at least: those of a load would be gigabytes.
const KEPT = 10_000;

// A receiver on a port of its own that answers by `answer(request)`.
export async function receiver(answer) {
  const got = [];
  const listener = createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', async () => {
      const seen = {
        headers: request.headers,
        body: Buffer.concat(parts).toString(),
        path: request.url,
      };
      got.push(seen);
      if (got.length === 2 * KEPT) got.splice(0, KEPT);
      const { status = 200, body = 'ok', after = 0 } = await answer(seen, got.length);
      setTimeout(() => {
        response.statusCode = status;
        response.end(body);
      }, after);
    });
  });
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  listener.unref();
  return { url: `http://127.0.0.1:${listener.address().port}`, got, close: () => listener.close() };
}

const results = [];

// One check of the suite; a failure is told and does not end the others.
export async function check(name, action) {
  const from = Date.now();
  try {
    await action();
    results.push({ name, passed: true });
    console.log(`ok      ${name} (${Date.now() - from} ms)`);
  } catch (error) {
    results.push({ name, passed: false });
    console.log(`FAILED  ${name}\n${String(error.stack ?? error).replace(/^/gm, '        ')}`);
  }
}

// One check in a window of its own, which has to stay quiet.
export async function act(storage, name, action) {
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

// Fails with both when they are not the same.
export function same(found, wanted, what) {
  if (!isDeepStrictEqual(found, wanted))
    throw new Error(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
}

// Ends the run.
export function finish() {
  const failed = results.filter((one) => !one.passed).length;
  console.log(`browser: ${results.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && results.length > 0 ? 0 : 1;
}

let browser;

export async function launch() {
  browser = await engine.launch({
    executablePath: chromium,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  return browser;
}

export const close = () => browser.close();

// A window of its own, which remembers what must not happen.
export async function window({ size = SIZES.desktop, scheme = 'light', storage } = {}) {
  const context = await browser.newContext({
    viewport: size,
    colorScheme: scheme,
    storageState: storage,
    baseURL: server,
  });
  context.setDefaultTimeout(PATIENCE);
  const faults = [];
  const host = new URL(server).host;
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (['http:', 'https:', 'ws:'].includes(url.protocol) && url.host !== host)
      faults.push(`a request to ${url.host}`);
  });
  const page = await context.newPage();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()))
      faults.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    faults.push(`a dialog opened: ${dialog.message()}`);
    dialog.dismiss();
  });
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  return {
    context,
    page,
    faults,
    // What is expected to be refused is no fault.
    forgive: (pattern) => {
      for (let at = faults.length - 1; at >= 0; at -= 1)
        if (pattern.test(faults[at])) faults.splice(at, 1);
    },
    quiet: () => {
      if (faults.length) throw new Error(faults.splice(0).join('\n'));
    },
    close: () => context.close(),
  };
}

// Until the page shows what it asked for.
export async function ready(page) {
  await page.waitForSelector('#content:not([aria-busy="true"])', { state: 'attached' });
}

export async function open(view, path) {
  const place = (url) => new URL(url, server).href.split('#')[0];
  const stays = path.includes('#') && place(view.page.url()) === place(path);
  await view.page.goto(path);
  // To another part of the same page a browser goes without loading it.
  if (stays) await view.page.reload();
  await ready(view.page);
}

// Serious faults in accessibility of a page, or of a part of it.
export async function accessible(page, what, part = 'html') {
  // Through the debugger's protocol: the page's policy lets no script of others in.
  if (!(await page.evaluate(() => Boolean(globalThis.axe)))) await page.evaluate(axe);
  const found = await page.evaluate(async (within) => {
    const told = await globalThis.axe.run(within, { resultTypes: ['violations'] });
    return told.violations
      .filter((one) => ['serious', 'critical'].includes(one.impact))
      .map(
        (one) =>
          `${one.id}: ${one.help}: ${one.nodes
            .slice(0, 3)
            .map((node) => node.html)
            .join(' | ')}`,
      );
  }, part);
  if (found.length) throw new Error(`${what}: ${found.join('\n')}`);
}

// Nothing is cut off at the side.
export async function fits(page, what) {
  const [inner, outer] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    window.innerWidth,
  ]);
  if (inner > outer + 1) throw new Error(`${what} is ${inner} wide in a window of ${outer}`);
}

// Two windows share what is to be looked at: a page loads while axe-core reads another.
export async function shared(list, enter, look) {
  const left = [...list];
  const lane = async () => {
    const view = await enter();
    while (left.length) await look(view, left.shift());
    await view.close();
  };
  await Promise.all([lane(), lane()]);
}

// A page in every size and scheme, each a check: what `there` looks for stands there, quietly, and
// whoever opens it can read it. It is loaded once: size and scheme change below it as they do when
// somebody turns their phone, or evening comes.
export async function everywhere(view, path, there) {
  const name = path.replaceAll(/(app|ep|msg|src|in)_\w+/g, '$1_…');
  let loaded = false;
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const scheme of ['light', 'dark']) {
      await check(`${name} on a ${size}, ${scheme}`, async () => {
        await view.page.setViewportSize(viewport);
        await view.page.emulateMedia({ colorScheme: scheme });
        if (!loaded) await open(view, path);
        loaded = true;
        await there(view);
        if ((await view.page.title()) === 'planted') throw new Error("a stranger's script ran");
        await accessible(view.page, path);
        if (size === 'phone') await fits(view.page, path);
        view.quiet();
      });
    }
  }
}

// Signs in by the form, as a person does.
export async function signIn(view, key = token) {
  await view.page.goto('/sign-in');
  await view.page.getByLabel('Key').fill(key);
  await view.page.getByRole('button', { name: 'Sign in' }).click();
  await view.page.waitForURL((url) => !url.pathname.endsWith('/sign-in'));
  await ready(view.page);
}

// What a browser keeps of somebody who has signed in.
export async function signedIn(key = token) {
  const view = await window();
  await signIn(view, key);
  const storage = await view.context.storageState();
  view.quiet();
  await view.close();
  return storage;
}
