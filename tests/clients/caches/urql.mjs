// urql as its documentation sets it up: the default fetch exchange, subscriptions over WebSocket,
// and graphcache. What graphcache warns of is a line of its own.
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

export const tell = (found) => console.log(JSON.stringify(found));

export function urql(url, token, configuration = {}) {
  const authorization = `Bearer ${token}`;
  const socket = createClient({
    url: url.replace('http', 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
  });
  const forwardSubscription = ({ query, variables }) => ({
    subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
  });
  const logger = (severity, message) => severity === 'debug' || tell({ warning: message });
  const client = new Client({
    url,
    fetchOptions: { headers: { authorization } },
    exchanges: [
      cacheExchange({ logger, ...configuration }),
      fetchExchange,
      subscriptionExchange({ forwardSubscription }),
    ],
  });
  return { client, socket };
}
