// Relay's runtime with what relay-compiler made of contents.js: node run.mjs <url> <token>
// Prints {page}, {next}, {before, after} of a refetch, {left} after a deletion, and {warning}s.
import { createRequire } from 'node:module';
import relay from 'relay-runtime';

const {
  commitMutation, ConnectionHandler, createOperationDescriptor, Environment, fetchQuery,
  getSelector, Network, RecordSource, ROOT_ID, Store,
} = relay;

const require = createRequire(import.meta.url);
const artifact = (name) => require(`./__generated__/${name}.graphql`);
const contentsQuery = artifact('contentsQuery');
const page = artifact('contents_page');
const row = artifact('contents_row');

const [url, token] = process.argv.slice(2);
const tell = (found) => console.log(JSON.stringify(found));
console.error = console.warn = (...words) => tell({ warning: words.map(String).join(' ') });

async function ask({ text, name }, variables) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: text, operationName: name, variables }),
  });
  return response.json();
}

const store = new Store(new RecordSource());
const environment = new Environment({ network: Network.create(ask), store });
const run = (query, variables) => fetchQuery(environment, query, variables).toPromise();

function commit(mutation, variables) {
  return new Promise((onCompleted, onError) => {
    commitMutation(environment, { mutation, variables, onCompleted, onError });
  });
}

function shown() {
  const operation = createOperationDescriptor(contentsQuery, { count: 2 });
  environment.retain(operation);
  const root = environment.lookup(operation.fragment).data;
  return environment.lookup(getSelector(page, root)).data.contents;
}

const nodes = () => shown().edges.map((edge) => edge.node);
const ids = () => nodes().map((node) => node.id);
const children = (node) => environment.lookup(getSelector(row, node)).data.children.map((c) => c.id);

const generate = async (setting, parentElementId) => {
  const input = { elementType: 'PLOT', context: { setting }, parentElementId };
  const { generateStory } = await commit(artifact('contentsGenerateMutation'), { input });
  return generateStory.story.id;
};

const made = [];
for (const setting of ['a harbour', 'a mill', 'a tower', 'a moor']) made.unshift(await generate(setting));

await run(contentsQuery, { count: 2 });
tell({ made, page: ids() });

await run(artifact('contentsPageQuery'), { count: 2, cursor: shown().pageInfo.endCursor });
tell({ next: ids(), more: shown().pageInfo.hasNextPage });

const before = children(nodes()[0]);
const child = await generate('its cellar', made[0]);
await run(artifact('contentsRowQuery'), { id: made[0] });
tell({ child, before, after: children(nodes()[0]) });

const connections = [ConnectionHandler.getConnectionID(ROOT_ID, 'contents_contents')];
await commit(artifact('contentsDeleteMutation'), { id: made[1], connections });
tell({ left: ids(), record: store.getSource().getStatus(made[1]) });
