// The stock graphql-ws client: node subscribe.mjs <url> <token> <cursor>
// Prints a line of JSON for each event behind the cursor, and stops after two.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [url, token, after] = process.argv.slice(2);
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: token },
  retryAttempts: 0,
});

const query = `subscription ($after: String) {
  contentGenerated(after: $after) { cursor contentId content { ... on GeneratedContent { text } } }
}`;
let seen = 0;
for await (const result of client.iterate({ query, variables: { after } })) {
  console.log(JSON.stringify(result));
  if (++seen === 2) break;
}
await client.dispose();
