// Applications, and errors as the library's own types.

import assert from "node:assert/strict";

import { MANY, operation, refused, same, several, sorted, walk } from "./harness.mjs";

operation("v1.health.get", "health.get", async function healthGet(_, call) {
  await call();
});

operation("v1.application.list", "application.list", async function applicationList(relay, call) {
  const made = await several(MANY, () => relay.application());
  for (const order of ["ascending", "descending"]) {
    const walked = await walk((options) => call({ order, ...options }), 100);
    const all = new Set(walked);
    assert.ok(made.every((app) => all.has(app.id)), "what was created does not come back");
    same(walked, sorted(walked, order));
  }
  await refused(422, call({ limit: 251 }));
});

const create = "application.create";

operation("v1.application.create", create, async function applicationCreate(relay, call) {
  const uid = relay.name();
  const made = await call({ name: "Zoë", uid, throttleRate: 50, metadata: { plan: "pro" } });
  const shown = await relay.svix.application.get(uid);
  same([shown.id, shown.name, shown.throttleRate], [made.id, "Zoë", 50]);
  same(shown.metadata, { plan: "pro" });
  assert.equal((await refused(409, call({ name: "Twin", uid }))).code, "conflict");
  same((await refused(422, call({ name: "" }))).detail[0].loc, ["body", "name"]);
  await call({ name: "Full", metadata: { a: "b".repeat(4095) } });
  await refused(422, call({ name: "Over", metadata: { a: "b".repeat(4096) } }));
});

operation("v1.application.create", create, async function createTwiceWithOneKey(relay, call) {
  const name = relay.name();
  const made = await call({ name }, { idempotencyKey: name });
  assert.equal((await call({ name }, { idempotencyKey: name })).id, made.id);
  await refused(409, call({ name: "another" }, { idempotencyKey: name }));
});

const getOrCreate = "application.getOrCreate";

operation("v1.application.create", getOrCreate, async function existing(relay, call) {
  const uid = relay.name();
  const made = await call({ name: "One", uid });
  const again = await call({ name: "Two", uid });
  same([again.id, again.name], [made.id, "One"]);
});

operation("v1.application.get", "application.get", async function applicationGet(relay, call) {
  const app = await relay.application();
  same(await call(app.id), app);
  same(await call(app.uid), app);
  assert.equal((await refused(404, call("nobody"))).code, "not_found");
  const stranger = relay.asCaller("not a token");
  const { code } = await refused(401, stranger.application.get(app.id));
  assert.equal(code, "authentication_failed");
});

const update = "application.upsert application.update";

operation("v1.application.update", update, async function applicationUpdate(relay, call) {
  const uid = relay.name();
  const made = await call(uid, { name: "Made", uid, metadata: { a: "b" } });
  const again = await call(uid, { name: "Changed", uid });
  same([again.id, again.name, again.metadata], [made.id, "Changed", {}]);
});

operation("v1.application.patch", "application.patch", async function patch(relay, call) {
  const app = await relay.application({ throttleRate: 9, metadata: { a: "b" } });
  let patched = await call(app.id, { name: "New" });
  same([patched.name, patched.throttleRate, patched.uid], ["New", 9, app.uid]);
  same(patched.metadata, { a: "b" });
  patched = await call(app.id, { throttleRate: null });
  same([patched.name, patched.throttleRate ?? null, patched.uid], ["New", null, app.uid]);
  assert.equal((await call(app.id, { uid: null })).uid ?? null, null);
  await refused(404, relay.svix.application.get(app.uid));
});

operation("v1.application.delete", "application.delete", async function remove(relay, call) {
  const app = await relay.application();
  const message = await relay.send(app);
  await call(app.uid);
  await refused(404, relay.svix.application.get(app.id));
  await refused(404, relay.svix.message.get(app.id, message.id));
  await refused(404, call(app.id));
});
