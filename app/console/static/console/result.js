// A result of any type, made readable by what the schema says about its fields.

import { badge, h, ticked } from './dom.js';
import { unwrapped } from './schema.js';
import { number, spoken } from './words.js';

const FIRST = ['name', 'text', 'summary', 'description']; // what needs no heading, in this order

/** The whole result, its title and its prose first. */
export function result(content, schema) {
  const fields = (schema?.resultFields(content.__typename) ?? []).filter((f) =>
    isTold(content[f.name]),
  );
  const first = FIRST.map((name) => fields.find((f) => f.name === name)).filter(Boolean);
  const rest = fields.filter((f) => !first.includes(f) && unwrapped(f.type).name !== 'ID');
  const short = rest.filter((f) => isShort(content[f.name]));
  return h(
    'div',
    { class: 'result' },
    fields.length === 0 && prose(content.text ?? content.summary ?? ''),
    first.map((f) => leading(f, content[f.name])),
    short.length > 0 &&
      h(
        'dl',
        { class: 'short' },
        short.map((f) =>
          h(
            'div',
            { title: f.description },
            h('dt', {}, spoken(f.name)),
            h('dd', {}, value(f, content[f.name], schema)),
          ),
        ),
      ),
    rest.filter((f) => !short.includes(f)).map((f) => section(f, content[f.name], schema)),
  );
}

function isTold(found) {
  return found !== null && found !== undefined && !(Array.isArray(found) && found.length === 0);
}

function isShort(found) {
  return (
    typeof found === 'number' ||
    typeof found === 'boolean' ||
    (typeof found === 'string' && /^[A-Z_]+$/.test(found))
  );
}

function leading(field, found) {
  if (field.name === 'name') return h('h3', { class: 'result-title' }, found);
  return field.name === 'summary' ? h('p', { class: 'summary' }, found) : prose(found);
}

/** A text in its paragraphs. */
export function prose(text) {
  return h(
    'div',
    { class: 'prose' },
    text.split(/\n{2,}/).map((p) => h('p', {}, p)),
  );
}

function section(field, found, schema) {
  return h(
    'section',
    { title: field.description },
    h('h3', { class: 'label' }, spoken(field.name)),
    value(field, found, schema),
  );
}

function value(field, found, schema) {
  if (Array.isArray(found))
    return h(
      typeof found[0] === 'object' ? 'ol' : 'ul',
      { class: 'values' },
      found.map((one) => h('li', {}, single(field, one, schema))),
    );
  return single(field, found, schema);
}

function single(field, found, schema) {
  const type = unwrapped(field.type);
  if (typeof found === 'object') return nested(type.name, found, schema);
  if (typeof found === 'boolean') return badge(found ? 'yes' : 'no', found ? 'good' : 'bad');
  if (type.kind === 'ENUM')
    return badge(spoken(found), severity(found), schema.enumValue(type.name, found)?.description);
  if (type.name === 'Float') return share(field, found);
  return typeof found === 'number' ? number(found) : ticked(found);
}

function severity(name) {
  return { ERROR: 'bad', WARNING: 'warn' }[name] ?? 'plain';
}

/** Scores are shares, 0 to 1, and easier seen than read. */
function share(field, found) {
  if (found < 0 || found > 1) return number(found);
  return h(
    'span',
    { class: 'share' },
    h(
      'span',
      {
        class: 'track',
        role: 'meter',
        'aria-label': spoken(field.name),
        'aria-valuemin': 0,
        'aria-valuemax': 1,
        'aria-valuenow': found,
      },
      h('span', { class: 'bar', vars: { from: 0, share: found } }),
    ),
    h('span', {}, `${Math.round(found * 100)} %`),
  );
}

function nested(typeName, found, schema) {
  const fields = schema
    .resultFields(typeName)
    .filter((f) => isTold(found[f.name]) && unwrapped(f.type).name !== 'ID');
  return h(
    'dl',
    { class: 'nested' },
    fields.map((f) =>
      h(
        'div',
        { title: f.description },
        h('dt', {}, spoken(f.name)),
        h('dd', {}, value(f, found[f.name], schema)),
      ),
    ),
  );
}

/** What a list calls a content: its name, else how its text begins. */
export function title(content) {
  return content.name ?? content.summary ?? content.text ?? '';
}
