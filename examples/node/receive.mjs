// Receives what relay delivers: verifies each request and handles each message once.
//
//   RELAY_SECRET=whsec_... PORT=3000 node receive.mjs

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const TOLERANCE_SECONDS = 300;
const BODY_LIMIT = 2 * 1024 * 1024;
const secret = process.env.RELAY_SECRET;

// Ids of the messages handled, the newest 10,000. In an application this is a table with a unique
// column, written in the same transaction as the work, so that both happen or neither.
const handled = new Set();

// Returns why the request is not relay's, or undefined. `body` is a Buffer, exactly as it came.
function verify(headers, body, now) {
  const id = headers["webhook-id"] ?? "";
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (!id || id.includes(".")) return "no webhook-id";
  if (!/^\d{1,12}$/.test(timestamp)) return "no webhook-timestamp";
  if (Math.abs(now - Number(timestamp)) > TOLERANCE_SECONDS) {
    return "webhook-timestamp is too far from the clock";
  }
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  // one signature for each secret while secrets are rotated: any that matches will do
  for (const item of (headers["webhook-signature"] ?? "").split(" ")) {
    const [version, signature] = item.split(",", 2);
    const candidate = Buffer.from(signature ?? "", "base64");
    if (version !== "v1" || candidate.length !== expected.length) continue;
    if (timingSafeEqual(candidate, expected)) return undefined;
  }
  return "no signature matches";
}

// Answers 2xx only when the message is handled; anything else, and relay tries again.
async function receive(request, response) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > BODY_LIMIT) return response.writeHead(413, { connection: "close" }).end();
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  const problem = verify(request.headers, body, Math.floor(Date.now() / 1000));
  if (problem) {
    console.log("refused:", problem);
    return response.writeHead(401).end();
  }
  const id = request.headers["webhook-id"];
  // Delivery is at least once: an answer that got lost makes relay send the same id again.
  if (handled.has(id)) {
    console.log("duplicate", id);
    return response.writeHead(204).end();
  }
  console.log("received", id, body.toString()); // your work goes here
  handled.add(id);
  if (handled.size > 10_000) handled.delete(handled.values().next().value);
  return response.writeHead(204).end();
}

if (!secret) throw new Error("set RELAY_SECRET to the endpoint's whsec_...");
const server = createServer((request, response) => {
  receive(request, response).catch(() => response.destroy());
});
server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
