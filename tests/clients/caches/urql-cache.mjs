// One content is one entry of graphcache: node urql-cache.mjs <url> <token> [<schema.graphql>]
// With a schema graphcache is told which types it has, and that those without `id` are values.
// Prints {watched} for each result of a query that is watched, {found} for what needed no request,
// {event} for an event of the second text, and {warning} for each of graphcache's.
import { gql } from '@urql/core';
import { buildSchema, introspectionFromSchema } from 'graphql';
import { readFileSync } from 'node:fs';
import { tell, urql } from './urql.mjs';

const [url, token, path] = process.argv.slice(2);

function configuration() {
  if (!path) return {};
  const schema = introspectionFromSchema(buildSchema(readFileSync(path, 'utf8')));
  // --- what docs/clients.md shows
  const isValue = (type) => type.kind === 'OBJECT' && !type.fields.some((f) => f.name === 'id');
  const values = schema.__schema.types.filter(isValue);
  const keys = Object.fromEntries(values.map((type) => [type.name, () => null]));
  // --- until here
  return { schema, keys };
}

const { client, socket } = urql(url, token, configuration());

const GENERATE = gql`
  mutation ($input: GenerateStoryInput!) {
    generateStory(input: $input) {
      rateLimit { scope remaining }
      story { id contentId text metadata { modelUsed } parent { id ... on Story { childElements } } }
    }
  }
`;
const CONTENT = gql`
  query ($id: ID!) {
    content(id: $id) { id metadata { cached } ... on Story { childElements } }
  }
`;
const CONTENTS = gql`
  query { contents { pageInfo { endCursor } edges { cursor node { id metadata { modelUsed } } } } }
`;
const VIEWER = gql`
  query { viewer { id tier } models { id name state } rateLimits { scope } health { status } }
`;
const EVENTS = gql`
  subscription ($after: String) {
    contentGenerated(after: $after) { id metadata { modelUsed } content { id contentId } }
  }
`;

async function asked(promise) {
  const { data, error } = await promise;
  if (error) throw error;
  return data;
}

async function generate(setting, parentElementId) {
  const input = { elementType: 'PLOT', context: { setting }, parentElementId };
  return (await asked(client.mutation(GENERATE, { input }).toPromise())).generateStory.story;
}

const parent = await generate('a harbour');
const told = new Promise((resolve) => {
  client.query(CONTENT, { id: parent.contentId }).subscribe(({ data }) => {
    tell({ watched: data.content.childElements });
    if (data.content.childElements.length) resolve();
  });
});
const { eventCursor: after } = await asked(client.query(gql`{ eventCursor }`, {}).toPromise());
const event = new Promise((resolve) => {
  client.subscription(EVENTS, { after }).subscribe(({ data, error }) => resolve(error ?? data));
});
const child = await generate('its lighthouse', parent.id);
await told;
tell({ event: (await event).contentGenerated, child: child.id });

await asked(client.query(VIEWER, {}).toPromise());
await asked(client.query(CONTENTS, {}).toPromise());
const again = client.query(CONTENTS, {}, { requestPolicy: 'cache-only' });
const { data } = await again.toPromise();
tell({ found: data.contents.edges.map((edge) => edge.node.id), parent: parent.id });
await socket.dispose();
process.exit(); // the query that is watched goes on
