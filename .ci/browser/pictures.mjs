// The pictures of the README and the docs, from a running relay: `.ci/run pictures`.

import { mkdirSync } from 'node:fs';
import { execFileSync, spawn } from 'node:child_process';
import { api, close, launch, open, server, signIn, token, until, window } from './harness.mjs';
import { seed } from './seed.mjs';

const FOLDER = 'docs/pictures';
const VIEW = { width: 1280, height: 800 };

// A terminal's text as a picture: colours as a terminal has them.
async function terminal(view, name, command, text) {
  await view.page.goto('/sign-in');
  await view.page.evaluate(
    ([command, text]) => {
      const pre = document.createElement('pre');
      pre.className = 'code';
      pre.id = 'terminal';
      const colours = {
        1: 'font-weight',
        2: 'text-faint',
        31: 'text-bad',
        32: 'text-good',
        33: 'text-warn',
        36: 'one',
        34: 'one',
      };
      pre.append(`$ ${command}\n`);
      // eslint-disable-next-line no-control-regex
      for (const part of text.split(/(?=\u001b\[)/)) {
        const found = part.match(/^\u001b\[([\d;]*)m/);
        const span = document.createElement('span');
        const kind = colours[found?.[1].split(';').at(-1)];
        if (kind) span.className = kind;
        // eslint-disable-next-line no-control-regex
        span.textContent = part.replaceAll(/\u001b\[[\d;?]*[A-Za-z]/g, '').replaceAll('\r', '');
        pre.append(span);
      }
      document.body.replaceChildren(pre);
    },
    [command, text],
  );
  await view.page.locator('#terminal').screenshot({ path: `${FOLDER}/${name}.png` });
}

async function listening(made) {
  const binary = process.env.RELAY_BINARY ?? 'target/release/relay';
  const target = made.at.good.url;
  const shown = [
    'listen',
    target.replace('http://127.0.0.1:', ''),
    '--source',
    'warehouse',
    '--path',
    '/hooks',
  ];
  const child = spawn(binary, [
    ...shown,
    '--server',
    server,
    '--token',
    token,
    '--color',
    'always',
  ]);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part) => {
      text += part;
    });
  await until('relay listen', () => /connected/.test(text));
  for (const what of ['order.placed', 'order.paid', 'order.shipped']) {
    await fetch(made.sources.open.ingestUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: what }),
    });
  }
  await until('what was forwarded', () => (text.match(/ 200 /g) ?? []).length >= 3).catch(() => {});
  child.kill('SIGINT');
  return [`relay ${shown.join(' ')}`, text];
}

mkdirSync(FOLDER, { recursive: true });
const made = await seed();
await launch();
const view = await window({ size: VIEW });
await signIn(view);
const app = made.acme.app.id;
for (const [name, path] of [
  ['dashboard', '/'],
  ['message', `/applications/${app}/messages/${made.paid[7].id}`],
  ['endpoint', `/applications/${app}/endpoints/${made.acme.endpoints.failing.id}`],
]) {
  await open(view, path);
  await view.page.screenshot({ path: `${FOLDER}/${name}.png` });
}
const own = await window({ size: VIEW });
const portal = await api('POST', `auth/app-portal-access/${app}`, {});
await own.page.goto(portal.url);
await own.page.getByText('hooks').first().waitFor();
await own.page.screenshot({ path: `${FOLDER}/portal.png` });
await terminal(view, 'listen', ...(await listening(made)));
await close();
try {
  execFileSync('optipng', [
    '-quiet',
    ...['dashboard', 'message', 'endpoint', 'portal', 'listen'].map(
      (name) => `${FOLDER}/${name}.png`,
    ),
  ]);
} catch {
  /* larger */
}
process.exit();
