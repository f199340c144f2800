// What the proofs of providers' libraries for JavaScript stand on: a relay, a receiver, the checks.
//
// A case is a provider and a library of it: `sign` makes a request as the provider sends it,
// `verify` asks the library whether that is from the provider. `run` declares a source and an
// endpoint for each case in the relay's file, has it read again, and makes the same checks of
// every case.

import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { inspect } from "node:util";

import * as standardwebhooks from "standardwebhooks";

const BOUND_MS = 30_000;
// How the outside reaches the relay: what providers sign.
const PUBLIC_URL = "https://hooks.example.com";
// Stands in every body; a body that was changed has the other word there.
export const GENUINE = "genuine";
export const CHANGED = "altered";
export const FORM = "application/x-www-form-urlencoded";
// Who signed where the library only verifies.
export const HMAC = "hmac of Node";
const ORIGINAL = "relay-original-";
const cases = [];
const handshakes = [];

// What of a case most have in common. `verify` returns a truth or throws.
const USUAL = {
  // who signed: "library", or what did so for want of it
  signedBy: "library",
  good: "a secret of the proofs",
  bad: "another secret",
  // a token says nothing of the body
  coversBody: true,
  refusal: 401,
  reason: "mismatch",
  // what the source is told of a key
  secret: (key) => key,
  change: (body) => body.replace(GENUINE, CHANGED),
};

export const prove = (provider, library, title, fields) =>
  cases.push({ ...USUAL, provider, library, title, ...fields });

// Registers a function of (checks, source) that plays a provider's handshake.
export const handshake = (provider, library, settings, check) =>
  handshakes.push({ provider, library, settings, check });

export const hmac = (key, text, encoding = "hex", kind = "sha256") =>
  createHmac(kind, key).update(text).digest(encoding);
export const seconds = () => Math.floor(Date.now() / 1000);
export const versionOf = (library) =>
  JSON.parse(readFileSync(new URL(`node_modules/${library}/package.json`, import.meta.url)))
    .version;

const lower = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

// Counts what was checked; says what was expected and what came.
class Checks {
  count = 0;

  same(what, found, expected) {
    this.count += 1;
    const said = `${what}: expected ${inspect(expected)}, got ${inspect(found)}`;
    assert.deepEqual(found, expected, said);
  }

  true(what, found) {
    this.count += 1;
    assert.ok(found, `${what}: expected so, got ${inspect(found)}`);
  }

  async accepts(what, verify) {
    this.count += 1;
    const found = await verify();
    assert.notEqual(found, false, `${what}: expected the library to accept it`);
  }

  // A library says no by returning false or by throwing.
  async rejects(what, verify) {
    this.count += 1;
    let found = false;
    try {
      found = await verify();
    } catch {
      return;
    }
    assert.equal(found, false, `${what}: expected the library to reject it`);
  }
}

// An HTTP server on this machine: a list of arrivals for each path.
class Receiver {
  arrivals = new Map();

