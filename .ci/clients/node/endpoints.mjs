// Endpoints, their headers, secrets, figures and examples.

import assert from "node:assert/strict";

import {
  MANY, ago, asBoth, eventTypesOf, headerNames, operation, refused, same, several, sorted, walk,
} from "./harness.mjs";

// An application with endpoints enough for several pages, and the message that all got.
async function crowded(relay) {
  const app = await relay.application();
  const hook = relay.receiver.hook();
  const made = await several(MANY, () => relay.endpoint(app, {}, hook));
  return { app, ids: made.map((endpoint) => endpoint.id).sort(), message: await relay.send(app) };
}

operation("v1.endpoint.list", "endpoint.list", async function endpointList(relay, call) {
  const { app, ids } = await relay.once(crowded);
  for (const order of ["ascending", "descending"]) {
    const walked = await walk((options) => call(app.id, { order, ...options }), 60);
    same(walked, sorted(ids, order));
  }
  assert.ok(!JSON.stringify(await call(app.id)).includes("whsec_"), "a secret in a list");
});

const destinations = "messageAttempt.listAttemptedDestinations";

operation(
  "v1.message-attempt.list-attempted-destinations",
  destinations,
  async function listAttemptedDestinations(relay, call) {
    const { app, ids, message } = await relay.once(crowded);
    const walked = await walk((options) => call(app.id, message.id, options), 60);
    same(walked.sort(), ids);
    const other = await relay.application();
    const endpoint = await relay.endpoint(other, {}, relay.receiver.hook(500));
    const [state] = await relay.settled(other, await relay.send(other));
    same([state.id, state.status, state.statusText], [endpoint.id, 2, "fail"]);
  },
);

operation("v1.endpoint.create", "endpoint.create", async function endpointCreate(relay, call) {
  const app = await relay.application();
  const { url } = relay.receiver.hook();
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const fields = {
    url, uid: "books", eventTypes: ["a.b"], channels: ["eu"], throttleRate: 7, secret,
    description: "Books", metadata: { a: "b" }, disabled: false, headers: { "X-Team": "books" },
  };
  const made = await call(app.id, asBoth(fields));
  const shown = await relay.svix.endpoint.get(app.id, "books");
  same([shown.id, shown.url, shown.description], [made.id, url, "Books"]);
  same([eventTypesOf(shown), shown.channels, shown.throttleRate], [["a.b"], ["eu"], 7]);
  same([shown.metadata, shown.disabled], [{ a: "b" }, false]);
  assert.equal((await relay.svix.endpoint.getSecret(app.id, made.id)).key, secret);
  const { headers } = await relay.svix.endpoint.getHeaders(app.id, made.id);
  same(Object.values(headers), ["books"]);
  same((await refused(422, call(app.id, { url: "nonsense" }))).detail[0].loc, ["body", "url"]);
  await refused(409, call(app.id, { url, uid: "books" }));
  await refused(404, call("nobody", { url }));
  await refused(422, call(app.id, { url, metadata: { a: "b".repeat(4096) } }));
});

operation("v1.endpoint.create", "endpoint.create", async function createTwice(relay, call) {
  const app = await relay.application();
  const { url } = relay.receiver.hook();
  const made = await call(app.id, { url }, { idempotencyKey: "once" });
  assert.equal((await call(app.id, { url }, { idempotencyKey: "once" })).id, made.id);
  assert.equal((await relay.svix.endpoint.list(app.id)).data.length, 1);
});

operation("v1.endpoint.get", "endpoint.get", async function endpointGet(relay, call) {
  const app = await relay.application();
  const endpoint = await relay.endpoint(app, { uid: "books" });
  same(await call(app.uid, "books"), endpoint);
  same(await call(app.id, endpoint.id), endpoint);
  await refused(404, call((await relay.application()).id, endpoint.id));
});

const update = "endpoint.upsert endpoint.update";

operation("v1.endpoint.update", update, async function endpointUpdate(relay, call) {
  const app = await relay.application();
  const { url } = relay.receiver.hook();
  const made = await call(app.id, "books", asBoth({ url, uid: "books", eventTypes: ["a.b"] }));
  const again = await call(app.id, "books", { url, uid: "books", description: "B" });
  same([again.id, again.description, eventTypesOf(again)], [made.id, "B", null]);
  assert.equal((await relay.svix.endpoint.list(app.id)).data.length, 1);
});

operation("v1.endpoint.patch", "endpoint.patch", async function endpointPatch(relay, call) {
  const app = await relay.application();
  const fields = { eventTypes: ["a.b"], channels: ["eu"], throttleRate: 5 };
  const { id } = await relay.endpoint(app, fields);
  let patched = await call(app.id, id, { description: "B", channels: null });
  same([patched.description, patched.channels ?? null], ["B", null]);
  same([eventTypesOf(patched), patched.throttleRate], [["a.b"], 5]);
  patched = await call(app.id, id, asBoth({ eventTypes: null, disabled: true }));
  same([eventTypesOf(patched), patched.disabled, patched.description], [null, true, "B"]);
});

