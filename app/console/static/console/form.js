// The form for one kind of content, made from its input type in the schema.

import { h } from './dom.js';
import { unfold } from './controls.js';
import { field, folding, object, within } from './fields.js';
import { SAMPLES } from './samples.js';
import { unwrapped } from './schema.js';
import { spoken } from './words.js';

export class Form {
  #fields;
  #parent;

  /** `kind`: one of `schema.kinds()`. It holds what makes a good first text. */
  constructor(schema, kind) {
    this.kind = kind;
    const sample = SAMPLES[kind.name] ?? {};
    const common = schema.common();
    const values = schema.type(kind.type).inputFields;
    const parent = schema.parentField(kind);
    this.#fields = values.map((v) => [v.name, field(schema, v, sample[v.name])]);
    this.#parent = this.#fields.find(([name]) => name === parent)?.[1];
    const groups = { own: [], required: [], optional: [], common: [], parent: [] };
    values.forEach((value, at) =>
      groups[place(schema, value, common, parent)].push(this.#fields[at][1].element),
    );
    this.element = h(
      'div',
      { class: 'fields' },
      groups.own,
      groups.required,
      groups.optional,
      this.#parent && folding('Continue another content', groups.parent, false),
      folding('Cache and delivery', [h('div', { class: 'fields' }, groups.common)], false),
    );
    this.element.addEventListener('invalid', (event) => unfold(event.target), true);
  }

  /** The input as `startGeneration` takes it: under the name of the kind. */
  read() {
    return { [this.kind.name]: object(this.#fields, true) };
  }

  /** Marks the field that a refusal names by its path from `input`; false where none is here. */
  show(path, message) {
    const names = path.split(/[.[\]]+/).filter(Boolean);
    while (names[0] === 'input' || names[0] === this.kind.name) names.shift();
    return within(this.#fields).show(names, message);
  }

  /** Has it continue this content; null has it stand alone. */
  setParent(contentId) {
    this.#parent.set(contentId ?? '');
    this.#parent.element.closest('details').open = contentId !== null;
  }
}

/** Where a value stands: what the text is about first, what concerns the request alone last. */
function place(schema, value, common, parent) {
  if (common.has(value.name)) return 'common';
  if (value.name === parent) return 'parent';
  const type = unwrapped(value.type);
  if (type.isRequired) return schema.type(type.name)?.inputFields ? 'required' : 'own';
  return 'optional';
}

/** The kinds as radio buttons, of which one is chosen; `onChoose` gets its name. */
export function kindChooser(kinds, onChoose) {
  const radios = kinds.map((kind, at) => {
    const radio = h('input', {
      type: 'radio',
      name: 'kind',
      value: kind.name,
      on: { change: () => onChoose(kind.name) },
    });
    radio.checked = at === 0;
    return h(
      'label',
      { class: 'kind', title: kind.description },
      radio,
      h('span', {}, shortName(kind.name)),
    );
  });
  const choose = (name) => {
    for (const label of radios) label.control.checked = label.control.value === name;
  };
  return {
    element: h('fieldset', { class: 'kinds' }, h('legend', {}, 'What to write'), radios),
    choose,
  };
}

/** `characterContent` is a character, `contentValidation` a validation. */
export function shortName(name) {
  return spoken(name)
    .replace(/ content$/, '')
    .replace(/^Content validation$/, 'Validation');
}
