// Events over WebSocket with the stock graphql-ws client, which comes back by itself and misses
// nothing: at a token's end, after a restart, after a kill.
//
//   npm install graphql-ws ws
//   LOREGATE_URL=http://127.0.0.1:8100 TOKEN=… node graphql_ws.mjs
//
// Prints each event; Ctrl-C ends it.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws'; // a page has its own: leave this line and `webSocketImpl` out

const { LOREGATE_URL = 'http://127.0.0.1:8100' } = process.env;
const newToken = async () => process.env.TOKEN; // yours: ask whoever signs them for a fresh one
const watched = new Map(); // what is subscribed, by the protocol's ids
let admitted = false; // whether the server took this connection's token

function goOn(id, cursor) {
  const payload = watched.get(id);
  if (payload && cursor) payload.variables = { ...payload.variables, after: cursor };
}

function reason(error) {
  if (Array.isArray(error)) return JSON.stringify(error); // the subscription's own errors
  return [error.code, error.reason || error.message || error.type].filter(Boolean).join(' ');
}

const client = createClient({
  url: `${LOREGATE_URL.replace(/^http/, 'ws')}/graphql`,
  webSocketImpl: WebSocket,
  connectionParams: async () => ({ authorization: await newToken() }), // also after a 4403
  retryAttempts: Infinity,
  retryWait: (n) => {
    const ms = Math.min(30_000, 500 * 2 ** n) * (1 + Math.random());
    return new Promise((go) => setTimeout(go, ms));
  },
  shouldRetry: (error) => {
    if (error.code === 4403 && !admitted) return false; // the token is wrong, not at its end
    console.error('interrupted, connecting again:', reason(error));
    return true;
  },
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
  },
});
const query = 'subscription ($after: String) { events(after: $after) { id type } }';
try {
  for await (const { data, errors } of client.iterate({ query, variables: {} })) {
    console.log(data?.events ?? errors);
  }
} catch (error) {
  console.error('ended:', reason(error)); // what coming back does not mend
  process.exitCode = 1;
}
