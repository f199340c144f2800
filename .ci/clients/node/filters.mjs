// Every filter of every list of messages and attempts.

import assert from "node:assert/strict";

import { operation, same } from "./harness.mjs";

// Three messages unlike each other, to an endpoint that takes them and one that fails.
async function mixed(relay) {
  const app = await relay.application();
  const good = await relay.endpoint(app, { uid: "good" });
  const bad = await relay.endpoint(app, { uid: "bad" }, relay.receiver.hook(500));
  const sent = [];
  for (const fields of [
    { eventType: "a.one", channels: ["eu"], tags: ["x"], payload: { n: 1 } },
    { eventType: "a.two", channels: ["us"], tags: ["y"], payload: { n: 2 } },
    { eventType: "a.three", payload: { n: 3 } },
  ]) {
    const message = await relay.send(app, fields);
    // one after the other, so that times tell them apart
    await relay.settled(app, message, 2);
    sent.push(message);
  }
  return { app, good, bad, sent, ids: sent.map((message) => message.id) };
}

// What all of the lists know; `numbers` gives which of the messages a list has, each once.
async function checkCommon({ sent }, numbers) {
  same(await numbers({}), [0, 1, 2]);
  same(await numbers({ channel: "eu" }), [0]);
  same(await numbers({ channel: "nowhere" }), []);
  same(await numbers({ tag: "y" }), [1]);
  same(await numbers({ eventTypes: ["a.one", "a.three"] }), [0, 2]);
  same(await numbers({ eventTypes: ["none"] }), []);
  const last = sent[2].timestamp;
  same(await numbers({ after: new Date(last.getTime() - 2) }), [2]);
  same(await numbers({ before: new Date(last.getTime() - 2) }), [0, 1]);
  same(await numbers({ tag: "x", eventTypes: ["a.two"] }), []);
}

const numbering = ({ app, ids }, key, call, ...path) => async (options) => {
  const { data } = await call(app.id, ...path, options);
  return [...new Set(data.map((item) => ids.indexOf(item[key])))].sort();
};

operation("v1.message.list", "message.list", async function messageListFilters(relay, call) {
  const all = await relay.once(mixed);
  await checkCommon(all, numbering(all, "id", call));
  const payloads = async (withContent) =>
    (await call(all.app.id, { withContent })).data.map((message) => message.payload);
  same(await payloads(true), [{ n: 3 }, { n: 2 }, { n: 1 }]);
  same(await payloads(false), [{}, {}, {}]);
});

const byEndpoint = "messageAttempt.listByEndpoint";

operation("v1.message-attempt.list-by-endpoint", byEndpoint, async function filters(relay, call) {
  const all = await relay.once(mixed);
  const { app, ids } = all;
  await checkCommon(all, numbering(all, "msgId", call, "good"));
  const bad = numbering(all, "msgId", call, "bad");
  same(await bad({ status: 2 }), [0, 1, 2]);
  same(await bad({ status: 0 }), []);
  same(await bad({ statusCodeClass: 500 }), [0, 1, 2]);
  same(await bad({ statusCodeClass: 200 }), []);
  assert.equal((await call(app.id, "bad")).data.length, 6);
  const told = (await call(app.id, "good", { withMsg: true })).data;
  same(told.map((attempt) => attempt.msg.id), ids.toReversed());
  const untold = (await call(app.id, "good", { withMsg: false })).data;
  assert.ok(untold.every((attempt) => !attempt.msg));
  for (const [withContent, response] of [[true, "answer"], [false, ""]]) {
    const { data } = await call(app.id, "bad", { withContent });
    assert.ok(data.every((attempt) => attempt.response === response));
  }
});

const byMessage = "messageAttempt.listByMsg";

operation("v1.message-attempt.list-by-msg", byMessage, async function filters(relay, call) {
  const { app, good, bad, sent } = await relay.once(mixed);
  const endpoints = async (options) =>
    (await call(app.id, sent[0].id, options)).data.map((attempt) => attempt.endpointId).sort();
  const [fine, failed] = [[good.id], [bad.id, bad.id]];
  const every = [...fine, ...failed].sort();
  same(await endpoints({}), every);
  same(await endpoints({ endpointId: good.id }), fine);
  same(await endpoints({ endpointId: "bad" }), failed);
  same(await endpoints({ status: 0 }), fine);
  same(await endpoints({ status: 2 }), failed);
  same(await endpoints({ statusCodeClass: 500 }), failed);
  same(await endpoints({ channel: "eu", tag: "x", eventTypes: ["a.one"] }), every);
  same(await endpoints({ channel: "us" }), []);
  same(await endpoints({ tag: "y" }), []);
  same(await endpoints({ eventTypes: ["a.two"] }), []);
  same(await endpoints({ after: sent[2].timestamp }), []);
  same(await endpoints({ before: sent[0].timestamp }), []);
});

operation("v1.message-attempt.list-by-msg", byMessage, async function pages(relay, call) {
  const { app, ids } = await relay.once(mixed);
  const page = await call(app.id, ids[0], { limit: 2 });
  same([page.data.length, page.done], [2, false]);
  const rest = await call(app.id, ids[0], { limit: 2, iterator: page.iterator });
  same([rest.data.length, rest.done], [1, true]);
  const back = await call(app.id, ids[0], { limit: 2, iterator: rest.prevIterator });
  same(back.data, page.data);
});

const attempted = "messageAttempt.listAttemptedMessages";

operation("v1.message-attempt.list-attempted-messages", attempted, async function (relay, call) {
  const all = await relay.once(mixed);
  await checkCommon(all, numbering(all, "id", call, "good"));
  same(await numbering(all, "id", call, "bad")({ status: 2 }), [0, 1, 2]);
  same(await numbering(all, "id", call, "bad")({ status: 0 }), []);
});
