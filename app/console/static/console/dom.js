// Elements by DOM calls alone: whatever a model or a user wrote becomes text, never markup.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An element. `props`: `class`, `on` (listeners by event), `vars` (CSS custom properties), `data`;
 * anything else is set as an attribute.
 * `false`, `null` and `undefined` leave an attribute or a child out.
 */
export function h(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function s(tag, props = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) set(element, name, value);
  return filledWith(element, children);
}

function filledWith(element, children) {
  element.append(...children.flat(Infinity).filter(isThere).map(asNode));
  return element;
}

function set(element, name, value) {
  if (!isThere(value)) return;
  if (name === 'class') element.setAttribute('class', [value].flat().filter(isThere).join(' '));
  else if (name === 'on')
    for (const [type, f] of Object.entries(value)) element.addEventListener(type, f);
  // CSSOM, which a policy without 'unsafe-inline' allows, unlike a style attribute.
  else if (name === 'vars')
    for (const [key, v] of Object.entries(value)) element.style.setProperty(`--${key}`, v);
  else if (name === 'data') Object.assign(element.dataset, value);
  else if (name === 'value') element.value = value;
  else element.setAttribute(name, value === true ? '' : value);
}

function isThere(value) {
  return value !== null && value !== undefined && value !== false;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

/** Puts these children in place of whatever an element has. */
export function fill(element, ...children) {
  element.replaceChildren();
  return filledWith(element, children);
}

/** A text with its `names` in backticks as code. */
export function ticked(text) {
  return (text ?? '').split('`').map((part, at) => (at % 2 ? h('code', {}, part) : part));
}

export function byId(id) {
  return document.getElementById(id);
}

export function button(label, onClick, props = {}) {
  return h('button', { type: 'button', ...props, on: { click: onClick } }, label);
}

export function badge(text, tone = 'plain', title = null) {
  return h('span', { class: ['badge', tone], title }, text);
}

/** What stands where nothing is yet: it says so, and what would change that. */
export function empty(title, hint) {
  return h(
    'div',
    { class: 'empty' },
    h('p', { class: 'empty-title' }, title),
    hint && h('p', {}, hint),
  );
}

/** A time as a reader would say it, with the exact one behind it. */
export function time(iso, text) {
  return h('time', { datetime: iso, title: iso }, text);
}
