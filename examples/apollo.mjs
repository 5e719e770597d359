// Apollo Client 4, whose cache knows each content by its `id`: what a mutation wrote is read from
// the cache, what another mutation tells of it shows everywhere, and what was deleted is gone.
//
//   npm install @apollo/client graphql rxjs
//   LOREGATE_URL=http://127.0.0.1:8100 TOKEN=… node apollo.mjs
//
// Prints what it reads, and how many requests that took so far.
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';

const { LOREGATE_URL = 'http://127.0.0.1:8100', TOKEN } = process.env;
let requests = 0;
const tell = (what, found) => console.log(`${what} (requests: ${requests}):`, found);

const client = new ApolloClient({
  cache: new InMemoryCache(), // `id` and `__typename` are all that it needs
  link: new HttpLink({
    uri: `${LOREGATE_URL}/graphql`,
    headers: { authorization: `Bearer ${TOKEN}` },
    fetch: (...request) => (requests++, fetch(...request)),
  }),
});

const GENERATE = gql`
  mutation ($input: GenerateStoryInput!) {
    generateStory(input: $input) {
      story {
        id
        summary
        childElements
        parent { id ... on Story { childElements } }
      }
    }
  }
`;
const STORY = gql`fragment Known on Story { id summary childElements }`;
const CONTENTS = gql`query { contents { edges { node { id contentType } } } }`;
const DELETE = gql`mutation ($id: ID!) { deleteContent(id: $id) { deletedId } }`;

async function write(setting, parentElementId) {
  const input = { elementType: 'SCENE', context: { setting }, parentElementId };
  const { data } = await client.mutate({ mutation: GENERATE, variables: { input } });
  return data.generateStory.story;
}

/** A story as the cache has it now, without asking anybody. */
function known(story) {
  return client.cache.readFragment({ id: client.cache.identify(story), fragment: STORY });
}

const story = await write('the harbour of Saltmere');
tell('the cache has it', known(story).summary);

await write('its lighthouse', story.id); // the answer tells of the parent, too
tell('the first scene is continued by', known(story).childElements.length);

await client.query({ query: CONTENTS }); // the same entries, by their `id`
const { data } = await client.mutate({ mutation: DELETE, variables: { id: story.id } });
const { __typename } = story;
client.cache.evict({ id: client.cache.identify({ __typename, id: data.deleteContent.deletedId }) });
tell('after it was deleted', known(story));
client.stop();
