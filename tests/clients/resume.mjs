// The stock graphql-ws client goes on by itself: node resume.mjs <url> <url> <count> <cursor>
// Asks for a token by printing "token", and reads it as a line of standard input.
// Prints {id} for each of `count` events, and {closed: code} for each end of a connection.
import { createInterface } from 'node:readline';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [first, second, count, after] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const tell = (found) => console.log(JSON.stringify(found));

async function newToken() {
  tell('token');
  return (await lines.next()).value;
}

let attempt = 0;
const url = () => [first, second][attempt++ % 2];

// --- what a page needs
const watched = new Map(); // what is subscribed, by the protocol's ids
let admitted = false; // whether the server took this connection's token

function goOn(id, cursor) {
  const payload = watched.get(id);
  if (payload && cursor) payload.variables = { ...payload.variables, after: cursor };
}

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: async () => ({ authorization: await newToken() }), // also after a 4403
  retryAttempts: Infinity,
  // Also when nobody listens, which comes as no close but as an error; not with a wrong token.
  shouldRetry: (error) => error.code !== 4403 || admitted,
  retryWait: (retries) => new Promise((go) => setTimeout(go, Math.min(20 * 2 ** retries, 5000))),
  generateID: (payload) => {
    const id = crypto.randomUUID();
    watched.set(id, payload); // a retry sends this object again, with the cursor it has by then
    return id;
  },
  on: {
    connecting: () => (admitted = false),
    connected: () => (admitted = true),
    message: ({ type, id, payload }) => {
      if (type === 'next') goOn(id, payload.extensions?.cursor);
      if (type === 'complete' || type === 'error') watched.delete(id);
      if (type === 'ping') {
        for (const [name, cursor] of Object.entries(payload?.cursors ?? {})) goOn(name, cursor);
      }
    },
    closed: ({ code }) => tell({ closed: code }),
  },
});
// --- until here

const payload = {
  query: 'subscription ($after: String) { events(after: $after) { id } }',
  variables: { after },
};
let seen = 0;
for await (const { data } of client.iterate(payload)) {
  tell({ id: data.events.id });
  if (++seen === Number(count)) break;
}
await client.dispose();
process.stdin.destroy();
