// Subscriptions over Apollo's WebSocket link: node apollo-subscription.mjs <url> <token> <cursor>
// Generates a text. Prints {event}, then each of a generation's {type}, then the cache's {entries}.
import { gql } from '@apollo/client';
import { apolloOverWebSocket, tell } from './apollo.mjs';

const [url, token, after] = process.argv.slice(2);
const { client, socket } = apolloOverWebSocket(url, token);

const EVENTS = gql`
  subscription ($after: String) {
    events(types: [CONTENT_GENERATED], after: $after) { id cursor content { id contentType } }
  }
`;
const START = gql`
  mutation ($input: StartGenerationInput!) {
    startGeneration(input: $input) { generation { id state } }
  }
`;
const GENERATION = gql`
  subscription ($id: ID!) {
    generation(id: $id) {
      cursor
      ... on GenerationDelta { seq text }
      ... on GenerationCompleted { contentId }
    }
  }
`;

const first = new Promise((resolve, reject) => {
  const events = client.subscribe({ query: EVENTS, variables: { after } });
  events.subscribe({ next: ({ data }) => resolve(data.events), error: reject });
});
const story = { elementType: 'PLOT', context: { setting: 'a harbour' } };
const started = await client.mutate({ mutation: START, variables: { input: { story } } });
const { id } = started.data.startGeneration.generation;
await new Promise((resolve, reject) => {
  // A text on its way is nothing to keep; its content, once it is there, is asked for or told of.
  const watching = { query: GENERATION, variables: { id }, fetchPolicy: 'no-cache' };
  client.subscribe(watching).subscribe({
    next: ({ data }) => tell({ type: data.generation.__typename }),
    complete: resolve,
    error: reject,
  });
});
const event = await first;
tell({ event });
tell({ entries: Object.keys(client.cache.extract()) });
client.stop();
await socket.dispose();
