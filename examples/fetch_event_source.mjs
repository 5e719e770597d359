// Events over REST with @microsoft/fetch-event-source, which sends a token, as a browser's own
// EventSource cannot, and goes on behind the last event when the connection or the gateway ends.
//
//   npm install @microsoft/fetch-event-source
//   LOREGATE_URL=http://127.0.0.1:8100 TOKEN=… node fetch_event_source.mjs
//
// Prints each event; Ctrl-C ends it.
import { fetchEventSource } from '@microsoft/fetch-event-source';

const { LOREGATE_URL = 'http://127.0.0.1:8100', TOKEN } = process.env;
const newToken = async () => TOKEN; // yours: ask whoever signs them for a fresh one

globalThis.window = globalThis; // it is written for pages: there, leave these two lines out
globalThis.document = new EventTarget();

class Refused extends Error {} // what coming back does not mend
const seen = new Set(); // an event may come twice; a page that stays open for days bounds this
let failures = 0;

async function authorized(address, request) {
  const headers = { ...request.headers, authorization: `Bearer ${await newToken()}` };
  return fetch(address, { ...request, headers }); // with `last-event-id` after an interruption
}

try {
  await fetchEventSource(`${LOREGATE_URL}/api/v2/events?types=content.generated,story.generated`, {
    fetch: authorized,
    openWhenHidden: true,
    async onopen(response) {
      const later = response.status === 429 || response.status >= 500;
      if (!response.ok && !later) throw new Refused(await response.text());
      if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
      console.error('connected');
    },
    onmessage({ event, data }) {
      failures = 0;
      if (!data || event === 'position') return; // how far the stream is, where nothing came
      const found = JSON.parse(data);
      if (event === 'error') {
        const later = ['TOKEN_EXPIRED', 'SHUTTING_DOWN', 'DEPENDENCY_UNAVAILABLE'];
        if (!later.includes(found.code)) throw new Refused(data); // such as CURSOR_EXPIRED
      } else if (!seen.has(found.id)) {
        seen.add(found.id);
        console.log(event, found.content_id);
      }
    },
    onclose() {
      throw new Error('the stream ended'); // to connect again behind the last id
    },
    onerror(error) {
      if (error instanceof Refused) throw error;
      console.error('interrupted, connecting again:', error.message);
      return Math.min(30_000, 250 * 2 ** failures++) * (1 + Math.random()); // ms to wait
    },
  });
} catch (error) {
  console.error('ended:', error.message);
  process.exitCode = 1;
}
