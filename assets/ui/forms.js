// Forms and questions.

import { byId, h, show } from './dom.js';
import { notice } from './parts.js';

let count = 0;

// A field with its label: kinds are those of `input`, and `textarea`, `select`, `checkbox`.
export function field(
  name,
  label,
  { kind = 'text', value, options, hint, rows = 6, ...attributes } = {},
) {
  count += 1;
  const id = `field-${count}`;
  const about = hint ? { 'aria-describedby': `${id}-hint` } : {};
  let control;
  if (kind === 'textarea')
    control = h('textarea', {
      id,
      name,
      rows,
      spellcheck: 'false',
      ...about,
      ...attributes,
      value: value ?? '',
    });
  else if (kind === 'select') {
    const list = options.map(([given, words]) =>
      h('option', { value: given, selected: given === value }, words),
    );
    control = h('select', { id, name, ...about, ...attributes }, list);
  } else if (kind === 'checkbox')
    control = h('input', {
      id,
      name,
      type: 'checkbox',
      checked: Boolean(value),
      ...about,
      ...attributes,
    });
  else
    control = h('input', {
      id,
      name,
      type: kind,
      autocomplete: 'off',
      ...about,
      ...attributes,
      value: value ?? '',
    });
  const words = h('label', { for: id }, label);
  const note = hint ? h('p', { class: 'faint', id: `${id}-hint` }, hint) : null;
  return h(
    'div',
    { class: `field ${kind}` },
    kind === 'checkbox' ? [control, words] : [words, control],
    note,
  );
}

// What a form holds: text by name, and whether a box is ticked.
export function read(form) {
  const found = {};
  for (const control of form.elements) {
    if (control.name)
      found[control.name] = control.type === 'checkbox' ? control.checked : control.value.trim();
  }
  return found;
}

// A form that submits to `action(values)`; refusals stand in it, in the server's words.
export function form(children, words, action, { kind = '' } = {}) {
  const problems = h('p', { class: 'problem', role: 'alert', hidden: true });
  const submit = h('button', { type: 'submit' }, words);
  const element = h(
    'form',
    {
      class: kind,
      onsubmit: async (event) => {
        event.preventDefault();
        submit.disabled = true;
        problems.hidden = true;
        try {
          await action(read(element), element);
        } catch (error) {
          problems.textContent = error.message;
          problems.hidden = false;
        } finally {
          submit.disabled = false;
        }
      },
    },
    children,
    problems,
    h('div', { class: 'actions' }, submit),
  );
  return element;
}

// A dialog with a title; closes by Escape, by its button, or by `close()`.
export function dialog(title, content) {
  count += 1;
  const element = h(
    'dialog',
    { 'aria-labelledby': `dialog-${count}` },
    h(
      'div',
      { class: 'head' },
      h('h2', { id: `dialog-${count}` }, title),
      h(
        'button',
        { type: 'button', class: 'close', 'aria-label': 'Close', onclick: () => element.close() },
        '×',
      ),
    ),
    h('div', { class: 'body' }),
  );
  element.addEventListener('close', () => element.remove());
  byId('main').append(element);
  show(element.querySelector('.body'), typeof content === 'function' ? content(element) : content);
  element.showModal();
  return element;
}

// Asks before something is done that can't be undone; the words say what will happen.
export function confirm(title, words, action, { yes = 'Go on', kind = 'danger' } = {}) {
  const asked = dialog(title, (element) => {
    const go = h(
      'button',
      {
        type: 'button',
        class: kind,
        onclick: async () => {
          go.disabled = true;
          try {
            await action();
            element.close();
          } catch (error) {
            notice(error.message, 'bad');
            go.disabled = false;
          }
        },
      },
      yes,
    );
    return [
      h('p', null, words),
      h(
        'div',
        { class: 'actions' },
        h('button', { type: 'button', class: 'plain', onclick: () => element.close() }, 'Cancel'),
        go,
      ),
    ];
  });
  return asked;
}

// Words separated by commas or spaces as a list; empty is none.
export const list = (text) => {
  const found = text.split(/[\s,]+/).filter(Boolean);
  return found.length ? found : null;
};

// JSON that somebody typed; empty is none.
export function json(text, name) {
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is no JSON: ${error.message}`);
  }
}
