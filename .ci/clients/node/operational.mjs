// Operational webhooks, pollers and transformations.

import assert from "node:assert/strict";

import { ago, asBoth, headerNames, operation, refused, same, several } from "./harness.mjs";

// Version 1 has the calls at another place than version 2.
const calls = ({ svix }) => svix.operationalWebhook?.endpoint ?? svix.operationalWebhookEndpoint;
const method = (...names) =>
  ["operationalWebhook.endpoint", "operationalWebhookEndpoint"]
    .flatMap((place) => names.map((name) => `${place}.${name}`))
    .join(" ");

const operationalEndpoint = (relay, fields = {}, hook = relay.receiver.hook()) =>
  calls(relay).create({ url: hook.url, uid: relay.name(), ...fields });

const id = "v1.operational-webhook-endpoint";

// What is told arrives, signed, of the kinds that were asked for.
operation(`${id}.create`, method("create"), async function create(relay, call) {
  const hook = relay.receiver.hook();
  const eventTypes = ["endpoint.created", "endpoint.deleted"];
  const made = await call(asBoth({ url: hook.url, uid: relay.name(), eventTypes }));
  const secret = (await calls(relay).getSecret(made.id)).key;
  const app = await relay.application();
  const endpoint = await relay.endpoint(app);
  await relay.svix.endpoint.patch(app.id, endpoint.id, { description: "B" });
  await relay.svix.endpoint.delete(app.id, endpoint.id);
  for (const kind of eventTypes) {
    const { headers, body } = await hook.take();
    new relay.library.Webhook(secret).verify(body, headers);
    const { type, data } = JSON.parse(body);
    same([type, data.endpointId], [kind, endpoint.id]);
    same([data.appId, data.appUid], [app.id, app.uid]);
  }
  await calls(relay).delete(made.id);
});

// An endpoint that is gone: its delivery is given up, and it is disabled.
operation(`${id}.create`, method("create"), async function tellsOfDeliveries(relay) {
  const hook = relay.receiver.hook();
  const eventTypes = ["endpoint.disabled", "endpoint.updated", "message.attempt.exhausted"];
  const toldTo = await operationalEndpoint(relay, asBoth({ eventTypes }), hook);
  const app = await relay.application();
  const gone = await relay.endpoint(app, {}, relay.receiver.hook(410));
  const sent = await relay.send(app, { eventId: "e1" });
  await relay.svix.endpoint.patch(app.id, gone.id, { description: "B" });
  const told = (await several(3, () => hook.take())).map(({ body }) => JSON.parse(body));
  same(told.map((each) => each.type).sort(), eventTypes);
  const of = (type) => told.find((each) => each.type === type).data;
  const { msgId, msgEventId, lastAttempt } = of("message.attempt.exhausted");
  same([msgId, msgEventId, lastAttempt.responseStatusCode], [sent.id, "e1", 410]);
  assert.ok(of("endpoint.disabled").failSince);
  assert.equal((await relay.svix.endpoint.get(app.id, gone.id)).disabled, true);
  await calls(relay).delete(toldTo.id);
});

operation(`${id}.list`, method("list"), async function list(relay, call) {
  const made = await several(3, () => operationalEndpoint(relay, { disabled: true }));
  const listed = new Set((await call()).data.map((endpoint) => endpoint.id));
  assert.ok(made.every((endpoint) => listed.has(endpoint.id)));
  const page = await call({ limit: 1, order: "ascending" });
  const next = await call({ limit: 1, order: "ascending", iterator: page.iterator });
  assert.ok(next.data[0].id > page.data[0].id);
  for (const endpoint of made) await calls(relay).delete(endpoint.id);
});

operation(`${id}.get`, method("get"), async function get(relay, call) {
  const made = await operationalEndpoint(relay, { disabled: true });
  same(await call(made.id), made);
  same(await call(made.uid), made);
  await refused(404, call("nobody"));
});

operation(`${id}.update`, method("upsert", "update"), async function update(relay, call) {
  const made = await operationalEndpoint(relay, { disabled: true });
  const fields = { url: made.url, uid: made.uid, description: "B", disabled: true };
  const changed = await call(made.id, fields);
  same([changed.id, changed.description], [made.id, "B"]);
});

operation(`${id}.delete`, method("delete"), async function remove(relay, call) {
  const made = await operationalEndpoint(relay);
  await call(made.id);
  await refused(404, calls(relay).get(made.id));
});

