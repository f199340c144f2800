// Shows openapi.json. Text goes into the page as text, never as markup.
"use strict";

const DEPTH_MAX = 6;
let api;

/** An element with attributes and children; strings become text. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== ""));
  return element;
}

/** Words in which `…` is code and an empty line begins a paragraph. */
function words(text) {
  const paragraphs = (text || "").split(/\n\s*\n/).filter((part) => part.trim());
  return paragraphs.map((paragraph) => make("p", {}, ...inline(paragraph)));
}

function inline(text) {
  const parts = text.split("`");
  return parts.map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

function follow(value) {
  if (!value || !value.$ref) return value || {};
  const steps = value.$ref.replace(/^#\//, "").split("/");
  return steps.reduce((found, step) => (found || {})[step], api) || {};
}

function typeOf(schema) {
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(follow(one))).join(" or ");
  const types = [].concat(schema.type || "any");
  return types.map((type) => {
    if (type !== "array") return type;
    return "array of " + typeOf(follow(schema.items));
  }).join(" or ");
}

/** The limits of a value, in words. */
function limits(schema) {
  const said = [];
  const range = (least, most, of) => {
    if (schema[least] !== undefined && schema[most] !== undefined) {
      said.push(`${schema[least]} to ${schema[most]}${of}`);
    } else if (schema[most] !== undefined) {
      said.push(`at most ${schema[most]}${of}`);
    } else if (schema[least] !== undefined) {
      said.push(`at least ${schema[least]}${of}`);
    }
  };
  range("minLength", "maxLength", " characters");
  range("minimum", "maximum", "");
  range("minItems", "maxItems", " items");
  range("minProperties", "maxProperties", " entries");
  if (schema["x-max-bytes"]) said.push(`at most ${schema["x-max-bytes"]} bytes`);
  if (schema.format) said.push(schema.format);
  if (schema.enum) said.push("one of " + schema.enum.map((one) => JSON.stringify(one)).join(", "));
  if (schema.const !== undefined) said.push("always " + JSON.stringify(schema.const));
  if (schema.pattern) said.push("matches " + schema.pattern);
  if (schema.default !== undefined) said.push("default " + JSON.stringify(schema.default));
  const each = schema.items ? limits(follow(schema.items)) : "";
  if (each) said.push("each " + each);
  return said.join(" · ");
}

function field(name, schema, required, depth, place) {
  const told = follow(schema);
  const head = make("div", {},
    make("code", { class: told.deprecated ? "field-name gone" : "field-name" }, name), " ",
    make("span", { class: "faint" }, [place, typeOf(told), limits(told)].filter(Boolean)
      .join(" · ")), " ",
    required ? make("span", { class: "required" }, "required") : undefined);
  const item = make("li", {}, head, ...words(told.description));
  const inner = fields(told, depth + 1);
  if (inner) item.append(inner);
  return item;
}

/** The fields of an object, or of the objects in a list. */
function fields(schema, depth) {
  let told = follow(schema);
  if (told.items) told = follow(told.items);
  if (told.anyOf) told = told.anyOf.map(follow).find((one) => one.properties) || {};
  const names = Object.keys(told.properties || {});
  if (!names.length || depth > DEPTH_MAX) return undefined;
  const required = told.required || [];
  return make("ul", { class: "fields" }, ...names.map((name) =>
    field(name, told.properties[name], required.includes(name), depth, "")));
}

function example(schema) {
  const told = follow(schema);
  return (told.examples || [])[0];
}

function json(value) {
  return make("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));
}

function contentOf(told) {
  const kinds = Object.entries(told.content || {});
  return kinds.length ? { kind: kinds[0][0], schema: kinds[0][1].schema } : undefined;
}

function quote(text) {
  return "'" + text.replaceAll("'", "'\\''") + "'";
}

/** The call with curl, to paste into a shell that has RELAY_TOKEN. */
function curl(call) {
  let path = call.path;
  for (const parameter of call.parameters.filter((one) => one.in === "path")) {
    const value = (parameter.schema.examples || [parameter.name])[0];
    path = path.replace(`{${parameter.name}}`, encodeURIComponent(value));
  }
  const server = new URL(((api.servers || [])[0] || { url: "/" }).url, location.href).href;
  const lines = ["curl " + quote(server.replace(/\/$/, "") + path)];
  if (call.method === "head") lines[0] += " --head";
  else if (call.method !== "get") lines[0] += " -X " + call.method.toUpperCase();
  if (call.role) lines.push('-H "authorization: Bearer $RELAY_TOKEN"');
  const body = call.body && example(call.body.schema);
  if (body !== undefined) {
    lines.push("-H 'content-type: application/json'");
    lines.push("-d " + quote(JSON.stringify(body, null, 2)));
  }
  return lines.join(" \\\n  ");
}

function copyable(text) {
  const button = make("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select it to copy: the browser forbids it here";
    }
  });
  return [make("pre", { tabindex: "0" }, text), button];
}

function answer(status, response) {
  const told = follow(response);
  const content = contentOf(told);
  const summary = make("summary", {}, make("code", {}, status), " ",
    ...inline(told.description || ""));
  const whole = make("details", { class: "answer" }, summary);
  for (const [name, header] of Object.entries(told.headers || {})) {
    whole.append(make("ul", { class: "fields" }, field(name, {
      ...header.schema, description: header.description,
    }, header.required, 0, "header")));
  }
  if (content) {
    const inner = fields(content.schema, 0);
    const shown = example(content.schema);
    whole.append(make("p", { class: "faint" }, content.kind));
    if (inner) whole.append(inner);
    if (shown !== undefined) whole.append(make("h3", {}, "Example"), json(shown));
  }
  return whole;
}

