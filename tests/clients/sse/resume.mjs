// graphql-sse goes on behind what it had when its connection ends: node resume.mjs <url> <token>
// <count>. Its document has no $after. Prints {connected}, and {id} for each of `count` events.
import { createClient } from 'graphql-sse';

const [url, token, count] = process.argv.slice(2);
const tell = (found) => console.log(JSON.stringify(found));

let place; // of the last event
const client = createClient({
  url,
  // Asked for at each connection, also after an interruption.
  headers: () => ({
    authorization: `Bearer ${token}`,
    ...(place && { 'last-event-id': place }),
  }),
  retryAttempts: Infinity,
  retry: () => new Promise((go) => setTimeout(go, 20)),
  on: { connected: (again) => tell({ connected: again }) },
});

let seen = 0;
for await (const { data, errors } of client.iterate({ query: 'subscription { events { id cursor } }' })) {
  if (errors) throw new Error(JSON.stringify(errors));
  place = data.events.cursor;
  tell({ id: data.events.id });
  if (++seen === Number(count)) break;
}
client.dispose();
