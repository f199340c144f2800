// What people do with the catalogue of event types.

import { act, api, open, same, status, until } from './harness.mjs';

const DOCUMENT = `openapi: 3.1.0
info: {title: Rooms, version: "1"}
webhooks:
  imported.first:
    post:
      description: The first one.
      requestBody:
        content:
          application/json:
            schema: {type: object, properties: {id: {type: integer}}}
  imported.second:
    post: {description: The second one.}
`;

async function making(storage) {
  await act(storage, 'an event type is added and its schema is in force', async (page, view) => {
    await open(view, '/event-types');
    await page.getByRole('button', { name: 'Add an event type' }).click();
    const asked = page.getByRole('dialog');
    await asked.getByLabel('Name').fill('room.made');
    await asked.getByLabel('Description').fill('A room was made.');
    await asked.getByLabel('Group').fill('Rooms');
    await asked.getByLabel('JSON schema').fill('{"type": "object", "examples": ');
    await asked.getByRole('button', { name: 'Add', exact: true }).click();
    await asked.getByRole('alert').filter({ hasText: 'JSON schema is no JSON' }).waitFor();
    const schema = { type: 'object', required: ['id'], examples: [{ id: 'r_1' }] };
    await asked.getByLabel('JSON schema').fill(JSON.stringify(schema));
    await asked.getByRole('button', { name: 'Add', exact: true }).click();
    await page.waitForURL(/event-types\/room\.made$/);
    const found = await api('GET', 'event-type/room.made?with_content=true');
    same(
      [found.description, found.groupName, found.schemas],
      ['A room was made.', 'Rooms', { 1: schema }],
      'the event type',
    );
    await page.getByRole('region', { name: 'Example 1' }).getByText('r_1').waitFor();
  });
  await act(storage, 'it is edited: words, flags, a second schema', async (page, view) => {
    await open(view, '/event-types/room.made');
    await page.getByLabel('Description').fill('A room was built.');
    await page.getByLabel('Feature flags').fill('early, late');
    await page.getByLabel('Deprecated').check();
    const schemas = { 1: { type: 'object' }, 2: { type: 'array' } };
    await page.getByLabel('JSON schemas').fill(JSON.stringify(schemas));
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Version 2, which counts').waitFor();
    const found = await api('GET', 'event-type/room.made?with_content=true');
    same(
      [found.description, found.featureFlags, found.deprecated, found.schemas],
      ['A room was built.', ['early', 'late'], true, schemas],
      'the event type',
    );
    await page.getByLabel('Feature flags').fill('');
    await page.getByLabel('Deprecated').uncheck();
    await page.getByRole('button', { name: 'Save' }).click();
    await until('no flags', async () => {
      const now = await api('GET', 'event-type/room.made');
      return !now.featureFlags?.length && !now.deprecated;
    });
  });
}

async function leaving(storage) {
  await act(storage, 'archived it leaves the lists, and comes back', async (page, view) => {
    await open(view, '/event-types/room.made');
    await page.getByRole('button', { name: 'Archive' }).click();
    await page.getByRole('button', { name: 'Bring it back' }).waitFor();
    same((await api('GET', 'event-type/room.made')).archived, true, 'archived');
    await open(view, '/event-types');
    await page.getByRole('link', { name: 'invoice.paid' }).waitFor();
    const link = page.getByRole('link', { name: 'room.made' });
    same(await link.count(), 0, 'shown');
    await page.getByLabel('Show archived ones too').check();
    await link.click();
    await page.getByRole('button', { name: 'Bring it back' }).click();
    await page.getByRole('button', { name: 'Archive' }).waitFor();
    same((await api('GET', 'event-type/room.made')).archived, false, 'archived');
  });
  await act(storage, 'it is found by its words, and deleted', async (page, view) => {
    await open(view, '/event-types');
    await page.getByLabel('Search event types').fill('was BUILT');
    await until('one', async () => (await page.locator('tbody tr').count()) === 1);
    await page.getByLabel('Search event types').fill('no such thing');
    await page.getByText('No event type has that').waitFor();
    await open(view, '/event-types/room.made');
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.waitForURL(/event-types$/);
    same(await status('GET', 'event-type/room.made'), 404, 'after it');
  });
}

async function importing(storage) {
  await act(storage, 'an OpenAPI document is looked at, then imported', async (page, view) => {
    await open(view, '/event-types');
    await page.getByRole('button', { name: 'Import from OpenAPI' }).click();
    await page.getByLabel('OpenAPI document').setInputFiles({
      name: 'rooms.yaml',
      mimeType: 'application/yaml',
      buffer: Buffer.from(DOCUMENT),
    });
    const text = page.getByLabel('Or as text');
    await until('the file', async () => (await text.inputValue()).includes('imported.second'));
    await page.getByRole('button', { name: 'Look at it first' }).click();
    await page.getByText('2 event types would be made or changed').waitFor();
    same(await status('GET', 'event-type/imported.first'), 404, 'after a look');
    await page.getByRole('button', { name: 'Import them' }).click();
    await page.getByText('2 event types imported.').waitFor();
    await page.getByRole('link', { name: 'imported.second' }).waitFor();
    const found = await api('GET', 'event-type/imported.first?with_content=true');
    same(found.description, 'The first one.', 'its description');
    if (!JSON.stringify(found.schemas).includes('integer')) throw new Error('it has no schema');
    same((await api('GET', 'event-type/invoice.paid')).archived, false, 'another one archived');
    await page.getByRole('button', { name: 'Import from OpenAPI' }).click();
    await page.getByLabel('Or as text').fill('{"openapi": ');
    await page.getByRole('button', { name: 'Look at it first' }).click();
    await page.getByRole('dialog').getByRole('alert').filter({ hasText: /./ }).waitFor();
    view.forgive(/4\d\d/);
  });
}

export async function eventTypes(_, storage) {
  await making(storage);
  await leaving(storage);
  await importing(storage);
}