/** What is inside a call, made when it is opened. */
function inside(call) {
  const role = {
    operator: "Needs an operator key.",
    application: "Needs an operator key or a token of the application.",
  }[call.role] || "Needs no key.";
  const parts = [...words(call.told.description),
    make("p", { class: "faint" }, role + " ", make("code", {}, call.id))];
  if (call.parameters.length) {
    parts.push(make("h3", {}, "Parameters"), make("ul", { class: "fields" },
      ...call.parameters.map((one) => field(one.name, {
        ...follow(one.schema), description: one.description,
      }, one.required, 0, one.in))));
  }
  if (call.body) {
    const needed = call.told.requestBody.required ? "Body" : "Body, if any";
    parts.push(make("h3", {}, `${needed}: ${call.body.kind}`));
    parts.push(...words(follow(call.body.schema).description));
    const inner = fields(call.body.schema, 0);
    if (inner) parts.push(inner);
  }
  parts.push(make("h3", {}, "Answers"));
  parts.push(...Object.entries(call.told.responses).map(([status, told]) => answer(status, told)));
  parts.push(make("h3", {}, "With curl"), ...copyable(curl(call)));
  return make("div", {}, ...parts);
}

function shown(call) {
  const summary = make("summary", {},
    make("span", { class: `method ${call.method}` }, call.method.toUpperCase()),
    make("span", { class: "path" }, call.path),
    make("span", { class: call.told.deprecated ? "faint gone" : "faint" }, call.told.summary));
  const whole = make("details", { class: "call", id: call.id }, summary);
  whole.addEventListener("toggle", () => {
    if (whole.open && whole.children.length === 1) whole.append(inside(call));
  });
  return whole;
}

/** Every call of the document, in its order. */
function calls() {
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, told]) => ({
      path, method, told, id: told.operationId, tag: (told.tags || ["Other"])[0],
      role: ((((told.security || [])[0] || {}).bearer || [])[0]),
      parameters: (told.parameters || []).map(follow),
      body: contentOf(follow(told.requestBody)),
    })));
}

/** What is searched: all that the call and its shapes say, with every name they use. */
function haystack(call) {
  const names = call.parameters.map((one) => one.name);
  const shapes = [call.body, ...Object.values(call.told.responses).map((one) =>
    contentOf(follow(one)))].filter(Boolean);
  const inner = shapes.flatMap((shape) => Object.keys(follow(shape.schema).properties || {}));
  const { summary, description, responses } = call.told;
  return [call.method, call.path, call.id, call.tag, summary, description || "",
    ...Object.keys(responses), ...names, ...inner].join(" ").toLowerCase();
}

function show() {
  const all = calls();
  document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
  const main = document.getElementById("calls");
  const contents = document.getElementById("contents");
  main.replaceChildren(...words(api.info.description));
  const entries = [];
  const groups = [];
  for (const tag of api.tags) {
    const mine = all.filter((call) => call.tag === tag.name);
    const section = make("section", {}, make("h2", {}, tag.name), ...words(tag.description));
    const list = make("ul", {});
    for (const call of mine) {
      const block = shown(call);
      const link = make("li", {}, make("a", { href: `#${call.id}` }, call.told.summary));
      section.append(block);
      list.append(link);
      entries.push({ block, link, text: haystack(call) });
    }
    const menu = make("section", {}, make("h2", {}, tag.name), list);
    main.append(section);
    contents.append(menu);
    groups.push({ section, menu, blocks: [...section.querySelectorAll("details.call")] });
  }
  return { entries, groups };
}

function search({ entries, groups }, text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const { block, link, text: hay } of entries) {
    const hit = wanted.every((word) => hay.includes(word));
    block.hidden = link.hidden = !hit;
    count += hit ? 1 : 0;
  }
  for (const { section, menu, blocks } of groups) {
    section.hidden = menu.hidden = blocks.every((block) => block.hidden);
  }
  const found = document.getElementById("found");
  found.textContent = wanted.length ? `${count} of ${entries.length} calls` : "";
}

/** Opens the call that the address names. */
function open() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!named || !named.matches("details.call")) return;
  named.open = true;
  named.scrollIntoView();
  named.querySelector("summary").focus({ preventScroll: true });
}

/** `/` goes to the search, Escape empties it, the arrows go from call to call. */
function keys(box, all) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && event.target !== box) {
      event.preventDefault();
      box.focus();
    } else if (event.key === "Escape" && event.target === box) {
      box.value = "";
      search(all, "");
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const seen = all.entries.map((one) => one.block).filter((block) => !block.hidden);
      const at = seen.findIndex((block) => block.firstChild === event.target);
      if (at < 0 && event.target !== box) return;
      const next = seen[event.key === "ArrowDown" ? at + 1 : Math.max(at - 1, 0)];
      if (!next) return;
      event.preventDefault();
      next.firstChild.focus();
    }
  });
}

async function begin() {
  const progress = document.getElementById("progress");
  try {
    const answered = await fetch("api/v1/openapi.json");
    if (!answered.ok) throw new Error(`it was answered ${answered.status}`);
    api = await answered.json();
  } catch (error) {
    progress.textContent = `openapi.json can't be read: ${error.message}. Load the page again.`;
    return;
  }
  const all = show();
  const box = document.getElementById("search");
  box.addEventListener("input", () => search(all, box.value));
  window.addEventListener("hashchange", open);
  keys(box, all);
  search(all, box.value);
  open();
}

begin();
