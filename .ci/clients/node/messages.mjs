// Messages: made, kept, found and taken away.

import assert from "node:assert/strict";

import { MANY, ago, operation, refused, same, several, sorted, walk } from "./harness.mjs";

// An application whose endpoint got messages enough for several pages.
async function busy(relay) {
  const app = await relay.application();
  const endpoint = await relay.endpoint(app);
  const sent = await several(MANY, (n) => relay.send(app, { payload: { n } }));
  for (const message of sent) await relay.settled(app, message);
  return { app, endpoint, ids: sent.map((message) => message.id).sort() };
}

operation("v1.message.list", "message.list", async function messageList(relay, call) {
  const { app, ids } = await relay.once(busy);
  same(await walk((options) => call(app.id, options), 60), sorted(ids, "descending"));
});

const byEndpoint = "messageAttempt.listByEndpoint";

operation("v1.message-attempt.list-by-endpoint", byEndpoint, async function pages(relay, call) {
  const { app, endpoint, ids } = await relay.once(busy);
  const page = (options) => call(app.id, endpoint.id, options);
  assert.equal((await walk(page, 60)).length, ids.length);
  same((await walk(page, 60, "msgId")).sort(), ids);
});

const attempted = "messageAttempt.listAttemptedMessages";

operation("v1.message-attempt.list-attempted-messages", attempted, async (relay, call) => {
  const { app, endpoint, ids } = await relay.once(busy);
  same((await walk((options) => call(app.id, endpoint.id, options), 60)).sort(), ids);
});

const create = "message.create";

operation("v1.message.create", create, async function messageCreate(relay, call) {
  const app = await relay.application();
  const hook = relay.receiver.hook();
  await relay.endpoint(app, {}, hook);
  const payload = { type: "a.b", data: { to: "Zoë", big: 2 ** 53 } };
  const fields = { eventType: "a.b", payload, eventId: "e1", channels: ["eu"], tags: ["t"] };
  const sent = await call(app.uid, fields, { withContent: true });
  same([sent.payload, sent.eventId, sent.tags], [payload, "e1", ["t"]]);
  const { headers, body } = await hook.take();
  same([headers["webhook-id"], headers["content-type"]], [sent.id, "application/json"]);
  same(JSON.parse(body), payload);
  const twin = { eventType: "a.b", payload: {}, eventId: "e1" };
  assert.equal((await refused(409, call(app.id, twin))).code, "conflict");
  const { detail } = await refused(422, call(app.id, { eventType: "a b", payload: {} }));
  same(detail[0].loc, ["body", "eventType"]);
  const bare = await call(app.id, { eventType: "a.b", payload }, { withContent: false });
  same(bare.payload, {});
});

operation("v1.message.create", create, async function createTwiceWithOneKey(relay, call) {
  const app = await relay.application();
  const hook = relay.receiver.hook();
  await relay.endpoint(app, {}, hook);
  const body = { eventType: "a.b", payload: { n: 1 } };
  const answers = await several(4, () => call(app.id, body, { idempotencyKey: "once" }));
  assert.equal(new Set(answers.map((answer) => answer.id)).size, 1);
  const last = await relay.send(app);
  const arrivals = [await hook.take(), await hook.take()];
  const arrived = arrivals.map(({ headers }) => headers["webhook-id"]);
  same(arrived.sort(), [answers[0].id, last.id].sort());
  assert.equal((await relay.svix.message.list(app.id)).data.length, 2);
});

operation("v1.message.create", create, async function withItsApplication(relay, call) {
  const uid = relay.name();
  const body = { eventType: "a.b", payload: {} };
  await refused(404, call(uid, body));
  await call(uid, { ...body, application: { name: "On the fly", uid } });
  assert.equal((await relay.svix.application.get(uid)).name, "On the fly");
});

// The relay of this run keeps messages 30 days.
operation("v1.message.create", create, async function keptTooLong(relay, call) {
  const app = await relay.application();
  const body = { eventType: "a.b", payload: {} };
  await call(app.id, { ...body, payloadRetentionPeriod: 30 });
  const { detail } = await refused(422, call(app.id, { ...body, payloadRetentionPeriod: 31 }));
  same(detail[0].loc, ["body", "payloadRetentionPeriod"]);
});

operation("v1.message.create", create, async function toSubscribersOnly(relay, call) {
  const app = await relay.application();
  const subscriptions = {
    exact: { eventTypes: ["a.b"] }, other: { eventTypes: ["c.d"] },
    eu: { channels: ["eu"] }, all: {}, off: { disabled: true },
  };
  for (const [uid, fields] of Object.entries(subscriptions)) {
    await relay.endpoint(app, { uid, ...fields });
  }
  const got = async (message, count) =>
    (await relay.settled(app, message, count)).map((state) => state.uid).sort();
  same(await got(await call(app.id, { eventType: "a.b", payload: {} }), 2), ["all", "exact"]);
  const both = await call(app.id, { eventType: "c.d", payload: {}, channels: ["eu"] });
  same(await got(both, 3), ["all", "eu", "other"]);
});

