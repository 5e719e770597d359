// Subscriptions over server-sent events, by `fetch`: where there is no WebSocket, as in Node 20.
// https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, in distinct connections; the
// gateway gives each result an id, and its position as an id alone.
import { LoregateError, lost, unreadable } from './errors.js';

export class StreamTransport {
  #reading = new Map(); // feeds, each with the controller of its request
  #options;

  /** `silence`: seconds of it that count as a lost connection. */
  constructor({ url, fetch, access, silence }) {
    this.#options = { url, fetch, access, silence };
  }

  async read(feed, opened) {
    const controller = new AbortController();
    this.#reading.set(feed, controller);
    let token;
    try {
      token = await this.#options.access.token();
      return await this.#follow(feed, opened, token, controller);
    } catch (error) {
      if (['UNAUTHENTICATED', 'TOKEN_EXPIRED'].includes(error.code))
        this.#options.access.refuse(token);
      throw error;
    } finally {
      this.#reading.delete(feed);
      controller.abort(); // what is left of the answer
    }
  }

  leave(feed) {
    this.#reading.get(feed)?.abort(lost('The iteration was left'));
  }

  close() {
    for (const controller of this.#reading.values())
      controller.abort(lost('The connection was closed here'));
  }

  /** Whether the subscription came to its end; it is read no faster than the feed is. */
  async #follow(feed, opened, token, controller) {
    const { url, fetch, silence } = this.#options;
    const inTime = (work) => watched(controller, silence, work);
    const request = {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'text/event-stream',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ query: feed.document, variables: feed.variables }),
      signal: controller.signal,
    };
    const response = await inTime(() => fetch(url, request));
    const kind = response.headers.get('content-type') ?? '';
    if (!kind.startsWith('text/event-stream')) throw unreadable(response);
    const body = response.body.getReader();
    for await (const { event, id, data } of frames(() => inTime(() => body.read()))) {
      if (response.status === 200) opened();
      if (event === 'complete' || feed.ended) return true;
      if (data) feed.push(JSON.parse(data), id, response.status);
      else if (id) feed.moved(id);
      await feed.room();
    }
    throw lost('The stream broke off');
  }
}

/** What `work()` gives. Whatever goes wrong on the way is a lost connection; so is silence. */
async function watched(controller, silence, work) {
  const silent = () => controller.abort(lost('The gateway said nothing'));
  const timer = setTimeout(silent, silence * 1000);
  try {
    return await work();
  } catch (cause) {
    throw cause instanceof LoregateError ? cause : lost('The gateway cannot be reached', cause);
  } finally {
    clearTimeout(timer);
  }
}

/** The events of a stream: https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.6 */
async function* frames(read) {
  const decoder = new TextDecoder();
  let text = '';
  let frame = {};
  for (;;) {
    const { value, done } = await read();
    if (done) return; // an event without an empty line behind it is none
    text += decoder.decode(value, { stream: true });
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    text = lines.pop();
    for (const line of lines) {
      const [, name, rest] = /^([^:]*):? ?(.*)$/.exec(line);
      if (line === '') {
        yield frame;
        frame = {};
      } else if (name === 'data' && 'data' in frame) frame.data += `\n${rest}`;
      else if (name) frame[name] = rest;
    }
  }
}
