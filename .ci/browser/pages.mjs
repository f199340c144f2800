// Every page in every size and scheme: it shows what it should, quietly, to everybody.

import { accessible, check, fits, open, ready, signIn, SIZES, window } from './harness.mjs';

// Path, and words that must stand there.
export function places({ acme, paid, sources }) {
  const app = `/applications/${acme.app.id}`;
  return [
    ['/', 'Accepted, last hour'],
    ['/applications', 'Acme'],
    [app, 'hooks'],
    [`${app}/endpoints/${acme.endpoints.good.id}`, 'hooks'],
    [`${app}/endpoints/${acme.endpoints.failing.id}`, 'hooks'],
    [`${app}/messages/${paid[7].id}`, 'findable-needle'],
    ['/messages', 'invoice.paid'],
    ['/live', 'connected'],
    ['/sources', 'GitHub'],
    [`/sources/${sources.github.id}`, 'refused'],
    ['/dead-letters', 'exhausted'],
    ['/event-types', 'invoice.paid'],
    ['/event-types/invoice.paid', 'amount'],
    ['/people', 'operator'],
    ['/audit', 'endpoint'],
    ['/config', 'delivery'],
    ['/workers', 'writer'],
    ['/tasks', ''],
  ];
}

export async function pages(made) {
  const first = await window();
  await signIn(first);
  const storage = await first.context.storageState();
  first.quiet();
  await first.close();
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const scheme of ['light', 'dark']) {
      const view = await window({ size: viewport, scheme, storage });
      for (const [path, words] of places(made)) {
        await check(`${path} on a ${size}, ${scheme}`, async () => {
          await open(view, path);
          if (words) await view.page.getByText(words).first().waitFor({ state: 'attached' });
          if ((await view.page.title()) === 'planted') throw new Error("a stranger's script ran");
          await accessible(view.page, path);
          if (size === 'phone') await fits(view.page, path);
          view.quiet();
        });
      }
      await view.close();
    }
  }
  return storage;
}

// By keyboard alone: to the content, along the navigation, through tabs.
export async function keyboard(made, storage) {
  await check('the keyboard reaches the content and the navigation', async () => {
    const view = await window({ storage });
    await open(view, '/');
    await view.page.keyboard.press('Tab');
    const skip = await view.page.evaluate(() => document.activeElement.textContent);
    if (!skip.includes('To the content')) throw new Error(`first comes ${skip}`);
    await view.page.keyboard.press('Enter');
    await view.page.getByRole('link', { name: 'Messages', exact: true }).focus();
    await view.page.keyboard.press('Enter');
    await view.page.waitForURL(/\/messages$/);
    await ready(view.page);
    view.quiet();
    await view.close();
  });
}