operation("v1.message.get", "message.get", async function messageGet(relay, call) {
  const app = await relay.application();
  const sent = await relay.send(app, { eventId: "e1", payload: { n: 1 } });
  const shown = await call(app.uid, "e1", { withContent: true });
  same([shown.id, shown.payload, shown.eventType], [sent.id, { n: 1 }, "a.b"]);
  same((await call(app.id, sent.id, { withContent: false })).payload, {});
  await refused(404, call((await relay.application()).id, sent.id));
});

operation("v1.message.precheck", "message.precheck", async function precheck(relay, call) {
  const app = await relay.application();
  await relay.endpoint(app, { eventTypes: ["a.b"] });
  assert.equal((await call(app.id, { eventType: "a.b" })).active, true);
  assert.equal((await call(app.id, { eventType: "c.d" })).active, false);
});

async function expunged(relay, app, message) {
  const { payload } = await relay.svix.message.get(app.id, message.id, { withContent: true });
  return payload.expired === true;
}

operation("v1.message.expunge-content", "message.expungeContent", async function one(relay, call) {
  const app = await relay.application();
  const [sent, other] = [await relay.send(app), await relay.send(app)];
  await call(app.id, sent.id);
  same([await expunged(relay, app, sent), await expunged(relay, app, other)], [true, false]);
  await refused(404, call(app.id, "msg_nothing"));
});

const bulk = "message.bulkExpungeContent";

operation("v1.message.bulk-expunge", bulk, async function bulkExpunge(relay, call) {
  const app = await relay.application();
  const sent = await several(3, () => relay.send(app));
  const ids = sent.slice(0, 2).map((message) => message.id);
  const { results } = await call(app.id, { ids });
  same(Object.keys(results).sort(), ids.sort());
  const gone = await Promise.all(sent.map((message) => expunged(relay, app, message)));
  same(gone, [true, true, false]);
});

const all = "message.expungeAllContents";

operation("v1.message.expunge-all-contents", all, async function expungeAll(relay, call) {
  const app = await relay.application();
  const sent = await several(3, () => relay.send(app));
  await relay.finished((await call(app.id)).id);
  const gone = await Promise.all(sent.map((message) => expunged(relay, app, message)));
  same(gone, [true, true, true]);
});

operation("v1.message-attempt.get", "messageAttempt.get", async function attemptGet(relay, call) {
  const app = await relay.application();
  const endpoint = await relay.endpoint(app, {}, relay.receiver.hook(503));
  const sent = await relay.send(app);
  await relay.settled(app, sent);
  const options = { withContent: true };
  const { data } = await relay.svix.messageAttempt.listByMsg(app.id, sent.id, options);
  assert.equal(data.length, 2);
  const shown = await call(app.id, sent.id, data[0].id);
  same([shown.msgId, shown.endpointId, shown.url], [sent.id, endpoint.id, endpoint.url]);
  same([shown.responseStatusCode, shown.response, shown.status], [503, "answer", 2]);
  same([shown.triggerType, shown.timestamp > ago(0.1)], [0, true]);
  await refused(404, call(app.id, sent.id, "atmpt_nothing"));
});

const expunge = "messageAttempt.expungeContent";

operation("v1.message-attempt.expunge-content", expunge, async function attempt(relay, call) {
  const app = await relay.application();
  await relay.endpoint(app, {}, relay.receiver.hook(500));
  const sent = await relay.send(app);
  await relay.settled(app, sent);
  const [first, second] = (await relay.svix.messageAttempt.listByMsg(app.id, sent.id)).data;
  await call(app.id, sent.id, first.id);
  const shown = (id) => relay.svix.messageAttempt.get(app.id, sent.id, id);
  assert.notEqual((await shown(first.id)).response, "answer");
  assert.equal((await shown(second.id)).response, "answer");
});

const sentHeaders = "messageAttempt.getHeaders";

operation("v1.message-attempt.get-headers", sentHeaders, async function headers(relay, call) {
  const app = await relay.application();
  await relay.endpoint(app, { headers: { "X-Team": "books", Authorization: "Bearer hush" } });
  const sent = await relay.send(app);
  await relay.settled(app, sent);
  const [attempt] = (await relay.svix.messageAttempt.listByMsg(app.id, sent.id)).data;
  const shown = await call(app.id, sent.id, attempt.id);
  assert.equal(shown.sentHeaders["webhook-id"], sent.id);
  assert.ok(!JSON.stringify(shown).includes("hush"));
});
