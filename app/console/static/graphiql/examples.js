// The examples: one operation for each root field, written down in examples.graphql.

const SEPARATOR = /^# ---\n/m;

// Blocks of comment lines and an operation; from the line that opens an object on, the comment is
// the operation's variables.
export function read(text, parse) {
  return text.split(SEPARATOR).map((block) => {
    const lines = block.trim().split('\n');
    const end = lines.findIndex((line) => !line.startsWith('#'));
    const comment = lines.slice(0, end).map((line) => line.slice(2));
    const begin = comment.findIndex((line) => line.startsWith('{'));
    const about = begin < 0 ? comment : comment.slice(0, begin);
    const operation = lines.slice(end).join('\n');
    const definition = parse(operation).definitions[0];
    return {
      about: about.join(' ').trim(),
      field: definition.selectionSet.selections[0].name.value,
      kind: definition.operation,
      document: about.map((line) => `# ${line}`.trim()).filter((line) => line !== '#').join('\n') + `\n${operation}`,
      variables: begin < 0 ? {} : JSON.parse(comment.slice(begin).join('\n')),
      wants: definition.variableDefinitions.map(({ variable }) => variable.name.value),
    };
  });
}

const CHARACTER = '{ type: PERSONALITY, characterContext: { characterClass: "bard", characterRace: "gnome" } }';
const WRITE = `mutation { generateCharacterContent(input: ${CHARACTER}) { content { id contentId } } }`;
const START = `mutation { startGeneration(input: { characterContent: ${CHARACTER} }) { generation { id } } }`;

// What an example needs to exist; `ask` sends a document and gives its data.
const NEEDED = {
  contentId: async (ask) => (await ask(WRITE)).generateCharacterContent.content.contentId,
  nodeId: async (ask) => (await ask(WRITE)).generateCharacterContent.content.id,
  generationId: async (ask) => (await ask(START)).startGeneration.generation.id,
};

// The example's variables. `known` has those that the page knows; in development what else is
// needed is written on the spot, elsewhere it is left empty: a text may cost money.
export async function variables(example, { known, ask, development }) {
  const found = { ...example.variables };
  for (const name of example.wants) {
    if (name in known) found[name] = known[name];
    else if (name in NEEDED) found[name] = development ? await NEEDED[name](ask) : '';
  }
  return found;
}
