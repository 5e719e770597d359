// Runs graphql-http's audits of "GraphQL over HTTP": node audit.mjs <url> <token>
// Prints {total, failed: [{id, name, reason}]} as JSON.
import { auditServer } from 'graphql-http';

const [url, token] = process.argv.slice(2);

function fetchFn(address, init = {}) {
  const headers = { ...init.headers, authorization: `Bearer ${token}` };
  return fetch(address, { ...init, headers });
}

const results = await auditServer({ url, fetchFn });
const failed = results
  .filter((result) => result.status !== 'ok')
  .map(({ id, name, reason }) => ({ id, name, reason }));
console.log(JSON.stringify({ total: results.length, failed }));
