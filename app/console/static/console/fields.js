// The fields of a form, from the schema's input values: controls, and groups and lists of them.

import { choice, choices, line, tick } from './controls.js';
import { button, h, ticked } from './dom.js';
import { unwrapped } from './schema.js';
import { spoken } from './words.js';

/** The field for an input value of the schema, with what it holds at first. */
export function field(schema, value, initial, options = {}) {
  const type = unwrapped(value.type);
  const inner = schema.type(type.name);
  if (type.isList && inner?.enumValues) return choices(value, inner, initial ?? []);
  if (type.isList) return list(schema, value, type, initial ?? []);
  if (inner?.inputFields) return group(schema, value, inner, initial, options);
  if (inner?.enumValues) return choice(value, type, inner, initial);
  if (type.name === 'Boolean') return tick(value, initial);
  return line(value, type, initial);
}

/** An input within an input: a fieldset, folded where the request can do without it. */
function group(schema, value, inner, initial, { isItem } = {}) {
  const type = unwrapped(value.type);
  const fields = inner.inputFields.map((f) => [f.name, field(schema, f, initial?.[f.name])]);
  if (isItem) return item(value, fields);
  const content = [
    h('p', { class: 'hint' }, ticked(value.description)),
    h(
      'div',
      { class: 'fields' },
      fields.map(([, f]) => f.element),
    ),
  ];
  const element = folding(spoken(value.name), content, type.isRequired);
  return { element, read: () => object(fields, type.isRequired), ...within(fields) };
}

function item(value, fields) {
  const element = h(
    'div',
    { class: 'fields', role: 'group', 'aria-label': spoken(value.name) },
    fields.map(([, f]) => f.element),
  );
  return { element, read: () => object(fields, true), ...within(fields) };
}

/** A group of fields under a heading that folds, and then says what the fields hold. */
export function folding(title, content, isOpen) {
  const body = h('div', { role: 'group', 'aria-label': title }, content);
  const told = h('span', { class: 'told' });
  const element = h(
    'details',
    { class: 'group', on: { toggle: tell } },
    h('summary', {}, title, ' ', told),
    body,
  );
  function tell() {
    const controls = [...body.querySelectorAll('input:not([type=checkbox]), textarea, select')];
    told.textContent = element.open
      ? ''
      : controls
          .map((c) => c.value)
          .filter(Boolean)
          .join(' · ');
  }
  element.open = isOpen;
  tell();
  return element;
}

/** What named fields read, as one object; `undefined` where they are all empty and may be. */
export function object(fields, isRequired = false) {
  const entries = fields.map(([name, f]) => [name, f.read()]).filter(([, v]) => v !== undefined);
  return entries.length || isRequired ? Object.fromEntries(entries) : undefined;
}

/** `show` and `set` for fields by their names. */
export function within(fields) {
  const of = (name) => fields.find(([n]) => n === name)?.[1];
  return {
    show: ([name, ...rest], message) => of(name)?.show(rest, message) ?? false,
    set: (value) => {
      for (const [name, f] of fields) f.set(value?.[name]);
    },
  };
}

function list(schema, value, type, initial) {
  const items = h('ol', { class: 'items' });
  const held = new Map();
  const one = {
    ...value,
    name: type.name,
    description: '',
    defaultValue: null,
    type: { kind: 'NON_NULL', ofType: { kind: type.kind, name: type.name } },
  };
  const append = (first) => {
    const made = field(schema, one, first, { isItem: true });
    const take = button(
      'Remove',
      () => {
        held.delete(item);
        item.remove();
        more.focus();
      },
      { class: 'quiet small' },
    );
    const item = h('li', {}, made.element, take);
    held.set(item, made);
    items.append(item);
    return made;
  };
  const more = button(
    `Add ${spoken(value.name).toLowerCase()}`,
    () => {
      append().element.querySelector('input, select, textarea')?.focus();
    },
    { class: 'quiet small' },
  );
  initial.forEach(append);
  const element = h(
    'fieldset',
    { class: 'list' },
    h(
      'legend',
      {},
      spoken(value.name),
      type.isRequired && h('span', { class: 'required' }, 'required'),
    ),
    h('p', { class: 'hint' }, ticked(value.description)),
    items,
    more,
  );
  const read = () => {
    const found = [...held.values()].map((f) => f.read()).filter((v) => v !== undefined);
    return found.length || type.isRequired ? found : undefined;
  };
  const show = ([at, ...rest], message) =>
    [...held.values()][Number(at)]?.show(rest, message) ?? false;
  return { element, read, show, set() {} };
}
