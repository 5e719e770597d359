// Every operation over graphql-sse, as a stream of one result: node operations.mjs <url> <token>
// Prints {query}, {mutation}, {invalid}, {bad}, {refused}: each a result, or how its stream failed.
import { createClient } from 'graphql-sse';

const [url, token] = process.argv.slice(2);
const tell = (found) => console.log(JSON.stringify(found));

function connected(token) {
  return createClient({ url, headers: { authorization: `Bearer ${token}` }, retryAttempts: 0 });
}

async function only(client, query, variables) {
  const results = [];
  try {
    for await (const result of client.iterate({ query, variables })) results.push(result);
  } catch (error) {
    results.push({ failed: error.name, status: error.response?.status });
  }
  return results;
}

const client = connected(token);
const ANALYZE = `mutation ($input: AnalyzeThemeInput!) {
  analyzeTheme(input: $input) { analysis { contentId } }
}`;
const input = { content: 'The dead walk the harbour by night.' };
tell({ query: await only(client, '{ viewer { id } }') });
tell({ mutation: await only(client, ANALYZE, { input }) });
tell({ invalid: await only(client, '{ nothing }') });
tell({ bad: await only(client, ANALYZE, { input: { content: '' } }) });
tell({ refused: await only(connected('no.token.at-all'), '{ viewer { id } }') });
client.dispose();
