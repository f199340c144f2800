// Providers of messages: Slack, Twilio, SendGrid, LINE, Discord, Telegram.

import { createHash, createPrivateKey, createPublicKey, sign as signed } from "node:crypto";

import { validateSignature } from "@line/bot-sdk";
import { EventWebhook } from "@sendgrid/eventwebhook";
import bolt from "@slack/bolt";
import { verifyKey } from "discord-interactions";
import { Bot, webhookCallback } from "grammy";
import twilio from "twilio";

import { FORM, GENUINE, HMAC, hmac, prove, seconds } from "./harness.mjs";

prove("slack", "@slack/bolt", "events", {
  signedBy: HMAC,
  sign(key, url, number) {
    const event = { type: "app_mention", text: `${GENUINE} 雪` };
    const body = JSON.stringify({ type: "event_callback", event_id: `Ev${number}`, event });
    const now = String(seconds());
    const headers = {
      "X-Slack-Request-Timestamp": now,
      "X-Slack-Signature": `v0=${hmac(key, `v0:${now}:${body}`)}`,
    };
    return { body, headers };
  },
  async verify(signingSecret, { body, headers }) {
    // a whole receiver and app of the library, given the request as its server would
    let heard = false;
    const receiver = new bolt.AwsLambdaReceiver({ signingSecret, logLevel: "error" });
    const authorize = async () => ({ botToken: "t", botId: "B1", botUserId: "U1" });
    const app = new bolt.App({ receiver, authorize, logLevel: "error" });
    app.event("app_mention", async () => {
      heard = true;
    });
    const handler = await receiver.start();
    const answer = await handler({ body, headers, isBase64Encoded: false }, {}, () => {});
    return answer.statusCode === 200 && heard;
  },
});

const twilioForm = {
  sign(key, url, number) {
    const form = { MessageSid: `SM${number}`, From: "+15551230001", Body: `${GENUINE} Zoë & co` };
    const headers = {
      "X-Twilio-Signature": twilio.getExpectedTwilioSignature(key, url, form),
      "I-Twilio-Idempotency-Token": `i${number}`,
    };
    return { body: new URLSearchParams(form).toString(), headers, contentType: FORM };
  },
  verify(key, { body, headers, url }) {
    const form = Object.fromEntries(new URLSearchParams(body));
    return twilio.validateRequest(key, headers["x-twilio-signature"], url, form);
  },
};

prove("twilio", "twilio", "form", twilioForm);

prove("twilio", "twilio", "JSON", {
  sign(key, url, number) {
    const body = JSON.stringify([{ specversion: "1.0", id: `EZ${number}`, data: GENUINE }]);
    const query = `?bodySHA256=${twilio.getExpectedBodyHash(body)}`;
    const signature = twilio.getExpectedTwilioSignature(key, url + query, {});
    return { body, query, headers: { "X-Twilio-Signature": signature } };
  },
  verify: (key, { body, headers, url }) =>
    twilio.validateRequestWithBody(key, headers["x-twilio-signature"], url, body),
});

// Keys of the proofs alone: from a seed and from a number.
const ed25519 = (seed) => {
  const head = Buffer.from("302e020100300506032b657004220420", "hex");
  const key = Buffer.concat([head, createHash("sha256").update(seed).digest()]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
};
const p256 = (digit) => {
  const head = Buffer.from("30310201010420", "hex");
  const curve = Buffer.from("a00a06082a8648ce3d030107", "hex");
  const key = Buffer.concat([head, Buffer.alloc(32, digit), curve]);
  return createPrivateKey({ key, format: "der", type: "sec1" });
};
const spki = (key) => createPublicKey(key).export({ format: "der", type: "spki" });

prove("sendgrid", "@sendgrid/eventwebhook", "events", {
  signedBy: "ECDSA of Node",
  good: p256(7),
  bad: p256(9),
  secret: (key) => spki(key).toString("base64"),
  sign(key, url, number) {
    const events = [0, 1, 2].map((each) => ({
      sg_event_id: `g${number}-${each}`,
      event: "delivered",
      note: GENUINE,
    }));
    const [body, now] = [`${JSON.stringify(events)}\r\n`, String(seconds())];
    const headers = {
      "X-Twilio-Email-Event-Webhook-Signature": signed("sha256", now + body, key).toString(
        "base64",
      ),
      "X-Twilio-Email-Event-Webhook-Timestamp": now,
    };
    return { body, headers };
  },
  verify(key, { body, headers }) {
    const library = new EventWebhook();
    const given = library.convertPublicKeyToECDSA(spki(key).toString("base64"));
    return library.verifySignature(
      given,
      body,
      headers["x-twilio-email-event-webhook-signature"],
      headers["x-twilio-email-event-webhook-timestamp"],
    );
  },
});

prove("line", "@line/bot-sdk", "messages", {
  signedBy: HMAC,
  sign(key, url, number) {
    const events = [{ type: "message", webhookEventId: `L${number}`, text: GENUINE }];
    const body = JSON.stringify({ destination: "U1", events });
    return { body, headers: { "X-Line-Signature": hmac(key, body, "base64") } };
  },
  verify: (key, { body, headers }) => validateSignature(body, key, headers["x-line-signature"]),
});

export const discordKeys = { good: ed25519("one"), bad: ed25519("another") };
export const discordSecret = (key) => spki(key).subarray(-32).toString("hex");
export const discordSigned = (key, body) => {
  const now = String(seconds());
  const signature = signed(null, Buffer.from(now + body), key).toString("hex");
  return { body, headers: { "X-Signature-Ed25519": signature, "X-Signature-Timestamp": now } };
};

prove("discord", "discord-interactions", "commands", {
  signedBy: "Ed25519 of Node",
  ...discordKeys,
  secret: discordSecret,
  sign: (key, url, number) =>
    discordSigned(key, JSON.stringify({ id: `d${number}`, type: 2, data: { name: GENUINE } })),
  verify(key, { body, headers }) {
    const { "x-signature-ed25519": signature, "x-signature-timestamp": time } = headers;
    return verifyKey(body, signature, time, discordSecret(key));
  },
});

prove("telegram", "grammy", "updates", {
  signedBy: "the token itself",
  credential: "x-telegram-bot-api-secret-token",
  coversBody: false,
  good: "token_of_the_proofs",
  bad: "another_token",
  sign(key, url, number) {
    const body = JSON.stringify({ update_id: number, poll: { id: "p1", question: GENUINE } });
    return { body, headers: { "X-Telegram-Bot-Api-Secret-Token": key } };
  },
  async verify(secretToken, { body, headers, url }) {
    const botInfo = { id: 1, is_bot: true, first_name: "proofs", username: "proofs_bot" };
    const bot = new Bot("1:proofs", { botInfo });
    let heard = false;
    bot.on("poll", () => {
      heard = true;
    });
    const take = webhookCallback(bot, "std/http", { secretToken });
    const given = { "x-telegram-bot-api-secret-token": headers["x-telegram-bot-api-secret-token"] };
    const answer = await take(new Request(url, { method: "POST", headers: given, body }));
    return answer.status === 200 && heard;
  },
});
