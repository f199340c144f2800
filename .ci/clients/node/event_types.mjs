// Event types, and their import from an OpenAPI document.

import assert from "node:assert/strict";

import { MANY, operation, refused, same, several, sorted, walk } from "./harness.mjs";

const post = {
  description: "A pet is new",
  requestBody: { content: { "application/json": { schema: { type: "object", title: "Pet" } } } },
  responses: {},
};
const documentWith = (name) => ({
  openapi: "3.1.0", info: { title: "Pets", version: "1" }, webhooks: { [name]: { post } },
});

operation("v1.event-type.list", "eventType.list", async function eventTypeList(relay, call) {
  const made = await several(MANY, () => relay.eventType());
  for (const order of ["ascending", "descending"]) {
    const walked = await walk((options) => call({ order, ...options }), 100, "name");
    const all = new Set(walked);
    assert.ok(made.every(({ name }) => all.has(name)), "what was created does not come back");
    same(walked, sorted(walked, order));
  }
});

operation("v1.event-type.list", "eventType.list", async function contentAndArchived(relay, call) {
  const schemas = { 1: { type: "object", title: "Invoice" } };
  const { name } = await relay.eventType({ schemas });
  const archived = (await relay.eventType({ archived: true })).name;
  const shown = async (wanted, options) => {
    const found = [];
    let page = await call({ limit: 250, ...options });
    for (;;) {
      found.push(...page.data.filter((eventType) => eventType.name === wanted));
      if (page.done) return found;
      page = await call({ limit: 250, iterator: page.iterator, ...options });
    }
  };
  same((await shown(name, { withContent: true }))[0].schemas, schemas);
  assert.ok(!(await shown(name, { withContent: false }))[0].schemas);
  same(await shown(archived, {}), []);
  assert.equal((await shown(archived, { includeArchived: true })).length, 1);
});

operation("v1.event-type.create", "eventType.create", async function create(relay, call) {
  const name = `${relay.prefix}.created`;
  const schemas = { 1: { type: "object" } };
  await call({ name, description: "D", schemas, groupName: "billing", deprecated: true });
  const shown = await relay.svix.eventType.get(name);
  same([shown.description, shown.groupName, shown.deprecated], ["D", "billing", true]);
  same(shown.schemas, schemas);
  await refused(409, call({ name, description: "Twin" }));
  await refused(422, call({ name: "not a name", description: "" }));
});

operation("v1.event-type.get", "eventType.get", async function get(relay, call) {
  const made = await relay.eventType({ description: "D" });
  same(await call(made.name), made);
  await refused(404, call("not.there"));
});

const update = "eventType.upsert eventType.update";

operation("v1.event-type.update", update, async function eventTypeUpdate(relay, call) {
  const name = `${relay.prefix}.upserted`;
  await call(name, { description: "Made", groupName: "g" });
  const changed = await call(name, { description: "Changed" });
  same([changed.name, changed.description], [name, "Changed"]);
  assert.ok(!changed.groupName);
});

operation("v1.event-type.patch", "eventType.patch", async function patch(relay, call) {
  const fields = { description: "D", groupName: "g", schemas: { 1: {} } };
  const { name } = await relay.eventType(fields);
  const patched = await call(name, { archived: true });
  same([patched.archived, patched.description, patched.groupName], [true, "D", "g"]);
  same(patched.schemas, { 1: {} });
  assert.equal((await call(name, { groupName: null })).groupName ?? null, null);
});

operation("v1.event-type.delete", "eventType.delete", async function remove(relay, call) {
  const { name } = await relay.eventType();
  await call(name);
  assert.equal((await relay.svix.eventType.get(name)).archived, true);
  await call(name, { expunge: true });
  await refused(404, relay.svix.eventType.get(name));
});

const importing = "eventType.importOpenapi";

operation("v1.event-type.import-openapi", importing, async function importOpenapi(relay, call) {
  const name = `${relay.prefix}.imported`;
  const specRaw = JSON.stringify(documentWith(name));
  const tried = await call({ specRaw, dryRun: true });
  same(tried.data.toModify.map((eventType) => eventType.name), [name]);
  await refused(404, relay.svix.eventType.get(name));
  same((await call({ specRaw })).data.modified, [name]);
  const shown = await relay.svix.eventType.get(name);
  same([shown.description, shown.schemas["1"].title], ["A pet is new", "Pet"]);
  const second = `${name}.too`;
  same((await call({ spec: documentWith(second) })).data.modified, [second]);
  await relay.svix.eventType.get(second);
  await refused(422, call({ specRaw: "- not: a document" }));
});
