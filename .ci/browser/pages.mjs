// Every page in every size and scheme: it shows what it should, quietly, to everybody.

import { check, everywhere, open, ready, shared, window } from './harness.mjs';

// Path, and words that must stand there.
export function places({ acme, paid, sources, refused }) {
  const app = `/applications/${acme.app.id}`;
  const failing = `${app}/endpoints/${acme.endpoints.failing.id}`;
  const github = `/sources/${sources.github.id}`;
  return [
    ['/', 'Accepted, last hour'],
    ['/applications', 'Acme'],
    [app, 'failing receiver'],
    [`${app}#messages`, 'evt_app'],
    [`${app}#settings`, 'acme'],
    [failing, 'Failed attempts'],
    [`${failing}#attempts`, '500'],
    [`${failing}#transform`, 'would be sent'],
    [`${failing}#headers`, 'None but those of relay itself.'],
    [`${failing}#settings`, 'whatever a message carries'],
    [`${app}/messages/${paid[7].id}`, 'findable-needle'],
    ['/messages', 'invoice.paid'],
    ['/live', 'connected'],
    ['/sources', 'GitHub'],
    [github, 'refused'],
    [`${github}#quarantine`, 'What came while the source is paused is held here.'],
    [`${github}#settings`, 'Who sends'],
    [`${github}#dedup`, 'Nothing is changed'],
    [`${github}/requests/${refused.id}`, 'Headers'],
    ['/dead-letters', 'exhausted'],
    ['/event-types', 'invoice.paid'],
    ['/event-types/invoice.paid', 'amount'],
    ['/people', 'operator'],
    ['/audit', 'endpoint'],
    ['/config', 'delivery'],
    ['/workers', 'writer'],
    ['/tasks', 'Resend what failed'],
  ];
}

// Those that an operator alone is shown.
const own = ({ acme }) => [
  [`/applications/${acme.app.id}#portal`, 'End every link'],
  [`/applications/${acme.app.id}#usage`, 'Counts the messages that are kept'],
];

// Before anybody is signed in.
const ENTRANCES = [
  ['/sign-in', 'Your own key'],
  ['/setup', 'This page is opened by a one-time link.'],
  ['/setup#code=si_none', 'Your name'],
];

export async function pages(made, storage) {
  const list = [...places(made), ...own(made)];
  await shared(
    list,
    () => window({ storage }),
    (view, [path, words]) =>
      everywhere(view, path, ({ page }) =>
        page.getByText(words).first().waitFor({ state: 'attached' }),
      ),
  );
  const stranger = await window();
  for (const [path, words] of ENTRANCES) {
    await everywhere(stranger, path, ({ page }) => page.getByText(words).first().waitFor());
  }
  await stranger.close();
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
