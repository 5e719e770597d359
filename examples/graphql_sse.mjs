// Events over GraphQL with graphql-sse: a subscription over plain HTTP, where no WebSocket gets
// through. It goes on behind the last event when the connection or the gateway ends.
//
//   npm install graphql-sse graphql
//   LOREGATE_URL=http://127.0.0.1:8100 TOKEN=… node graphql_sse.mjs
//
// Prints each event; Ctrl-C ends it.
import { createClient } from 'graphql-sse';

const { LOREGATE_URL = 'http://127.0.0.1:8100', TOKEN } = process.env;
const newToken = async () => TOKEN; // yours: ask whoever signs them for a fresh one
const later = ['TOKEN_EXPIRED', 'SHUTTING_DOWN', 'DEPENDENCY_UNAVAILABLE'];

let place; // the cursor of the last event
let refused; // why coming back does not help

async function attentive(address, request) {
  const response = await fetch(address, request);
  if ([401, 403].includes(response.status)) refused = `the gateway answered ${response.status}`;
  return response;
}

const client = createClient({
  url: `${LOREGATE_URL}/graphql`,
  headers: async () => ({
    authorization: `Bearer ${await newToken()}`,
    ...(place && { 'last-event-id': place }), // asked for at each connection
  }),
  fetchFn: attentive,
  retryAttempts: Infinity,
  retry: (failures) => {
    if (refused) throw new Error(refused);
    console.error('interrupted, connecting again');
    const ms = Math.min(30_000, 250 * 2 ** failures) * (1 + Math.random());
    return new Promise((go) => setTimeout(go, ms));
  },
  on: { connected: () => console.error('connected') },
});

async function only(query) {
  for await (const { data, errors } of client.iterate({ query })) {
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  }
}

try {
  const { eventCursor } = await only('{ eventCursor }'); // from now on nothing is missed
  place = eventCursor;
  const query = 'subscription { events { id type cursor contentId } }';
  for await (const { data, errors } of client.iterate({ query })) {
    if (data) {
      place = data.events.cursor;
      console.log(data.events.type, data.events.contentId);
    } else if (!errors.every((error) => later.includes(error.extensions.code))) {
      throw new Error(JSON.stringify(errors)); // such as CURSOR_EXPIRED
    }
  }
} catch (error) {
  console.error('ended:', error.message);
  process.exitCode = 1;
  client.dispose();
}
