// Resend, recover and replay reach a real receiver; background tasks are awaited.

import assert from "node:assert/strict";

import { ago, operation, refused, same, several, until } from "./harness.mjs";

// An application whose endpoint failed `count` messages, and the hook, which now takes them.
async function failed(relay, count) {
  const app = await relay.application();
  const hook = relay.receiver.hook(500);
  const endpoint = await relay.endpoint(app, {}, hook);
  const sent = await several(count, () => relay.send(app));
  for (const message of sent) await relay.settled(app, message);
  await several(2 * count, () => hook.take());
  hook.status = 204;
  return { app, endpoint, hook, ids: sent.map((message) => message.id).sort() };
}

const arrived = async (hook, count) =>
  (await several(count, () => hook.take())).map(({ headers }) => headers["webhook-id"]).sort();

operation("v1.message-attempt.resend", "messageAttempt.resend", async function resend(relay, call) {
  const { app, endpoint, hook, ids } = await failed(relay, 1);
  await call(app.id, ids[0], endpoint.id);
  same(await arrived(hook, 1), ids);
  const delivered = await until("the attempt in the list", async () => {
    const { data } = await relay.svix.messageAttempt.listByMsg(app.id, ids[0], { status: 0 });
    return data[0];
  });
  assert.equal(delivered.triggerType, 1);
  await refused(404, call(app.id, ids[0], "ep_nothing"));
});

operation("v1.endpoint.recover", "endpoint.recover", async function recover(relay, call) {
  const { app, endpoint, hook, ids } = await failed(relay, 3);
  const begun = await call(app.id, endpoint.id, { since: ago(1) });
  same([begun.task, begun.id.slice(0, 6)], ["endpoint.recover", "qtask_"]);
  await relay.finished(begun.id);
  same(await arrived(hook, 3), ids);
  for (const id of ids) assert.equal((await relay.settled(app, { id }))[0].status, 0);
  const stats = await relay.svix.endpoint.getStats(app.id, endpoint.id);
  same([stats.success, stats.fail], [3, 0]);
  const again = await call(app.id, endpoint.id, { since: ago(1) });
  assert.equal((await relay.finished(again.id)).data.done, 0);
  await refused(422, call(app.id, endpoint.id, { since: ago(15 * 24) }));
});

const missing = "endpoint.replayMissing";

operation("v1.endpoint.replay-missing", missing, async function replayMissing(relay, call) {
  const app = await relay.application();
  const ids = (await several(3, () => relay.send(app))).map((message) => message.id).sort();
  const hook = relay.receiver.hook();
  const endpoint = await relay.endpoint(app, {}, hook);
  const replay = async () =>
    relay.finished((await call(app.id, endpoint.id, { since: ago(1) })).id);
  await replay();
  same(await arrived(hook, 3), ids);
  await replay();
  const last = await relay.send(app);
  same(await arrived(hook, 1), [last.id]);
});

operation("v1.endpoint.bulk-replay", "endpoint.bulkReplay", async function bulk(relay, call) {
  const app = await relay.application();
  const hook = relay.receiver.hook();
  const endpoint = await relay.endpoint(app, {}, hook);
  const ids = [];
  for (const [eventType, tag, channel] of [["a.one", "x", "eu"], ["a.two", "y", "us"]]) {
    ids.push((await relay.send(app, { eventType, tags: [tag], channels: [channel] })).id);
    await hook.take();
  }
  const replayed = async (filters) => {
    const begun = await call(app.id, endpoint.id, { since: ago(1), ...filters });
    return arrived(hook, (await relay.finished(begun.id)).data.done);
  };
  same(await replayed({}), ids);
  same(await replayed({ eventTypes: ["a.one"] }), [ids[0]]);
  same(await replayed({ tag: "y" }), [ids[1]]);
  same(await replayed({ channel: "eu" }), [ids[0]]);
  same(await replayed({ eventTypes: ["none"] }), []);
});

operation("v1.background-task.get", "backgroundTask.get", async function taskGet(relay, call) {
  const { app, endpoint } = await failed(relay, 1);
  const begun = await relay.svix.endpoint.recover(app.id, endpoint.id, { since: ago(1) });
  await relay.finished(begun.id);
  const shown = await call(begun.id);
  same([shown.id, shown.status, shown.task], [begun.id, "finished", "endpoint.recover"]);
  assert.equal(shown.data.done, 1);
  await refused(404, call("qtask_nothing"));
});

operation("v1.background-task.list", "backgroundTask.list", async function taskList(relay, call) {
  const app = await relay.application();
  const endpoint = await relay.endpoint(app);
  const made = [];
  for (let count = 0; count < 5; count += 1) {
    const begun = await relay.svix.endpoint.recover(app.id, endpoint.id, { since: ago(1) });
    made.unshift(begun.id);
    await relay.finished(begun.id);
  }
  const list = (options) => call({ task: "endpoint.recover", order: "descending", ...options });
  const ids = (page) => page.data.map((task) => task.id);
  same(ids(await list({ limit: 5 })), made);
  const page = await list({ limit: 2 });
  const rest = await list({ limit: 3, iterator: page.iterator });
  same([...ids(page), ...ids(rest)], made);
  same(ids(await list({ limit: 2, iterator: rest.prevIterator })), ids(page));
  const running = new Set(ids(await call({ status: "running" })));
  assert.ok(made.every((id) => !running.has(id)));
});
