// Providers of payments and shops: their events, signed and verified by their libraries.

import adyen from "@adyen/api-library";
import { Environment, Paddle } from "@paddle/paddle-node-sdk";
import "@shopify/shopify-api/adapters/node";
import { ApiVersion, LogSeverity, shopifyApi } from "@shopify/shopify-api";
import braintree from "braintree";
import Razorpay from "razorpay";
import { WebhooksHelper } from "square";
import Stripe from "stripe";

import { CHANGED, FORM, GENUINE, HMAC, hmac, prove, seconds } from "./harness.mjs";

const stripe = new Stripe("sk_test_proofs");

prove("stripe", "stripe", "events", {
  good: "whsec_of_the_proofs",
  bad: "whsec_of_another",
  sign(secret, url, number) {
    const data = { object: { id: "ch_1", description: `${GENUINE} Zoë` } };
    const event = { id: `evt_${number}`, object: "event", type: "charge.succeeded", data };
    const payload = JSON.stringify(event, null, 2);
    const header = stripe.webhooks.generateTestHeaderString({ payload, secret });
    return { body: payload, headers: { "Stripe-Signature": header } };
  },
  verify: (secret, { body, headers }) =>
    stripe.webhooks.constructEvent(body, headers["stripe-signature"], secret).type ===
    "charge.succeeded",
});

const adyenValidator = new adyen.hmacValidator();
const adyenKeys = { good: "44782DEF".repeat(8), bad: "DFB1EB54".repeat(8) };

prove("adyen", "@adyen/api-library", "payments", {
  ...adyenKeys,
  sign(key, url, number) {
    const item = {
      pspReference: `psp${number}`,
      originalReference: "",
      merchantAccountCode: "TestMerchant",
      merchantReference: `${GENUINE}-1`,
      amount: { value: 1130, currency: "EUR" },
      eventCode: "AUTHORISATION",
      success: "true",
    };
    item.additionalData = { hmacSignature: adyenValidator.calculateHmac(item, key) };
    const notificationItems = [{ NotificationRequestItem: item }];
    return { body: JSON.stringify({ live: "false", notificationItems }) };
  },
  verify(key, { body }) {
    const { NotificationRequestItem: item } = JSON.parse(body).notificationItems[0];
    return adyenValidator.validateHMAC(item, key);
  },
});

prove("adyen-platforms", "@adyen/api-library", "platforms", {
  ...adyenKeys,
  sign(key, url, number) {
    const data = { description: GENUINE };
    const body = JSON.stringify({ eventId: `e${number}`, type: "transfer.created", data });
    const hmacsignature = adyenValidator.calculateHmac(body, key);
    return { body, headers: { hmacsignature, protocol: "HmacSHA256" } };
  },
  verify: (key, { body, headers }) =>
    adyenValidator.validateHMACSignature(key, headers.hmacsignature, body),
});

const gateway = (privateKey) =>
  new braintree.BraintreeGateway({
    environment: braintree.Environment.Sandbox,
    merchantId: "merchant",
    publicKey: "public",
    privateKey,
  });

prove("braintree", "braintree", "subscriptions", {
  good: "a private key of the proofs",
  bad: "another private key",
  sign(key, url, number) {
    const kind = braintree.WebhookNotification.Kind.SubscriptionWentPastDue;
    const sample = gateway(key).webhookTesting.sampleNotification(kind, `${GENUINE}-${number}`);
    return { body: new URLSearchParams(sample).toString(), contentType: FORM };
  },
  async verify(key, { body }) {
    const form = Object.fromEntries(new URLSearchParams(body));
    const parsed = gateway(key).webhookNotification.parse(form.bt_signature, form.bt_payload);
    return (await parsed).subscription.id.startsWith(GENUINE);
  },
  change(body) {
    const form = new URLSearchParams(body);
    const inside = Buffer.from(form.get("bt_payload"), "base64").toString();
    const changed = Buffer.from(inside.replaceAll(GENUINE, CHANGED));
    form.set("bt_payload", `${changed.toString("base64")}\n`);
    return form.toString();
  },
});

const paddle = new Paddle("pdl_proofs", { environment: Environment.sandbox });

prove("paddle", "@paddle/paddle-node-sdk", "transactions", {
  signedBy: HMAC,
  good: "pdl_ntfset_of_the_proofs",
  bad: "pdl_ntfset_of_another",
  sign(key, url, number) {
    const body = JSON.stringify({
      event_id: `evt_${number}`,
      notification_id: `ntf_${number}`,
      event_type: "address.created",
      occurred_at: new Date().toISOString(),
      data: { id: "add_1", description: GENUINE },
    });
    const now = seconds();
    const signature = `ts=${now};h1=${hmac(key, `${now}:${body}`)}`;
    return { body, headers: { "Paddle-Signature": signature } };
  },
  verify: async (key, { body, headers }) =>
    (await paddle.webhooks.unmarshal(body, key, headers["paddle-signature"])).eventType ===
    "address.created",
});

prove("razorpay", "razorpay", "payments", {
  signedBy: HMAC,
  sign(key, url, number) {
    const body = JSON.stringify({ event: "payment.captured", note: `${GENUINE} ${number}` });
    const headers = {
      "X-Razorpay-Signature": hmac(key, body),
      "X-Razorpay-Event-Id": `rzp${number}`,
    };
    return { body, headers };
  },
  verify: (key, { body, headers }) =>
    Razorpay.validateWebhookSignature(body, headers["x-razorpay-signature"], key),
});

prove("square", "square", "payments", {
  signedBy: HMAC,
  sign(key, url, number) {
    const event = { merchant_id: "M1", type: "payment.updated", event_id: `s${number}` };
    const body = JSON.stringify({ ...event, data: { note: GENUINE } });
    const signature = hmac(key, url + body, "base64");
    return { body, headers: { "x-square-hmacsha256-signature": signature } };
  },
  verify: (signatureKey, { body, headers, url }) =>
    WebhooksHelper.verifySignature({
      requestBody: body,
      signatureHeader: headers["x-square-hmacsha256-signature"],
      signatureKey,
      notificationUrl: url,
    }),
});

const shopify = (apiSecretKey) =>
  shopifyApi({
    apiKey: "proofs",
    apiSecretKey,
    scopes: [],
    hostName: "shop.example.com",
    apiVersion: Object.values(ApiVersion)[0],
    isEmbeddedApp: false,
    logger: { level: LogSeverity.Error },
  });

prove("shopify", "@shopify/shopify-api", "orders", {
  signedBy: HMAC,
  sign(key, url, number) {
    const body = JSON.stringify({ id: number, note: `${GENUINE} Zoë` });
    const headers = {
      "X-Shopify-Hmac-Sha256": hmac(key, body, "base64"),
      "X-Shopify-Topic": "orders/create",
      "X-Shopify-Shop-Domain": "proofs.myshopify.com",
      "X-Shopify-API-Version": Object.values(ApiVersion)[0],
      "X-Shopify-Webhook-Id": `b54557e4-bdd9-4b37-8a5f-bf7d70bcd0${number}`,
    };
    return { body, headers };
  },
  async verify(key, { body, headers }) {
    const rawRequest = { method: "POST", url: "/", headers };
    return (await shopify(key).webhooks.validate({ rawBody: body, rawRequest })).valid;
  },
});
