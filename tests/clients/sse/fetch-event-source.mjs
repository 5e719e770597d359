// @microsoft/fetch-event-source on an event stream of ours, over REST or GraphQL:
// node fetch-event-source.mjs <url> <token> <count> [<document>]
// Prints {connected}, {message: {event, id, data}} for each call of `onmessage`, until `count`
// events have come.
import { fetchEventSource } from '@microsoft/fetch-event-source';

const [url, token, count, query] = process.argv.slice(2);
const tell = (found) => console.log(JSON.stringify(found));

// It is written for pages.
globalThis.window = globalThis;
globalThis.document = new EventTarget();
const leaving = new AbortController();
let seen = 0;

await fetchEventSource(url, {
  method: query ? 'POST' : 'GET',
  headers: {
    authorization: `Bearer ${token}`,
    ...(query && { 'content-type': 'application/json' }),
  },
  body: query && JSON.stringify({ query }),
  openWhenHidden: true,
  signal: leaving.signal,
  async onopen(response) {
    tell({ connected: response.status });
  },
  onmessage({ event, id, data }) {
    tell({ message: { event, id, data } });
    if (!data || event === 'position') return; // how far the stream is
    JSON.parse(data);
    if (++seen === Number(count)) leaving.abort();
  },
  onclose() {
    throw new Error('closed'); // to connect again behind the last id
  },
  onerror(error) {
    if (error.message !== 'closed') tell({ error: String(error) });
    return 20; // ms until it connects again
  },
});
