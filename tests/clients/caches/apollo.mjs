// Apollo Client as its documentation sets it up, with a cache that is told nothing of the schema.
import { ApolloClient, HttpLink, InMemoryCache } from '@apollo/client';
import { loadDevMessages, loadErrorMessages } from '@apollo/client/dev';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

loadDevMessages();
loadErrorMessages();

export const tell = (found) => console.log(JSON.stringify(found));

// What Apollo warns of, such as data that a cache has lost, is a line of its own.
console.warn = (...words) => tell({ warning: words.map(String).join(' ') });
console.error = (...words) => tell({ error: words.map(String).join(' ') });

export function apollo(url, token, before) {
  const http = new HttpLink({ uri: url, headers: { authorization: `Bearer ${token}` } });
  return new ApolloClient({ link: before ? before.concat(http) : http, cache: new InMemoryCache() });
}

export function apolloOverWebSocket(url, token) {
  const socket = createClient({
    url: url.replace('http', 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: token },
  });
  const client = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() });
  return { client, socket };
}