operation("v1.endpoint.delete", "endpoint.delete", async function endpointDelete(relay, call) {
  const app = await relay.application();
  const { id } = await relay.endpoint(app);
  await call(app.id, id);
  await refused(404, relay.svix.endpoint.get(app.id, id));
  same((await relay.svix.endpoint.list(app.id)).data, []);
});

operation("v1.endpoint.get-secret", "endpoint.getSecret", async function getSecret(relay, call) {
  const app = await relay.application();
  const hook = relay.receiver.hook();
  const { id } = await relay.endpoint(app, {}, hook);
  await relay.send(app);
  const { headers, body } = await hook.take();
  new relay.library.Webhook((await call(app.id, id)).key).verify(body, headers);
});

const rotate = "endpoint.rotateSecret";

operation("v1.endpoint.rotate-secret", rotate, async function rotateSecret(relay, call) {
  const app = await relay.application();
  const hook = relay.receiver.hook();
  const { id } = await relay.endpoint(app, {}, hook);
  const keyNow = async () => (await relay.svix.endpoint.getSecret(app.id, id)).key;
  const old = await keyNow();
  await call(app.id, id, {});
  const key = await keyNow();
  assert.notEqual(key, old);
  const own = `whsec_${"A".repeat(32)}`;
  await call(app.id, id, { key: own });
  assert.equal(await keyNow(), own);
  await relay.send(app);
  const { headers, body } = await hook.take();
  for (const secret of [old, key, own]) new relay.library.Webhook(secret).verify(body, headers);
  await refused(422, call(app.id, id, { key: "whsec_short" }));
});

const setHeaders = "endpoint.setHeaders endpoint.updateHeaders";

operation("v1.endpoint.update-headers", setHeaders, async function updateHeaders(relay, call) {
  const app = await relay.application();
  const hook = relay.receiver.hook();
  const { id } = await relay.endpoint(app, {}, hook);
  await call(app.id, id, { headers: { "X-One": "1", "X-Two": "2" } });
  await call(app.id, id, { headers: { "X-Two": "3", Authorization: "Bearer hush" } });
  await relay.send(app);
  const { headers } = await hook.take();
  same([headers["x-one"], headers["x-two"]], [undefined, "3"]);
  assert.equal(headers.authorization, "Bearer hush");
  await refused(422, call(app.id, id, { headers: { "webhook-id": "1" } }));
});

operation("v1.endpoint.get-headers", "endpoint.getHeaders", async function getHeaders(relay, call) {
  const app = await relay.application();
  const headers = { "X-Team": "books", Authorization: "Bearer hush" };
  const shown = await call(app.id, (await relay.endpoint(app, { headers })).id);
  same(headerNames(shown.headers), { "x-team": "books" });
  same(shown.sensitive.map((name) => name.toLowerCase()), ["authorization"]);
});

operation("v1.endpoint.patch-headers", "endpoint.patchHeaders", async function patch(relay, call) {
  const app = await relay.application();
  const { id } = await relay.endpoint(app, { headers: { "X-One": "1", "X-Two": "2" } });
  await call(app.id, id, { headers: { "X-Three": "3" } });
  await call(app.id, id, { headers: {}, deleteHeaders: ["X-One"] });
  const shown = await relay.svix.endpoint.getHeaders(app.id, id);
  same(headerNames(shown.headers), { "x-two": "2", "x-three": "3" });
});

operation("v1.endpoint.get-stats", "endpoint.getStats", async function getStats(relay, call) {
  const app = await relay.application();
  const { id } = await relay.endpoint(app);
  for (let count = 0; count < 3; count += 1) await relay.settled(app, await relay.send(app));
  const stats = await call(app.id, id);
  same([stats.success, stats.pending, stats.sending, stats.fail], [3, 0, 0, 0]);
  assert.equal((await call(app.id, id, { since: ago(2), until: ago(1) })).success, 0);
});

const attemptStats = "endpoint.getAttemptStats";

operation("v1.endpoint.get-attempt-stats", attemptStats, async function stats(relay, call) {
  const app = await relay.application();
  const { id } = await relay.endpoint(app, {}, relay.receiver.hook(500));
  await relay.settled(app, await relay.send(app));
  const { success, fail, canceled } = await call(app.id, id);
  same([success, fail, canceled], [0, 2, 0]);
});

operation("v1.endpoint.send-example", "endpoint.sendExample", async function example(relay, call) {
  const schemas = { 1: { type: "object", examples: [{ number: 1 }, { number: 2 }] } };
  const eventType = (await relay.eventType({ schemas })).name;
  const app = await relay.application();
  const hook = relay.receiver.hook();
  const { id } = await relay.endpoint(app, { eventTypes: ["something.else"] }, hook);
  const sent = await call(app.id, id, { eventType });
  const shown = await relay.svix.message.get(app.id, sent.id, { withContent: true });
  same(shown.payload, { number: 1 });
  const { headers, body } = await hook.take();
  assert.equal(headers["webhook-id"], sent.id);
  same(JSON.parse(body), { number: 1 });
  const { detail } = await refused(422, call(app.id, id, { eventType: "not.there" }));
  same(detail[0].loc, ["body", "eventType"]);
});
