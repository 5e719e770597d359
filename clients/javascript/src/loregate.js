// A client of Loregate. What it promises stands in ../README.md, its types in loregate.d.ts.
import { Access } from './access.js';
import { Connection } from './connection.js';
import { CANCEL, EVENTS, GENERATION, OPERATIONS, START } from './documents.js';
import { LoregateError, lost, unreadable } from './errors.js';
import { Feed } from './feed.js';
import { SocketTransport } from './socket.js';
import { StreamTransport } from './stream.js';
import { backOff, sleep, within } from './waiting.js';

export { LoregateError };

const DEFAULTS = {
  maxWait: 60, // s from a request's first failure
  timeout: 180, // s for one answer; the gateway's own deadlines are shorter
  silence: 45, // s: over a socket the gateway says something every 12, over a stream every 15
  buffer: 500, // results that wait for a slow consumer
};

export class Loregate {
  #url;
  #access;
  #options;
  #fetch;

  constructor(options = {}) {
    const { url = globalThis.location?.origin, token, onState } = options;
    if (!url) throw new TypeError('Loregate needs the url of the gateway');
    const WebSocket = options.WebSocket === undefined ? globalThis.WebSocket : options.WebSocket;
    this.#url = `${url.replace(/\/+$/, '')}/graphql`;
    this.#access = new Access(token);
    this.#options = { ...DEFAULTS, ...options };
    this.#fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));
    const way = { url: this.#url, access: this.#access, silence: this.#options.silence };
    const transport = WebSocket
      ? new SocketTransport({ ...way, WebSocket })
      : new StreamTransport({ ...way, fetch: this.#fetch });
    this.connection = new Connection(transport, this.#access);
    if (onState) this.connection.on('state', onState);
  }

  connect() {
    this.connection.connect();
  }

  disconnect() {
    this.connection.disconnect();
  }

  // -- asking
  /** {data, errors, extensions, headers}; without any data it throws. */
  request(document, variables, { signal, repeatable } = {}) {
    const again = repeatable ?? !/\bmutation\b/.test(document);
    return this.#repeated(again, signal, (token) => this.#ask(document, variables, token, signal));
  }

  /** The payload of the operation's mutation. */
  async write(operation, input, { signal, idempotencyKey } = {}) {
    const { field, document } = known(operation);
    return this.#payload(field, document, { input: keyed(input, idempotencyKey) }, signal);
  }

  /** The generation that was started: follow it with `generation(id)`. */
  async start(operation, input, { signal, idempotencyKey } = {}) {
    const started = { [known(operation).choice]: keyed(input, idempotencyKey) };
    return (await this.#payload('startGeneration', START, { input: started }, signal)).generation;
  }

  /** The generation as it ended. */
  async cancel(id, { signal } = {}) {
    return (await this.#payload('cancelGeneration', CANCEL, { id }, signal)).generation;
  }

  // -- following
  /** What a generation tells, until it has ended. */
  generation(id, options = {}) {
    return this.#feed(GENERATION, { id }, options, ({ data }) => {
      const { __typename, ...told } = data.generation;
      return { type: __typename.replace('Generation', '').toLowerCase(), ...told };
    });
  }

  /** The caller's events, for as long as somebody iterates. */
  events({ types, all = false, ...options } = {}) {
    return this.#feed(EVENTS, { types, all }, options, ({ data, errors }) => {
      return errors ? { ...data.events, errors } : data.events;
    });
  }

  #feed(document, variables, options, read) {
    const begin = (feed) => this.connection.follow(feed);
    const leave = (feed) => this.connection.leave(feed);
    const limit = this.#options.buffer;
    return new Feed({ document, variables, limit, ...options, read, begin, leave });
  }

  #payload(field, document, variables, signal) {
    return this.#repeated(true, signal, async (token) => {
      const { data, errors } = await this.#ask(document, variables, token, signal);
      if (data[field]) return data[field];
      throw LoregateError.of(errors);
    });
  }

  /** `ask(token)`, again where a later try may mend it and makes nothing twice. */
  async #repeated(repeatable, signal, ask) {
    let end; // when it is given up, once it has failed
    for (let failures = 0, refused = false; ; failures++) {
      try {
        return await ask(await this.#access.token());
      } catch (error) {
        signal?.throwIfAborted();
        const renewed = error.code === 'UNAUTHENTICATED' && this.#access.renewable && !refused;
        refused ||= renewed;
        const wait = renewed ? 0 : pauseAfter(error, repeatable, failures);
        const now = Date.now();
        end ??= now + this.#options.maxWait * 1000;
        if (now + wait > end) throw error;
        await sleep(wait, signal);
      }
    }
  }

  async #ask(document, variables, token, signal) {
    const body = JSON.stringify({ query: document, variables });
    const late = () => lost(`No answer came within ${this.#options.timeout} s`);
    const [response, answer] = await within(this.#options.timeout * 1000, signal, late, (signal) =>
      this.#answer({ method: 'POST', headers: headers(token), body, signal }),
    );
    if (response.status === 401) this.#access.refuse(token);
    if (!answer || !('data' in answer || answer.errors)) throw unreadable(response);
    if (!answer.data) throw LoregateError.of(answer.errors, response.status);
    return { ...answer, headers: response.headers };
  }

  async #answer(request) {
    try {
      const response = await this.#fetch(this.#url, request);
      const text = await response.text();
      const isJson = /json/.test(response.headers.get('content-type'));
      return [response, isJson ? JSON.parse(text) : null];
    } catch (cause) {
      throw cause instanceof LoregateError ? cause : lost('The gateway cannot be reached', cause);
    }
  }
}

/** Milliseconds until another try; infinite where there is to be none. */
function pauseAfter(error, repeatable, failures) {
  const isRefusal = error.code === 'RATE_LIMIT_EXCEEDED'; // nothing was done
  if (!error.retryable || !(repeatable || isRefusal)) return Infinity;
  if (error.retryAfter !== undefined) return error.retryAfter * 1000 + backOff(0);
  const isWay = error.code === 'CONNECTION_LOST' || error.code === 'HTTP_ERROR';
  return isWay ? backOff(failures) : Infinity; // a model that failed costs again
}

function headers(token) {
  return {
    authorization: `Bearer ${token}`,
    accept: 'application/json',
    'content-type': 'application/json',
  };
}

function known(operation) {
  const found = OPERATIONS[operation];
  if (found) return found;
  const names = Object.keys(OPERATIONS).join(', ');
  throw new TypeError(`there is no operation ${operation}; there are ${names}`);
}

/** The input with a key, by which the same request sent again gets the first answer. */
function keyed(input, idempotencyKey) {
  return { idempotencyKey: idempotencyKey ?? newKey(), ...input };
}

/** Not `crypto.randomUUID`, which pages have over HTTPS alone. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
