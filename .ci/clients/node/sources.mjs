// Sources, by the calls that the library has for ingesting.

import assert from "node:assert/strict";

import { BOUND_MS, operation, refused, same, sorted, walk } from "./harness.mjs";

// What both know, with what each asks for.
const CONFIGS = {
  "generic-webhook": {},
  docusign: { secret: "a secret" },
  github: { secret: "a secret" },
  hubspot: { secret: "a secret" },
  meta: { secret: "a secret", verifyToken: "a token" },
  shopify: { secret: "a secret" },
  slack: { secret: "a secret" },
  stripe: { secret: "whsec_a_secret" },
  svix: { secret: `whsec_${"S".repeat(32)}` },
  zoom: { secret: "a secret" },
};
const kinds = Object.keys(CONFIGS);

function source(relay, type = "github", fields = {}) {
  const uid = relay.name();
  const given = { name: uid, uid, type, config: CONFIGS[type], ...fields };
  return relay.svix.ingest.source.create(given);
}

// What a provider is answered that posts there.
async function statusOf(url) {
  const headers = { "content-type": "application/json" };
  const signal = AbortSignal.timeout(BOUND_MS);
  return (await fetch(url, { method: "POST", body: "{}", headers, signal })).status;
}

operation("v1.source.list", "ingest.source.list", async function list(relay, call) {
  const made = [];
  for (const kind of kinds) made.push(await source(relay, kind));
  for (const order of ["ascending", "descending"]) {
    const walked = await walk((options) => call({ order, ...options }), 3);
    assert.ok(made.every(({ id }) => walked.includes(id)), "what was created does not come back");
    same(walked, sorted(walked, order));
  }
  const listed = new Map((await call({ limit: 250 })).data.map((each) => [each.id, each]));
  for (const each of made) same(listed.get(each.id), each);
});

operation("v1.source.create", "ingest.source.create", async function create(relay, call) {
  for (const [type, config] of Object.entries(CONFIGS)) {
    const uid = relay.name();
    const fields = { name: "Zoë", uid, type, config, metadata: { team: "a" } };
    const made = await call(fields);
    same([made.name, made.uid, made.type, made.metadata], ["Zoë", uid, type, { team: "a" }]);
    assert.ok(!JSON.stringify(made).includes("secret"), `the secret of ${type} is shown`);
    // what verifies nothing takes it; the others want a signature
    same([type, await statusOf(made.ingestUrl)], [type, config.secret ? 401 : 200]);
    same((await refused(409, call(fields))).code, "conflict");
  }
});

operation("v1.source.create", "ingest.source.create", async function createTwice(relay, call) {
  const name = relay.name();
  const fields = { name, type: "generic-webhook", config: {} };
  const options = { idempotencyKey: name };
  same((await call(fields, options)).id, (await call(fields, options)).id);
});

operation("v1.source.get", "ingest.source.get", async function get(relay, call) {
  for (const kind of kinds) {
    const made = await source(relay, kind);
    same(await call(made.id), made);
    same(await call(made.uid), made);
  }
  same((await refused(404, call("nobody"))).code, "not_found");
});

const updates = "ingest.source.upsert ingest.source.update";

operation("v1.source.update", updates, async function update(relay, call) {
  const made = await source(relay, "github", { metadata: { a: "b" } });
  const fields = { name: "Changed", uid: made.uid, type: "stripe", config: CONFIGS.stripe };
  const changed = await call(made.id, { ...fields, metadata: {} });
  same([changed.id, changed.name, changed.type], [made.id, "Changed", "stripe"]);
  same([changed.metadata, changed.ingestUrl], [{}, made.ingestUrl]);
  same(await relay.svix.ingest.source.get(made.uid), changed);
});

operation("v1.source.delete", "ingest.source.delete", async function remove(relay, call) {
  const made = await source(relay, "generic-webhook");
  same(await statusOf(made.ingestUrl), 200);
  await call(made.uid);
  await refused(404, relay.svix.ingest.source.get(made.id));
  same(await statusOf(made.ingestUrl), 404);
  await refused(404, call(made.id));
});

operation("v1.source.rotate-token", "ingest.source.rotateToken", async function url(relay, call) {
  const made = await source(relay, "generic-webhook");
  const { ingestUrl } = await call(made.id);
  assert.notEqual(ingestUrl, made.ingestUrl);
  same((await relay.svix.ingest.source.get(made.id)).ingestUrl, ingestUrl);
  // the old one counts for a while
  same([await statusOf(made.ingestUrl), await statusOf(ingestUrl)], [200, 200]);
});
