// GitHub, Linear, Mux, Notion, Sanity, HubSpot, Atlassian, OpenAI, Standard Webhooks and Svix.

import { Signature } from "@hubspot/api-client/lib/src/utils/signature.js";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { Mux } from "@mux/mux-node";
import { signWebhookPayload, verifyWebhookSignature } from "@notionhq/client";
import { Webhooks } from "@octokit/webhooks";
import * as sanity from "@sanity/webhook";
import atlassian from "atlassian-jwt";
import OpenAI from "openai";
import * as standardwebhooks from "standardwebhooks";
import * as svix from "svix";

import { GENUINE, HMAC, hmac, prove, seconds } from "./harness.mjs";

prove("github", "@octokit/webhooks", "push", {
  async sign(secret, url, number) {
    const body = JSON.stringify({ ref: "refs/heads/main", note: `${GENUINE} ${number}` }, null, 1);
    const headers = {
      "X-GitHub-Event": "push",
      "X-GitHub-Delivery": `72d3162e-cc78-11e3-81ab-4c9367dc095${number}`,
      "X-Hub-Signature-256": await new Webhooks({ secret }).sign(body),
    };
    return { body, headers };
  },
  async verify(secret, { body, headers }) {
    const webhooks = new Webhooks({ secret });
    let heard;
    webhooks.on("push", ({ payload }) => {
      heard = payload.ref;
    });
    await webhooks.verifyAndReceive({
      id: headers["x-github-delivery"],
      name: headers["x-github-event"],
      signature: headers["x-hub-signature-256"],
      payload: body,
    });
    return heard === "refs/heads/main";
  },
});

prove("linear", "@linear/sdk", "issues", {
  signedBy: HMAC,
  sign(key, url, number) {
    const event = { action: "create", type: "Issue", webhookTimestamp: Date.now() };
    const body = JSON.stringify({ ...event, data: { title: GENUINE } });
    const headers = {
      "Linear-Delivery": `234d1a4e-b617-4388-90fe-adc3633d6b7${number}`,
      "Linear-Event": "Issue",
      "Linear-Signature": hmac(key, body),
    };
    return { body, headers };
  },
  verify: (key, { body, headers }) =>
    new LinearWebhookClient(key).parseData(Buffer.from(body), headers["linear-signature"]).type ===
    "Issue",
});

const mux = new Mux({ tokenId: "proofs", tokenSecret: "proofs" });

prove("mux", "@mux/mux-node", "assets", {
  signedBy: HMAC,
  sign(key, url, number) {
    const body = JSON.stringify({ id: `m${number}`, type: "video.asset.ready", note: GENUINE });
    const now = seconds();
    return { body, headers: { "Mux-Signature": `t=${now},v1=${hmac(key, `${now}.${body}`)}` } };
  },
  verify: async (key, { body, headers }) =>
    (await mux.webhooks.unwrap(body, headers, key)).type === "video.asset.ready",
});

prove("notion", "@notionhq/client", "pages", {
  good: "secret_of_the_proofs",
  bad: "secret_of_another",
  async sign(verificationToken, url, number) {
    const body = JSON.stringify({ id: `n${number}`, type: "page.created", note: GENUINE });
    const signature = await signWebhookPayload({ body, verificationToken });
    return { body, headers: { "X-Notion-Signature": signature } };
  },
  verify: (verificationToken, { body, headers }) =>
    verifyWebhookSignature({ body, signature: headers["x-notion-signature"], verificationToken }),
});

prove("sanity", "@sanity/webhook", "documents", {
  async sign(key, url, number) {
    const body = JSON.stringify({ _id: "doc", note: `${GENUINE} ${number}` });
    const signature = await sanity.encodeSignatureHeader(body, Date.now(), key);
    const headers = { "sanity-webhook-signature": signature, "idempotency-key": `sa${number}` };
    return { body, headers };
  },
  verify: (key, { body, headers }) =>
    sanity.isValidSignature(body, headers["sanity-webhook-signature"], key),
});

function hubspot(provider, signatureVersion, header) {
  prove(provider, "@hubspot/api-client", signatureVersion, {
    sign(clientSecret, url, number) {
      const event = { eventId: number, subscriptionId: 7, subscriptionType: "contact.creation" };
      const requestBody = JSON.stringify([{ ...event, note: GENUINE }]);
      const timestamp = Date.now();
      const options = { clientSecret, requestBody, url, timestamp };
      const headers = {
        [header]: Signature.getSignature("POST", signatureVersion, options),
        "x-hubspot-request-timestamp": String(timestamp),
        "x-hubspot-signature-version": signatureVersion,
      };
      return { body: requestBody, headers };
    },
    verify: (clientSecret, { body, headers, url }) =>
      Signature.isValid({
        signatureVersion,
        signature: headers[header],
        clientSecret,
        requestBody: body,
        url,
        timestamp: Number(headers["x-hubspot-request-timestamp"]),
      }),
  });
}

hubspot("hubspot", "v3", "x-hubspot-signature-v3");
hubspot("hubspot-v2", "v2", "x-hubspot-signature");
hubspot("hubspot-v1", "v1", "x-hubspot-signature");

const atlassianRequest = (url) => atlassian.fromMethodAndUrl("POST", new URL(url).pathname);

prove("atlassian-connect", "atlassian-jwt", "issues", {
  coversBody: false,
  sign(key, url, number) {
    const now = seconds();
    const qsh = atlassian.createQueryStringHash(atlassianRequest(url));
    const token = atlassian.encodeSymmetric({ iss: "client", iat: now, exp: now + 180, qsh }, key);
    const headers = {
      Authorization: `JWT ${token}`,
      "X-Atlassian-Webhook-Identifier": `a${number}`,
    };
    return { body: JSON.stringify({ webhookEvent: "jira:issue_created" }), headers };
  },
  verify(key, { headers, url }) {
    const token = headers.authorization.replace("JWT ", "");
    const claims = atlassian.decodeSymmetric(token, key, "HS256");
    return claims.qsh === atlassian.createQueryStringHash(atlassianRequest(url));
  },
});

const standard = (Webhook, prefix, library) => ({
  good: `whsec_${"Q".repeat(32)}`,
  bad: `whsec_${"R".repeat(32)}`,
  sign(key, url, number) {
    const body = JSON.stringify({ type: "user.created", data: { note: `${GENUINE} 🦀` } });
    const [now, id] = [new Date(), `msg_${library}_${number}`];
    const headers = {
      [`${prefix}-id`]: id,
      [`${prefix}-timestamp`]: String(Math.floor(now / 1000)),
      [`${prefix}-signature`]: new Webhook(key).sign(id, now, body),
    };
    return { body, headers };
  },
  verify: (key, { body, headers }) =>
    new Webhook(key).verify(body, headers).type === "user.created",
});

const standardCase = standard(standardwebhooks.Webhook, "webhook", "standard");
prove("standard-webhooks", "standardwebhooks", "events", standardCase);
prove("svix", "svix", "svix-", {
  ...standard(svix.Webhook, "svix", "svix"),
  // gives nothing back: it throws what it does not accept
  verify: (key, { body, headers }) => new svix.Webhook(key).verify(body, headers),
});

const openai = new OpenAI({ apiKey: "proofs" });
prove("standard-webhooks", "openai", "responses", {
  ...standard(standardwebhooks.Webhook, "webhook", "openai"),
  signedBy: "standardwebhooks",
  verify: async (key, { body, headers }) =>
    (await openai.webhooks.unwrap(body, headers, key)).type === "user.created",
});