operation(`${id}.get-secret`, method("getSecret"), async function getSecret(relay, call) {
  const secret = `whsec_${"B".repeat(32)}`;
  const made = await operationalEndpoint(relay, { disabled: true, secret });
  assert.equal((await call(made.id)).key, secret);
});

operation(`${id}.rotate-secret`, method("rotateSecret"), async function rotate(relay, call) {
  const hook = relay.receiver.hook();
  const made = await operationalEndpoint(relay, {}, hook);
  const keyNow = async () => (await calls(relay).getSecret(made.id)).key;
  const old = await keyNow();
  await call(made.id, {});
  const key = await keyNow();
  assert.notEqual(key, old);
  await relay.endpoint(await relay.application());
  const { headers, body } = await hook.take();
  for (const secret of [old, key]) new relay.library.Webhook(secret).verify(body, headers);
  await calls(relay).delete(made.id);
});

async function headersComeBack(relay) {
  const made = await operationalEndpoint(relay, { disabled: true });
  const endpoint = calls(relay);
  const set = (endpoint.setHeaders ?? endpoint.updateHeaders).bind(endpoint);
  await set(made.id, { headers: { "X-Team": "ops", Authorization: "hush" } });
  const shown = await endpoint.getHeaders(made.id);
  same(headerNames(shown.headers), { "x-team": "ops" });
  same(shown.sensitive.map((name) => name.toLowerCase()), ["authorization"]);
}

operation(`${id}.get-headers`, method("getHeaders"), headersComeBack);
operation(`${id}.update-headers`, method("setHeaders", "updateHeaders"), headersComeBack);

// An application with a sink that sees some of its messages.
async function polled(relay) {
  const app = await relay.application();
  await relay.endpoint(app, { uid: "sink", disabled: true, eventTypes: ["news.*"] });
  await relay.send(app, { eventType: "other" });
  for (let n = 0; n < 4; n += 1) {
    await relay.send(app, { eventType: "news.own", eventId: `n${n}`, payload: { n } });
  }
  return app;
}

const eventIds = (page) => page.data.map((message) => message.eventId);
const poll = "v1.message-poller";

operation(`${poll}.poll`, "message.poller.poll", async function polling(relay, call) {
  const app = await relay.once(polled);
  const page = await call(app.id, "sink", { limit: 3 });
  same([eventIds(page), page.done], [["n0", "n1", "n2"], false]);
  same(page.data[1].payload, { n: 1 });
  const rest = await call(app.id, "sink", { iterator: page.iterator });
  same([eventIds(rest), rest.done], [["n3"], true]);
  same(eventIds(await call(app.id, "sink", { eventType: "news.other" })), []);
});

operation(`${poll}.consumer-poll`, "message.poller.consumerPoll", async function (relay, call) {
  const app = await relay.once(polled);
  const consume = (options) => call(app.id, "sink", "worker", { limit: 3, ...options });
  const first = await consume();
  same([eventIds(first), first.done], [["n0", "n1", "n2"], false]);
  same(eventIds(await consume()), ["n0", "n1", "n2"]);
  const rest = await consume({ iterator: first.iterator });
  same([eventIds(rest), rest.done], [["n3"], true]);
});

operation(`${poll}.consumer-seek`, "message.poller.consumerSeek", async function (relay, call) {
  const app = await relay.once(polled);
  const { poller } = relay.svix.message;
  const consume = (options) => poller.consumerPoll(app.id, "sink", "seeker", options);
  const first = await consume({ limit: 4 });
  await consume({ limit: 4, iterator: first.iterator });
  await call(app.id, "sink", "seeker", { after: ago(1) });
  same(eventIds(await consume({ limit: 4 })), ["n0", "n1", "n2", "n3"]);
});

const get = "endpoint.transformation.get endpoint.transformationGet";

operation("v1.endpoint.transformation-get", get, async function transformation(relay, call) {
  const app = await relay.application();
  const shown = await call(app.id, (await relay.endpoint(app)).id);
  same([shown.enabled ?? false, shown.code ?? null], [false, null]);
});

const patch = "endpoint.transformation.patch endpoint.patchTransformation";

operation("v1.endpoint.patch-transformation", patch, async function transformation(relay, call) {
  const app = await relay.application();
  await call(app.id, (await relay.endpoint(app)).id, { code: "function handler(w) { return w }" });
});
