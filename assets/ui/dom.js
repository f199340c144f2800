// Elements. Whatever strangers wrote comes in as text and stays text: nothing here parses HTML.

const SVG = 'http://www.w3.org/2000/svg';

// Where a link may lead; `javascript:` and `data:` are not among it.
function safe(url) {
  const { protocol } = new URL(url, location.href);
  return ['http:', 'https:', 'blob:', 'mailto:'].includes(protocol) ? url : '#';
}

function apply(element, attributes) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked') element[name] = value;
    else if (name === 'href' || name === 'src') element.setAttribute(name, safe(String(value)));
    else element.setAttribute(name, value === true ? '' : String(value));
  }
}

function fill(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

// An element of this name with attributes (`onclick` and the like are listeners) and children.
export function h(name, attributes, ...children) {
  const element = document.createElement(name);
  apply(element, attributes);
  return fill(element, children);
}

// The same for drawings.
export function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  apply(element, attributes);
  return fill(element, children);
}

// Puts children in the place of whatever an element holds.
export function show(element, ...children) {
  element.replaceChildren();
  return fill(element, children);
}

export const byId = (id) => document.getElementById(id);

// From this page to the root of the server.
export const root = document.documentElement.dataset.root ?? '';

// A place of the dashboard: `to('applications', id, 'messages', id)`.
export const to = (...parts) => root + parts.map((part) => encodeURIComponent(part)).join('/');

// What the path of this page names.
export const names = document.documentElement.dataset;
