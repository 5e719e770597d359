// Apollo's link of automatic persisted queries: node apollo-persisted.mjs <url> <token>
// Prints {sent: [names]} for each request's body, then {data}.
import { gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { createHash } from 'node:crypto';
import { apollo, tell } from './apollo.mjs';

const [url, token] = process.argv.slice(2);

const asked = globalThis.fetch;
globalThis.fetch = (address, init) => {
  tell({ sent: Object.keys(JSON.parse(init.body)).sort() });
  return asked(address, init);
};

const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const client = apollo(url, token, new PersistedQueryLink({ sha256 }));
for (const query of [gql`query { viewer { id } }`, gql`query { models { id name } }`]) {
  const { data } = await client.query({ query });
  tell({ data });
}
client.stop();
