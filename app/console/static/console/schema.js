// The schema as the gateway tells it by introspection, and what forms and results need of it.

const TYPE = 'kind name ofType { kind name ofType { kind name ofType { kind name } } }';
const VALUE = `name description defaultValue type { ${TYPE} }`;
const DOCUMENT = `query Schema { __schema { types { kind name description
  inputFields { ${VALUE} } enumValues { name description } possibleTypes { name }
  fields { name description args { name } type { ${TYPE} } } } } }`;
const APART = ['id', 'contentId', 'contentType', 'createdAt', 'metadata', 'parent', 'children'];

export const ROOT = 'StartGenerationInput'; // each of its fields is a kind of content

/** Asks for it. Throws what `Gateway.ask` throws, where introspection is off too. */
export async function introspected(gateway) {
  return new Schema((await gateway.ask(DOCUMENT)).__schema.types);
}

export class Schema {
  #types;

  constructor(types) {
    this.#types = new Map(types.map((type) => [type.name, type]));
  }

  type(name) {
    return this.#types.get(name);
  }

  /** What can be written: `{ name, description, type }` by the fields of the one-of input. */
  kinds() {
    return this.type(ROOT).inputFields.map((field) => ({
      name: field.name,
      description: field.description,
      type: unwrapped(field.type).name,
    }));
  }

  /** The names of the fields that every kind of content takes: they are about the request. */
  common() {
    const sets = this.kinds().map(
      (kind) => new Set(this.type(kind.type).inputFields.map((f) => f.name)),
    );
    return new Set([...sets[0]].filter((name) => sets.every((set) => set.has(name))));
  }

  /** The field by which this kind of content continues another; null where none does. */
  parentField(kind) {
    const fields = this.type(kind.type).inputFields;
    return (
      fields.find((f) => f.name.startsWith('parent') && unwrapped(f.type).name === 'ID')?.name ??
      null
    );
  }

  /** The fields of a result that are its own, with what the schema says about them. */
  resultFields(typeName) {
    return (this.type(typeName)?.fields ?? []).filter(
      (f) => !APART.includes(f.name) && !f.args.length,
    );
  }

  /** A selection of everything that each type of content has of its own. */
  results() {
    const types = this.type('Content').possibleTypes;
    return types
      .map(({ name }) => `... on ${name} { ${this.#selection(this.resultFields(name))} }`)
      .join(' ');
  }

  #selection(fields) {
    return fields
      .map((field) => {
        const inner = this.type(unwrapped(field.type).name);
        return inner?.fields ? `${field.name} { ${this.#selection(inner.fields)} }` : field.name;
      })
      .join(' ');
  }

  enumValue(typeName, value) {
    return this.type(typeName)?.enumValues?.find((v) => v.name === value);
  }
}

/** A type without its wrappings: its kind and name; whether it is required, and a list. */
export function unwrapped(type) {
  const found = { isRequired: type.kind === 'NON_NULL', isList: false };
  for (let at = type; ; at = at.ofType) {
    if (at.kind === 'LIST') found.isList = true;
    else if (at.kind !== 'NON_NULL') return { ...found, kind: at.kind, name: at.name };
  }
}
