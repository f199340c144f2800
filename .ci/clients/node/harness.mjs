// What the checks of a Svix library for JavaScript stand on: a relay, receivers, waits, a verdict.
// A check is a function that `operation` registers; it is given the relay and the library's method.

import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

export const same = assert.deepEqual;
export const BOUND_MS = 30_000;
export const MANY = 250;
const checks = [];

// Registers a check of operation `name` by the first of `methods` that the library has.
export function operation(name, methods, check) {
  checks.push({ name, methods: methods.split(" "), check });
}

// What `condition` gives, asked until it is something.
export async function until(what, condition) {
  const end = Date.now() + BOUND_MS;
  while (Date.now() < end) {
    const found = await condition();
    if (found) return found;
    await pause(20);
  }
  throw new Error(`waited ${BOUND_MS} ms for ${what}`);
}

// An HTTP server on this machine; each hook is one of its addresses.
export class Receiver {
  hooks = new Map();

  async listen() {
    this.server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const hook = this.hooks.get(request.url);
      hook.arrivals.push({ headers: request.headers, body: Buffer.concat(chunks) });
      this.server.emit("arrival");
      response.writeHead(hook.status).end(hook.status === 204 ? undefined : "answer");
    });
    this.server.setMaxListeners(100);
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
  }

  hook(status = 204) {
    const path = `/hook/${this.hooks.size}`;
    const url = `http://127.0.0.1:${this.server.address().port}${path}`;
    const arrivals = [];
    const take = async () => {
      const signal = AbortSignal.timeout(BOUND_MS);
      while (arrivals.length === 0) await once(this.server, "arrival", { signal });
      return arrivals.shift();
    };
    const hook = { url, status, arrivals, take };
    this.hooks.set(path, hook);
    return hook;
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

// Version 1 calls an endpoint's event types `filterTypes`, and leaves out what it does not know.
export const asBoth = (fields) =>
  fields.eventTypes === undefined ? fields : { ...fields, filterTypes: fields.eventTypes };
export const eventTypesOf = (endpoint) => endpoint.eventTypes ?? endpoint.filterTypes ?? null;

// The relay that is driven, and names that no other library uses in it.
export class Relay {
  receiver = new Receiver();
  names = 0;
  kept = new Map();

  constructor(library, prefix) {
    Object.assign(this, { library, prefix, url: process.env.RELAY_SERVER });
    this.svix = this.asCaller(process.env.RELAY_TOKEN);
  }

  asCaller(token) {
    return new this.library.Svix(token, { serverUrl: this.url, requestTimeout: BOUND_MS });
  }

  name() {
    this.names += 1;
    return `${this.prefix}-${this.names}`;
  }

  application(fields = {}) {
    const uid = this.name();
    return this.svix.application.create({ name: uid, uid, ...fields });
  }

  endpoint(app, fields = {}, hook = this.receiver.hook()) {
    return this.svix.endpoint.create(app.id, asBoth({ url: hook.url, ...fields }));
  }

  eventType(fields = {}) {
    const name = this.name().replace("-", ".t");
    return this.svix.eventType.create({ name, description: "", ...fields });
  }

  send(app, fields = {}) {
    const message = { eventType: "a.b", payload: { type: "a.b" }, ...fields };
    return this.svix.message.create(app.id, message);
  }

  // The message's deliveries, once each has ended.
  settled(app, message, count = 1) {
    return until(`the deliveries of ${message.id}`, async () => {
      const page = await this.svix.messageAttempt.listAttemptedDestinations(app.id, message.id);
      const ended = page.data.every((state) => [0, 2, 4].includes(state.status));
      return page.data.length === count && ended && page.data;
    });
  }

  // The background task, once it has ended well.
  finished(id) {
    return until(id, async () => {
      const task = await this.svix.backgroundTask.get(id);
      assert.notEqual(task.status, "failed");
      return task.status === "finished" && task;
    });
  }

  // What `make` prepares, prepared once for all checks.
  once(make) {
    if (!this.kept.has(make)) this.kept.set(make, make(this));
    return this.kept.get(make);
  }
}

// `count` of what `work` makes, a few at a time.
export async function several(count, work) {
  const made = [];
  for (let from = 0; from < count; from += 8) {
    const numbers = Array.from({ length: Math.min(8, count - from) }, (_, index) => from + index);
    made.push(...(await Promise.all(numbers.map(work))));
  }
  return made;
}

// The body of the error of the library's own type that says so.
export async function refused(status, answer) {
  const error = await answer.then(
    (value) => assert.fail(`expected ${status}, got ${JSON.stringify(value)}`),
    (reason) => reason,
  );
  assert.equal(error.code, status, error);
  const { body } = error;
  if (status === 422) assert.ok(body.detail[0].loc.length > 0 && body.detail[0].msg, error);
  else assert.ok(body.code && body.detail, error);
  return body;
}

// All items of a list, read forward; then back again, page by page, from the last.
export async function walk(pageOf, limit, key = "id") {
  const pages = [await pageOf({ limit })];
  while (!pages.at(-1).done) {
    assert.ok(pages.length <= 1000, "pages without end");
    assert.equal(pages.at(-1).data.length, limit, "a page that is not the last is not full");
    pages.push(await pageOf({ limit, iterator: pages.at(-1).iterator }));
  }
  const back = [pages.at(-1)];
  while (back.length < pages.length) {
    back.push(await pageOf({ limit, iterator: back.at(-1).prevIterator }));
  }
  const items = (page) => page.data.map((item) => item[key]);
  same(back.reverse().map(items), pages.map(items));
  const walked = pages.flatMap(items);
  assert.equal(new Set(walked).size, walked.length, "an item comes twice");
  return walked;
}

export const sorted = (items, order) => {
  const ascending = [...items].sort();
  return order === "descending" ? ascending.reverse() : ascending;
};
export const ago = (hours) => new Date(Date.now() - hours * 3_600_000);
export const headerNames = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

// The method at a path of `svix`, `message.poller.poll`, or nothing.
function find(svix, path) {
  let owner = svix;
  let found = svix;
  for (const part of path.split(".")) {
    owner = found;
    found = found?.[part];
  }
  return typeof found === "function" ? found.bind(owner) : undefined;
}

// Makes every check and writes what became of each operation.
export async function run(library, version, documented, into) {
  const relay = new Relay(library, `js${version.split(".")[0]}`);
  await relay.receiver.listen();
  const operations = {};
  let failures = 0;
  for (const { name, methods, check } of checks) {
    const call = methods.map((method) => find(relay.svix, method)).find((method) => method);
    if (call === undefined) {
      operations[name] ??= "absent";
      continue;
    }
    try {
      await check(relay, call);
      operations[name] ??= "pass";
    } catch (error) {
      // every check is made, whatever became of the one before
      const noCall = name.startsWith("v1.") && !documented.has(name);
      const notYet = noCall || error.code === 501;
      operations[name] = notYet && operations[name] !== "fail" ? "not yet" : "fail";
      if (notYet) continue;
      failures += 1;
      console.log(`JavaScript ${version}: ${name} (${check.name}) failed\n`, error);
    }
  }
  relay.receiver.close();
  writeFileSync(into, JSON.stringify({ library: "JavaScript", version, operations }));
  return failures === 0;
}
