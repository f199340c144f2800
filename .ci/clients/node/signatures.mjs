// What the sender signs, verified by the libraries for Standard Webhooks and by plain ed25519.

import assert from "node:assert/strict";
import { createHmac, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { createRequire } from "node:module";

import { operation, same } from "./harness.mjs";

const standard = createRequire(`${process.env.CLIENTS}/`)("standardwebhooks");

const every = Array.from({ length: 256 }, (_, code) => String.fromCodePoint(code)).join("");
const bodies = [
  ["just words", "text/plain"],
  ["Zoë, 雪, \u{1f980}\r\n", "text/plain; charset=utf-8"],
  [`${every}\0`, "application/octet-stream"],
  ["0123456789abcdef".repeat(65_536), "text/plain"],
  ['{ "b" : 1.00, "a":"\\u00e9" }', "application/json"],
];

// No text that the libraries read: what is said of it is checked against the specification.
const twice = Array.from({ length: 512 }, (_, at) => at % 256);
const binary = [Buffer.from(twice), "application/octet-stream"];

const signedContent = (headers, body) =>
  Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), body]);

async function delivered(relay, [content, type], fields = {}) {
  const app = await relay.application();
  const hook = relay.receiver.hook();
  const { id } = await relay.endpoint(app, fields, hook);
  const raw = Buffer.isBuffer(content)
    ? { rawPayloadBase64: content.toString("base64") }
    : { rawPayload: content };
  const transformationsParams = { ...raw, headers: { "content-type": type } };
  await relay.send(app, { payload: {}, transformationsParams });
  const { headers, body } = await hook.take();
  same([body.equals(Buffer.from(content)), headers["content-type"]], [true, type]);
  return { secret: (await relay.svix.endpoint.getSecret(app.id, id)).key, headers, body };
}

operation("standard-webhooks.hmac", "message.create", async function hmac(relay) {
  for (const each of bodies) {
    const { secret, headers, body } = await delivered(relay, each);
    const webhook = new standard.Webhook(secret);
    webhook.verify(body, headers, { jsonParse: false });
    const changed = Buffer.concat([body.subarray(1), Buffer.from("?")]);
    const refusal = () => webhook.verify(changed, headers, { jsonParse: false });
    assert.throws(refusal, standard.WebhookVerificationError);
  }
  const { secret, headers, body } = await delivered(relay, binary);
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const signature = createHmac("sha256", key).update(signedContent(headers, body));
  assert.equal(headers["webhook-signature"], `v1,${signature.digest("base64")}`);
});

// The library has no ed25519: checked against the specification.
operation("standard-webhooks.ed25519", "message.create", async function ed25519(relay) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const bytes = (text) => Buffer.from(text, "base64url");
  const seed = bytes(privateKey.export({ format: "jwk" }).d);
  const point = bytes(publicKey.export({ format: "jwk" }).x);
  const secret = `whsk_${Buffer.concat([seed, point]).toString("base64")}`;
  for (const each of [...bodies, binary]) {
    const shown = await delivered(relay, each, { secret });
    assert.equal(shown.secret, `whpk_${point.toString("base64")}`);
    const { headers, body } = shown;
    const [version, signature] = headers["webhook-signature"].split(",");
    assert.equal(version, "v1a");
    const x = Buffer.from(shown.secret.slice("whpk_".length), "base64").toString("base64url");
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    const signed = signedContent(headers, body);
    assert.ok(verify(null, signed, key, Buffer.from(signature, "base64")));
  }
});

operation("svix.webhook.verify", "message.create", async function webhookVerify(relay) {
  const { Webhook, WebhookVerificationError } = relay.library;
  const { secret, headers, body } = await delivered(relay, bodies.at(-1));
  new Webhook(secret).verify(body, headers);
  const other = new Webhook(`whsec_${"C".repeat(32)}`);
  assert.throws(() => other.verify(body, headers), WebhookVerificationError);
});
