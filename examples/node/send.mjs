// Sends a message through relay, safely: run it twice and it is still delivered once.
//
//   RELAY_SERVER=http://127.0.0.1:8080 RELAY_TOKEN=sk_... node send.mjs 1042

import { setTimeout as pause } from "node:timers/promises";

const relay = process.env.RELAY_SERVER ?? "http://127.0.0.1:8080";
const token = process.env.RELAY_TOKEN;
const invoice = Number(process.argv[2] ?? 1042);

// Posts the message; tries again while relay can't be reached or answers 5xx, and only then.
async function send(key, message) {
  let failure;
  for (const wait of [100, 500, 2500, 0]) {
    try {
      const answer = await fetch(`${relay}/api/v1/app/default/msg`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          "idempotency-key": key,
        },
        body: JSON.stringify(message),
        signal: AbortSignal.timeout(30_000),
      });
      const text = await answer.text();
      if (answer.ok) return JSON.parse(text);
      failure = `${answer.status}: ${text}`;
      if (answer.status < 500) break;
    } catch (error) {
      failure = `${relay}: ${error.cause?.message ?? error.message}`;
    }
    await pause(wait);
  }
  throw new Error(failure);
}

if (!token) throw new Error("set RELAY_TOKEN to a key of your relay");
// Made from what happened, not from chance: a second try after a crash has the same key, and relay
// answers it as it answered the first.
const message = await send(`invoice-${invoice}-paid`, {
  eventType: "invoice.paid",
  payload: { type: "invoice.paid", data: { invoice } },
});
console.log("accepted", message.id);
