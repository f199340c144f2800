// The page at /docs as a browser runs it: every call is there, opens, and can be searched for.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

const { JSDOM, VirtualConsole } = createRequire(
  path.join(process.env.NODE_FOLDER, "page.mjs"))("jsdom");

const server = process.env.RELAY_SERVER;
const document = await (await fetch(`${server}/api/v1/openapi.json`)).json();
const errors = [];
const virtualConsole = new VirtualConsole();
virtualConsole.on("jsdomError", (error) => errors.push(error));
const page = await JSDOM.fromURL(`${server}/docs#v1.message.create`, {
  runScripts: "dangerously", resources: "usable", pretendToBeVisual: true, virtualConsole,
  beforeParse(window) {
    window.fetch = (url) => fetch(new URL(url, window.location.href));
    window.Element.prototype.scrollIntoView = () => {};
  },
});
const { window } = page;

/** Waits until something is so, 20 s at most. */
async function until(what, so) {
  const end = Date.now() + 20_000;
  while (!so()) {
    assert.ok(Date.now() < end && errors.length === 0, `${what}: ${errors}`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

const select = (query) => [...window.document.querySelectorAll(query)];
const told = Object.values(document.paths).flatMap((methods) => Object.values(methods));
await until("every call is shown", () => select("details.call").length === told.length);
for (const call of told) {
  const block = window.document.getElementById(call.operationId);
  block.open = true;
  await until(`${call.operationId} opens`, () => block.textContent.includes("With curl"));
  assert.ok(block.textContent.includes(call.summary));
  for (const status of Object.keys(call.responses)) {
    assert.ok(block.textContent.includes(status), `${call.operationId} tells of ${status}`);
  }
  for (const word of ["undefined", "[object"]) {
    assert.ok(!block.textContent.includes(word), `${call.operationId} says ${word}`);
  }
}
const box = window.document.getElementById("search");
const seen = () => select("details.call").filter((block) => !block.hidden).map(({ id }) => id);
box.value = "rotate secret";
box.dispatchEvent(new window.Event("input"));
assert.deepEqual(seen(), [
  "v1.endpoint.rotate-secret",
  "v1.operational-webhook-endpoint.rotate-secret",
  "relay.sealing-key.rotate",
]);
const press = (target, key) =>
  target.dispatchEvent(new window.KeyboardEvent("keydown", { key, bubbles: true }));
press(box, "Escape");
assert.equal(seen().length, told.length);
press(window.document.body, "/");
assert.equal(window.document.activeElement, box);
press(box, "ArrowDown");
assert.equal(window.document.activeElement.parentElement.id, told[0].operationId);
assert.deepEqual(errors, []);
console.log(`/docs shows ${told.length} calls`);
window.close();
