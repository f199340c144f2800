// The core path through the unmodified Svix library for JavaScript, received with its own Webhook.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

const { Svix, Webhook } = createRequire(`${process.env.CLIENTS}/`)("svix");

const arrivals = [];
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  arrivals.push({ headers: request.headers, body: Buffer.concat(chunks) });
  server.emit("arrival");
  response.writeHead(204).end();
});
server.listen(0, "127.0.0.1");
await once(server, "listening");

async function arrival() {
  const signal = AbortSignal.timeout(30_000);
  while (arrivals.length === 0) await once(server, "arrival", { signal });
  return arrivals.shift();
}

const refused = (status, call) => assert.rejects(call, (error) => error.code === status);

const svix = new Svix(process.env.RELAY_TOKEN, { serverUrl: process.env.RELAY_URL });
const app = await svix.application.create({ name: "Node", uid: "node" });
assert.equal((await svix.application.getOrCreate({ name: "Node", uid: "node" })).id, app.id);
await refused(409, svix.application.create({ name: "Twin", uid: "node" }));
await refused(404, svix.application.get("nobody"));
await svix.eventType.create({ name: "js.invoice.paid", description: "An invoice was paid" });

const url = `http://127.0.0.1:${server.address().port}/hook`;
const endpoint = await svix.endpoint.create("node", { url, eventTypes: ["js.invoice.paid"] });
await refused(422, svix.endpoint.create("node", { url: "nonsense" }));
const old = (await svix.endpoint.getSecret("node", endpoint.id)).key;
await svix.endpoint.rotateSecret("node", endpoint.id, {});
const { key } = await svix.endpoint.getSecret("node", endpoint.id);
assert.notEqual(key, old);

const payload = { type: "js.invoice.paid", data: { invoice: 1042, to: "Zoë" } };
const message = { eventType: "js.invoice.paid", eventId: "js-1042", payload };
const sent = await svix.message.create("node", message);
await refused(409, svix.message.create("node", message));
const { headers, body } = await arrival();
for (const secret of [old, key]) {
  assert.deepEqual(new Webhook(secret).verify(body, headers), payload);
}
assert.equal(headers["webhook-id"], sent.id);

let attempts = [];
for (let tries = 0; tries < 500 && attempts.length === 0; tries += 1) {
  attempts = (await svix.messageAttempt.listByEndpoint("node", endpoint.id)).data;
  await pause(20);
}
assert.deepEqual([attempts[0].msgId, attempts[0].responseStatusCode], [sent.id, 204]);
assert.equal((await svix.message.get("node", "js-1042")).id, sent.id);
await svix.messageAttempt.resend("node", sent.id, endpoint.id);
assert.equal((await arrival()).headers["webhook-id"], sent.id);

await svix.application.delete("node");
await refused(404, svix.application.get("node"));
server.close();
server.closeAllConnections();
