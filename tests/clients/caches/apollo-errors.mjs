// What Apollo shows of the gateway's refusals: node apollo-errors.mjs <url> <token>
// Prints {name, codes} for each of a document that is invalid, a bad input, and a bad token.
import { CombinedGraphQLErrors, gql, ServerError } from '@apollo/client';
import { apollo, tell } from './apollo.mjs';

const [url, token] = process.argv.slice(2);

async function refused(client, options) {
  try {
    await client.mutate(options);
  } catch (error) {
    const body = ServerError.is(error) ? JSON.parse(error.bodyText) : {};
    const errors = CombinedGraphQLErrors.is(error) ? error.errors : (body.errors ?? []);
    tell({ name: error.name, codes: errors.map((e) => e.extensions.code) });
  }
}

const client = apollo(url, token);
await refused(client, { mutation: gql`mutation { forgetEverything }` });
const ANALYZE = gql`mutation { analyzeTheme(input: { content: "" }) { requestId } }`;
await refused(client, { mutation: ANALYZE });
await refused(apollo(url, 'no.token.at-all'), { mutation: ANALYZE });
client.stop();
