// How GraphiQL asks: over HTTP, and subscriptions over graphql-transport-ws on the same address.

const ADDRESS = '/graphql';
const TYPES = 'application/graphql-response+json, application/json;q=0.9';
const NO_TOKEN = 'Put a token into Headers first, as {"Authorization": "Bearer …"}, then fetch the schema '
  + 'again (the button with the two arrows). `loregate token` signs one.';

const authorization = (headers) => Object.entries(headers ?? {})
  .find(([name]) => name.toLowerCase() === 'authorization')?.[1];

async function post(payload, headers) {
  const response = await fetch(ADDRESS, {
    method: 'POST',
    headers: { accept: TYPES, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(payload),
  });
  return response.json();
}

// What a socket said when it was closed, or what a subscription was refused with, as a result.
function refusal(error) {
  if (Array.isArray(error)) return { errors: error };
  const message = error instanceof CloseEvent
    ? `The connection was closed: ${error.code} ${error.reason}` : String(error?.message ?? error);
  return { errors: [{ message }] };
}

function subscribe(payload, headers) {
  const url = new URL(ADDRESS, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const client = graphqlWs.createClient({
    url: url.href,
    connectionParams: { authorization: authorization(headers) },
  });
  return {
    subscribe(observer) {
      const end = client.subscribe(payload, {
        next: (result) => observer.next(result),
        error: (error) => { observer.next(refusal(error)); observer.complete(); },
        complete: () => observer.complete(),
      });
      return { unsubscribe: () => { end(); client.dispose(); } };
    },
  };
}

// The operation that is meant. GraphiQL looks which there are a moment after the text has changed: who
// presses play at once sends the name of one that was there before.
function meant(query, operationName) {
  const { getOperationAST, parse } = GraphiQL.GraphQL;
  try {
    const document = parse(query);
    return getOperationAST(document, operationName) ?? getOperationAST(document);
  } catch {
    return null; // not GraphQL, which the gateway says better
  }
}

// GraphiQL's fetcher. Without a token its first question, for the schema, is not even asked.
export function fetcher({ query, operationName, variables }, { headers } = {}) {
  if (operationName === 'IntrospectionQuery' && !authorization(headers)) {
    return Promise.resolve({ errors: [{ message: NO_TOKEN }] });
  }
  const operation = meant(query, operationName);
  const name = operation ? operation.name?.value : operationName;
  const payload = { query, operationName: name ?? undefined, variables };
  return operation?.operation === 'subscription' ? subscribe(payload, headers) : post(payload, headers);
}
