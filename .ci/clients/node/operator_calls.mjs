// Tokens, figures and the environment: what the operator alone may call.

import assert from "node:assert/strict";

import { ago, operation, refused, same, several } from "./harness.mjs";

const portalToken = async (relay, app, fields = {}) =>
  (await relay.svix.authentication.appPortalAccess(app.id, fields)).token;

const access = "authentication.appPortalAccess";

operation("v1.authentication.app-portal-access", access, async function portal(relay, call) {
  const [app, other] = [await relay.application(), await relay.application()];
  const { url, token } = await call(app.id, { expiry: 3600 });
  assert.equal((await fetch(url)).status, 200);
  const scoped = relay.asCaller(token);
  assert.equal((await scoped.application.get(app.id)).id, app.id);
  await scoped.endpoint.create(app.id, { url: relay.receiver.hook().url });
  const elsewhere = ({ code }) => [403, 404].includes(code);
  await assert.rejects(scoped.application.get(other.id), elsewhere);
  await assert.rejects(scoped.endpoint.list(other.id), elsewhere);
  await refused(403, scoped.application.create({ name: "Mine" }));
  const viewer = relay.asCaller(await portalToken(relay, app, { capabilities: ["ViewBase"] }));
  await viewer.endpoint.list(app.id);
  await refused(403, viewer.endpoint.create(app.id, { url: relay.receiver.hook().url }));
});

operation("v1.authentication.logout", "authentication.logout", async function logout(relay) {
  const app = await relay.application();
  const scoped = relay.asCaller(await portalToken(relay, app));
  await scoped.endpoint.list(app.id);
  await scoped.authentication.logout();
  await refused(401, scoped.endpoint.list(app.id));
});

const expireAll = "authentication.expireAll";

operation("v1.authentication.expire-all", expireAll, async function expire(relay, call) {
  const app = await relay.application();
  const tokens = await several(2, () => portalToken(relay, app));
  await call(app.id, { expiry: 0 });
  for (const token of tokens) await refused(401, relay.asCaller(token).endpoint.list(app.id));
  await relay.asCaller(await portalToken(relay, app)).endpoint.list(app.id);
});

operation("v1.authentication.whoami", "authentication.whoami", async function whoami(_, call) {
  assert.ok(await call());
});

const appStats = "statistics.aggregateAppStats";

operation("v1.statistics.aggregate-app-stats", appStats, async function usage(relay, call) {
  const app = await relay.application();
  await several(3, () => relay.send(app));
  const begun = await call({ since: ago(1), until: ago(-1), appIds: [app.uid, "nobody"] });
  same(begun.unresolvedAppIds, ["nobody"]);
  same((await relay.finished(begun.id)).data.counts, { [app.id]: 3 });
});

const eventTypes = "statistics.aggregateEventTypes";

operation("v1.statistics.aggregate-event-types", eventTypes, async function usage(relay, call) {
  const eventType = `${relay.prefix}.counted`;
  const app = await relay.application();
  await several(2, () => relay.send(app, { eventType }));
  assert.equal((await relay.finished((await call()).id)).data.counts[eventType], 2);
});

operation("v1.environment.export", "environment.export", async function exported(relay, call) {
  const schemas = { 1: { type: "object" } };
  const made = await relay.eventType({ description: "Exported", schemas });
  const environment = await call();
  const found = environment.eventTypes.find(({ name }) => name === made.name);
  same([found.description, found.schemas], ["Exported", schemas]);
  assert.ok(!JSON.stringify(environment).includes("whsec_"), "a secret in the document");
});

operation("v1.environment.import", "environment.import", async function imported(relay, call) {
  const name = `${relay.prefix}.from.elsewhere`;
  for (const description of ["Imported", "Again"]) {
    await call({ eventTypes: [{ name, description }] });
    assert.equal((await relay.svix.eventType.get(name)).description, description);
  }
  await refused(422, call({ eventTypes: [{ name: "not a name", description: "" }] }));
});
