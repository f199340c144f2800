// Every dialog and menu: it can be read in light and dark, fits on a phone, takes the keyboard and
// gives it back.

import { accessible, act, check, fits, open, same, shared, SIZES, window } from './harness.mjs';
import { visit } from './portal-endpoint.mjs';

// Where it is, what opens it, and its heading.
function dialogs({ acme, sources, paid, refused }) {
  const app = `/applications/${acme.app.id}`;
  const endpoint = `${app}/endpoints/${acme.endpoints.flaky.id}`;
  const github = `/sources/${sources.github.id}`;
  return [
    ['/applications', ['Add an application'], 'Add an application'],
    [app, ['Add an endpoint'], 'Add an endpoint'],
    [`${app}#settings`, ['Delete this application'], 'Delete Acme?'],
    [`${app}#portal`, ['End every link'], 'End every portal link?'],
    [endpoint, ['Edit'], 'Edit the endpoint'],
    [endpoint, ['Disable'], 'Disable this endpoint?'],
    [endpoint, ['Send a test'], 'Send a test'],
    [endpoint, ['More', 'Recover what failed'], 'Recover what failed'],
    [endpoint, ['More', 'Show the secret'], 'Secret'],
    [endpoint, ['More', 'Rotate the secret'], 'Rotate the secret'],
    [endpoint, ['More', 'Delete'], 'Delete this endpoint?'],
    [`${app}/messages/${paid[0].id}`, ['Take content away'], 'Take its content away?'],
    ['/sources', ['Add a source'], 'Add a source'],
    [github, ['Make a new URL'], 'A new URL'],
    [github, ['Change the secret'], 'A new secret'],
    [`${github}#settings`, ['Delete this source'], 'Delete GitHub?'],
    [`${github}/requests/${refused.id}`, ['Release anyway'], 'Release it anyway?'],
    [`/dead-letters?app=${acme.app.id}`, ['Give up…'], 'Give up'],
    ['/event-types', ['Add an event type'], 'Add an event type'],
    ['/event-types', ['Import from OpenAPI'], 'Import from OpenAPI'],
    ['/event-types/invoice.paid', ['Delete'], 'Delete invoice.paid?'],
    ['/people', ['Invite somebody'], 'Invite somebody'],
    ['/people', ['Make a key'], 'Make a key'],
  ];
}

const press = (page, words) =>
  page
    .locator('main :is(button, summary)')
    .filter({ hasText: exactly(words) })
    .first();
const exactly = (words) => new RegExp(`^\\s*${words.replaceAll(/[.…?]/g, '.')}\\s*$`);

// It stands, is closed by Escape, and whatever had the keyboard before has it again.
async function looked(page, pressed, heading) {
  for (const words of pressed) await press(page, words).click();
  const shown = page.getByRole('dialog', { name: heading, exact: true });
  await shown.waitFor();
  for (const [size, scheme] of [
    ['desktop', 'light'],
    ['phone', 'dark'],
  ]) {
    await page.setViewportSize(SIZES[size]);
    await page.emulateMedia({ colorScheme: scheme });
    await accessible(page, heading, 'dialog');
    await fits(page, heading);
    const { x, width } = await shown.boundingBox();
    if (x < 0 || x + width > SIZES[size].width) throw new Error(`${heading} is cut off`);
  }
  const inside = () => shown.evaluate((one) => one.contains(document.activeElement));
  same(await inside(), true, 'the keyboard is in it');
  await page.keyboard.press('Escape');
  await shown.waitFor({ state: 'detached' });
  await page.setViewportSize(SIZES.desktop);
  const back = await page.evaluate(() => document.activeElement.textContent);
  if (!exactly(pressed[0]).test(back)) throw new Error(`the keyboard is at ${back.slice(0, 50)}`);
}

export async function allDialogs(made, storage) {
  await shared(
    dialogs(made),
    () => window({ storage }),
    (view, [path, pressed, heading]) =>
      check(`the dialog “${heading}” of ${path.match(/[a-z-]+/)[0]}`, async () => {
        await open(view, path);
        await looked(view.page, pressed, heading);
        view.quiet();
      }),
  );
  const endpoint = `/portal?view=endpoint&endpoint=${made.acme.endpoints.flaky.id}`;
  for (const [path, pressed, heading] of [
    [endpoint, ['Send an example'], 'Send an example'],
    [endpoint, ['Make a new one'], 'A new secret'],
    [endpoint, ['Delete'], 'Delete this endpoint'],
  ]) {
    await visit(made.portal.url, `the dialog “${heading}” of the portal`, async (page, own) => {
      await open(own, path);
      await looked(page, pressed, heading);
    });
  }
  await act(storage, 'tabs and menus by keyboard', async (page, own) => {
    await open(own, `/applications/${made.acme.app.id}`);
    await page.getByRole('tab', { name: 'Endpoints' }).focus();
    await page.keyboard.press('ArrowRight');
    await page.getByRole('tab', { name: 'Messages', selected: true }).waitFor();
    same(new URL(page.url()).hash, '#messages', 'the address');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await page.getByRole('tab', { name: 'Usage', selected: true }).waitFor();
    const menu = page.getByText('Settings').and(page.locator('summary'));
    await menu.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Audit log' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Audit log' }).waitFor({ state: 'hidden' });
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/audit$/);
  });
}
