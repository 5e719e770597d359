// One content is one entry, whichever way it came: node apollo-cache.mjs <url> <token>
// Prints {watched} for each result of a query that is watched, then {entries}: what is cached.
import { gql } from '@apollo/client';
import { apollo, tell } from './apollo.mjs';

const [url, token] = process.argv.slice(2);
const client = apollo(url, token);

const GENERATE = gql`
  mutation ($input: GenerateStoryInput!) {
    generateStory(input: $input) {
      story { id contentId parent { id ... on Story { childElements } } }
    }
  }
`;
const CONTENT = gql`query ($id: ID!) { content(id: $id) { id ... on Story { childElements } } }`;
const NODE = gql`query ($id: ID!) { node(id: $id) { id ... on Story { text } } }`;
const CONTENTS = gql`query { contents { edges { node { id contentType } } } }`;

async function generate(setting, parentElementId) {
  const input = { elementType: 'PLOT', context: { setting }, parentElementId };
  const { data } = await client.mutate({ mutation: GENERATE, variables: { input } });
  return data.generateStory.story;
}

const parent = await generate('a harbour');
const watched = client.watchQuery({ query: CONTENT, variables: { id: parent.contentId } });
const told = new Promise((resolve) => {
  watched.subscribe(({ data, dataState }) => {
    if (dataState !== 'complete') return;
    tell({ watched: data.content.childElements });
    if (data.content.childElements.length) resolve();
  });
});
await client.query({ query: CONTENT, variables: { id: parent.contentId } });
const child = await generate('its lighthouse', parent.id); // tells of its parent, too
await told;
await client.query({ query: NODE, variables: { id: parent.id } });
await client.query({ query: CONTENTS });

const entries = Object.entries(client.cache.extract()).filter(([key]) => key !== 'ROOT_QUERY');
tell({ parent: parent.id, child: child.id, entries: Object.fromEntries(entries) });
client.stop();
