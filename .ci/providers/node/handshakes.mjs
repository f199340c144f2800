// What providers ask before they send, answered by relay as their libraries answer it.

import { once } from "node:events";
import { createServer } from "node:http";

import { signWebhookPayload, verifyWebhookSignature } from "@notionhq/client";
import bolt from "@slack/bolt";
import braintree from "braintree";
import { verifyKeyMiddleware, verifyWebhookEventMiddleware } from "discord-interactions";

import { GENUINE, handshake, hmac, received, seconds } from "./harness.mjs";
import { discordKeys, discordSecret, discordSigned } from "./messaging.mjs";

// The newest request is a handshake, of which nothing was made.
async function shaken(checks, source) {
  const request = await source.newest();
  checks.same(`the verdict of ${JSON.stringify(request)}`, request.verdict, "handshake");
  checks.same("the message made of it", request.msgId, undefined);
  checks.true("nothing came to the receiver", source.isEmpty());
}

// What a middleware of a library answers, on a server of its own.
async function asked(middleware, { body, headers }) {
  const server = createServer((request, response) => {
    // as Express has it
    request.header = (name) => request.headers[name.toLowerCase()];
    return middleware(request, response, () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const url = `http://127.0.0.1:${server.address().port}/`;
    const signal = AbortSignal.timeout(30_000);
    const answer = await fetch(url, { method: "POST", body, headers, signal });
    return { status: answer.status, body: await answer.text() };
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const discord = { secret: discordSecret(discordKeys.good) };

handshake("discord", "discord-interactions", discord, async function pings(checks, source) {
  const kinds = [
    [1, verifyKeyMiddleware, 200],
    [0, verifyWebhookEventMiddleware, 204],
  ];
  for (const [type, library, taken] of kinds) {
    for (const [key, expected] of [
      [discordKeys.good, taken],
      [discordKeys.bad, 401],
    ]) {
      const sent = discordSigned(key, JSON.stringify({ id: `p${type}`, type }));
      const theirs = await asked(library(discord.secret), sent);
      checks.same(`the library's status for a ping of type ${type}`, theirs.status, expected);
      const ours = await source.post(sent);
      checks.same(`relay's status for it, with ${ours.body}`, ours.status, expected);
      if (expected === 401) continue;
      checks.same("relay's answer", ours.body, theirs.body);
      await shaken(checks, source);
    }
  }
});

const signingSecret = "the signing secret";

handshake("slack", "@slack/bolt", { secret: signingSecret }, async function url(checks, source) {
  const receiver = new bolt.AwsLambdaReceiver({ signingSecret, logLevel: "error" });
  const handler = await receiver.start();
  const body = JSON.stringify({ type: "url_verification", token: "t", challenge: "3eZbrw1a" });
  const now = String(seconds());
  for (const [key, expected] of [
    [signingSecret, 200],
    ["another", 401],
  ]) {
    const headers = {
      "content-type": "application/json",
      "x-slack-request-timestamp": now,
      "x-slack-signature": `v0=${hmac(key, `v0:${now}:${body}`)}`,
    };
    const theirs = await handler({ body, headers, isBase64Encoded: false }, {}, () => {});
    checks.same("the library's status", theirs.statusCode, expected);
    const ours = await source.post({ body, headers });
    checks.same(`relay's status, with ${ours.body}`, ours.status, expected);
    if (expected === 401) continue;
    // Slack takes the challenge as text or as a field of JSON
    checks.same("relay's answer", ours.body, JSON.parse(theirs.body).challenge);
    await shaken(checks, source);
  }
});

const keys = { secret: "the private key", public_key: "public" };

handshake("braintree", "braintree", keys, async function challenge(checks, source) {
  const { webhookNotification } = new braintree.BraintreeGateway({
    environment: braintree.Environment.Sandbox,
    merchantId: "merchant",
    publicKey: keys.public_key,
    privateKey: keys.secret,
  });
  const given = "20f9f8ed05f77439fe955c977e4c8a53";
  const answer = await source.post({ query: `?bt_challenge=${given}` }, "GET");
  checks.same("the status", answer.status, 200);
  checks.same("the answer", answer.body, await webhookNotification.verify(given));
  await shaken(checks, source);
});

// Notion hands over the token that it signs with from then on.
handshake("notion", "@notionhq/client", {}, async function token(checks, source) {
  const verificationToken = "secret_that_was_handed_over";
  const handed = JSON.stringify({ verification_token: verificationToken });
  const answer = await source.post({ body: handed });
  checks.same(`the status, with ${answer.body}`, answer.status, 200);
  await shaken(checks, source);
  const body = JSON.stringify({ id: "n1", type: "page.created", note: GENUINE });
  const signature = await signWebhookPayload({ body, verificationToken });
  const sent = { body, headers: { "X-Notion-Signature": signature } };
  checks.same("the status of an event", (await source.post(sent)).status, 200);
  checks.same("its verdict", (await source.newest()).verdict, "accepted");
  const arrived = await source.take();
  await checks.accepts("after it was delivered", () =>
    verifyWebhookSignature({
      body: arrived.body,
      signature: received(arrived.headers)["x-notion-signature"],
      verificationToken,
    }),
  );
  // once there is one, no other is taken
  const other = await source.post({ body: JSON.stringify({ verification_token: "secret_other" }) });
  checks.same(`the status of another token, with ${other.body}`, other.status, 401);
  checks.same("its verdict", (await source.newest()).verdict, "refused");
});