  async listen() {
    this.server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const arrived = { headers: request.headers, body: Buffer.concat(chunks).toString() };
      this.arrivals.get(request.url).push(arrived);
      this.server.emit("arrival");
      response.writeHead(204).end();
    });
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
  }

  url(uid) {
    this.arrivals.set(`/${uid}`, []);
    return `http://127.0.0.1:${this.server.address().port}/${uid}`;
  }

  async take(uid) {
    const signal = AbortSignal.timeout(BOUND_MS);
    const arrivals = this.arrivals.get(`/${uid}`);
    while (arrivals.length === 0) await once(this.server, "arrival", { signal });
    return arrivals.shift();
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

// One that is declared, with an endpoint that sees its messages alone.
class Source {
  constructor(relay, uid, fields) {
    Object.assign(this, { relay, uid, fields });
    this.token = `${uid}-${randomBytes(16).toString("hex")}`;
    this.publicUrl = `${PUBLIC_URL}/in/${this.token}`;
    this.signs = `whsec_${randomBytes(16).toString("hex")}`;
    this.endpointUrl = relay.receiver.url(uid);
  }

  // Lines of relay.toml; texts of JSON are texts of TOML.
  declared() {
    const { uid, token, fields, endpointUrl: url, signs: secret } = this;
    const tables = { source: { uid, token, ...fields }, endpoint: { uid, url, secret } };
    tables.endpoint.sources = [uid];
    return Object.entries(tables).flatMap(([table, values]) => [
      `[[${table}]]`,
      ...Object.entries(values).map(([name, value]) => `${name} = ${JSON.stringify(value)}`),
    ]);
  }

  async post({ body, query = "", ...sent }, method = "POST") {
    const url = `${this.relay.url}/in/${this.token}${query}`;
    const bodiless = ["GET", "HEAD"].includes(method);
    const headers = named(sent);
    const request = { method, headers, body: bodiless ? undefined : body };
    const answer = await fetch(url, { ...request, signal: AbortSignal.timeout(BOUND_MS) });
    return { status: answer.status, headers: answer.headers, body: await answer.text() };
  }

  // The newest request as the API lists it.
  async newest() {
    return (await this.relay.api(`/source/${this.uid}/request?limit=1`)).data[0];
  }

  take() {
    return this.relay.receiver.take(this.uid);
  }

  isEmpty() {
    return this.relay.receiver.arrivals.get(`/${this.uid}`).length === 0;
  }
}

// All headers of what is sent, with names in lower case.
const named = ({ headers = {}, contentType = "application/json" }) => ({
  ...lower(headers),
  "content-type": contentType,
});

// The relay that is proven.
class Relay {
  receiver = new Receiver();
  url = process.env.RELAY_SERVER;

  async api(path) {
    const headers = { authorization: `Bearer ${process.env.RELAY_TOKEN}` };
    const signal = AbortSignal.timeout(BOUND_MS);
    const answer = await fetch(`${this.url}/api/v1${path}`, { headers, signal });
    const body = await answer.text();
    assert.equal(answer.status, 200, `GET ${path}: expected 200, got ${answer.status} ${body}`);
    return JSON.parse(body);
  }

  // Puts them into the relay's file and has it read again.
  async declare(sources) {
    const lines = sources.flatMap((source) => source.declared());
    appendFileSync(process.env.RELAY_FILE, `${lines.join("\n")}\n`);
    process.kill(Number(process.env.RELAY_PROCESS), "SIGHUP");
    const end = Date.now() + BOUND_MS;
    while (Date.now() < end) {
      const known = await this.api("/source?limit=250");
      const endpoints = await this.api("/app/default/endpoint?limit=250");
      const uids = [known, endpoints].map((page) => new Set(page.data.map((one) => one.uid)));
      if (sources.every((source) => uids.every((each) => each.has(source.uid)))) return;
      await pause(20);
    }
    throw new Error(`waited ${BOUND_MS} ms for the declared sources and endpoints`);
  }
}

// Headers as the provider sent them: those that clash with relay's own were renamed.
export function received(headers) {
  const renamed = Object.entries(headers).filter(([name]) => name.startsWith(ORIGINAL));
  const originals = renamed.map(([name, value]) => [name.slice(ORIGINAL.length), value]);
  return { ...headers, ...Object.fromEntries(originals) };
}

// What a receiver asks a library about.
const seen = (source, sent) => ({
  url: source.publicUrl + (sent.query ?? ""),
  headers: named(sent),
  body: sent.body,
});

// Everything that is checked of a case.
async function check(checks, proven, source) {
  const { good, bad } = proven;
  const sign = (key, number) => proven.sign(key, source.publicUrl, number);
  const [first, second] = [await sign(good, 1), await sign(good, 2)];
  await delivered(checks, proven, source, first);
  const forged = await sign(bad, 3);
  const asked = seen(source, forged);
  await checks.accepts("of its own secret", () => proven.verify(bad, asked));
  await checks.rejects("of another secret", () => proven.verify(good, asked));
  await refused(checks, proven, source, forged, "another secret");
  if (proven.coversBody) {
    const genuine = await sign(good, 4);
    const changed = { ...genuine, body: proven.change(genuine.body) };
    checks.true("the body was changed", changed.body !== genuine.body);
    await checks.rejects("of a changed body", () => proven.verify(good, seen(source, changed)));
    await refused(checks, proven, source, changed, "a changed body");
  }
  // after what was refused: had any of it been passed on, it would stand in front of this
  await delivered(checks, proven, source, second);
  const { status, body } = await source.post(second);
  checks.true(`sent again: ${status} ${body} is a success`, status >= 200 && status < 300);
  checks.same("the verdict of what is sent again", (await source.newest()).verdict, "duplicate");
  checks.true("nothing else came to the receiver", source.isEmpty());
}

async function delivered(checks, proven, source, sent) {
  const asked = seen(source, sent);
  await checks.accepts("before it is sent", () => proven.verify(proven.good, asked));
  const answer = await source.post(sent);
  const request = await source.newest();
  const said = `${answer.status} ${answer.body} is a success; ${JSON.stringify(request)}`;
  checks.true(said, answer.status >= 200 && answer.status < 300);
  checks.same(`the verdict of ${JSON.stringify(request)}`, request.verdict, "accepted");
  const { headers, body } = await source.take();
  checks.same("the body that arrived", body, sent.body);
  checks.same("its content-type", headers["content-type"], asked.headers["content-type"]);
  checks.same("relay-source", headers["relay-source"], source.uid);
  checks.same("relay-verified", headers["relay-verified"], "true");
  checks.same("the message", headers["webhook-id"], request.msgId);
  const passed = received(headers);
  if (proven.credential) {
    // between the provider and relay: who had it could send in the provider's name
    checks.same(`the ${proven.credential} that arrived`, passed[proven.credential], undefined);
    passed[proven.credential] = asked.headers[proven.credential];
  }
  const arrived = { ...asked, headers: passed, body };
  await checks.accepts("after it was delivered", () => proven.verify(proven.good, arrived));
  const ours = new standardwebhooks.Webhook(source.signs);
  await checks.accepts("our own signature", () => ours.verify(body, headers, { jsonParse: false }));
}

async function refused(checks, proven, source, sent, what) {
  const { status, body } = await source.post(sent);
  const request = await source.newest();
  const said = `${what}: ${body} ${JSON.stringify(request)}`;
  checks.same(`${said}: the status`, status, proven.refusal);
  checks.same(`${what}: its verdict`, request.verdict, "refused");
  checks.same(`${what}: the reason`, request.reason, proven.reason);
  checks.same(`${what}: the message made of it`, request.msgId, undefined);
}

// Makes every check, and writes what was proven with what.
export async function run(into) {
  const relay = new Relay();
  await relay.receiver.listen();
  const uid = (text) => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const declared = (one, name, settings) => {
    const fields = { provider: one.provider, ...settings };
    return { ...one, source: new Source(relay, uid(name), fields) };
  };
  const plays = [
    ...cases.map((one) => ({
      ...declared(one, `${one.provider} ${one.title}`, { secret: one.secret(one.good) }),
      play: check,
    })),
    ...handshakes.map((one) => ({
      ...declared(one, `${one.provider} handshake`, one.settings),
      title: "handshake",
      play: (checks, { check: play }, source) => play(checks, source),
    })),
  ];
  await relay.declare(plays.map(({ source }) => source));
  let [count, failures] = [0, 0];
  const proven = [];
  for (const each of plays) {
    const { provider, library, title, signedBy: signed } = each;
    const version = versionOf(library);
    const checks = new Checks();
    try {
      await each.play(checks, each, each.source);
      console.log(`${provider}: ${library} ${version} (${title}): ${checks.count} checks`);
      const handshakes = title === "handshake" ? { handshake: provider } : { provider, signed };
      proven.push({ library, version, ...handshakes });
    } catch (error) {
      // every case is made, whatever became of the one before
      failures += 1;
      console.log(`FAILED ${provider}: ${library} ${version} (${title})\n`, error);
    }
    count += checks.count;
  }
  relay.receiver.close();
  writeFileSync(into, JSON.stringify({ language: "JavaScript", checks: count, proven }));
  console.log(`JavaScript: ${count} checks, ${failures} of ${plays.length} failed`);
  return failures === 0;
}
