// Subscriptions over one WebSocket, as graphql-transport-ws has them:
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
import { LoregateError, lost } from './errors.js';

export class SocketTransport {
  #session;
  #options;

  /** `WebSocket` is the browser's class, or one like it; `silence` is in seconds. */
  constructor({ url, ...options }) {
    this.#options = { url: url.replace(/^http/, 'ws'), ...options };
  }

  async read(feed, opened) {
    if (!this.#session || this.#session.over) this.#session = new Session(this.#options);
    const session = this.#session;
    await session.acknowledged;
    if (feed.ended) return true;
    opened();
    return session.read(feed);
  }

  leave(feed) {
    this.#session?.leave(feed);
  }

  close() {
    this.#session?.end(lost('The connection was closed here'), 1000);
  }
}

/** One socket, from its opening to its end. */
class Session {
  over = false;
  #access;
  #token;
  #ws;
  #letIn; // {resolve, reject} of `acknowledged`
  #isLetIn = false;
  #reading = new Map(); // by the subscriptions' ids: {feed, resolve, reject}
  #count = 0;
  #silence; // s that count as a lost connection
  #silent; // the timer of it

  constructor({ url, WebSocket, access, silence }) {
    this.#access = access;
    this.#silence = silence;
    this.acknowledged = new Promise((resolve, reject) => (this.#letIn = { resolve, reject }));
    this.acknowledged.catch(() => {}); // who reads is told
    this.#open(url, WebSocket).catch((error) => this.end(error));
  }

  /** As `transport.read`, once it is acknowledged. */
  read(feed) {
    return new Promise((resolve, reject) => {
      if (this.over) return reject(lost('The connection was closed'));
      const id = String(++this.#count);
      this.#reading.set(id, { feed, resolve, reject });
      const payload = { query: feed.document, variables: feed.variables };
      this.#send({ type: 'subscribe', id, payload });
    });
  }

  leave(feed) {
    for (const [id, one] of this.#reading) if (one.feed === feed) this.#stop(id, true);
  }

  end(error, code) {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.#silent);
    this.#letIn.reject(error);
    for (const { reject } of this.#reading.values()) reject(error);
    this.#reading.clear();
    if (!this.#ws) return;
    this.#ws.onopen = this.#ws.onmessage = this.#ws.onclose = null;
    this.#ws.onerror = () => {}; // `ws` throws what nobody listens to
    if (code === undefined && this.#ws.terminate) this.#ws.terminate();
    else this.#ws.close(code);
  }

  async #open(url, WebSocket) {
    this.#heard();
    this.#token = await this.#access.token();
    if (this.over) return;
    const ws = (this.#ws = new WebSocket(url, 'graphql-transport-ws'));
    ws.onopen = () =>
      this.#send({ type: 'connection_init', payload: { authorization: this.#token } });
    ws.onmessage = ({ data }) => this.#take(data);
    ws.onerror = ({ message }) => this.end(lost(message || 'The connection failed'));
    ws.onclose = ({ code, reason }) => this.end(this.#why(code, reason));
  }

  #send(message) {
    if (!this.over) this.#ws.send(JSON.stringify(message));
  }

  #heard() {
    clearTimeout(this.#silent);
    const silent = () => this.end(lost('The gateway said nothing'));
    this.#silent = setTimeout(silent, this.#silence * 1000);
  }

  #take(data) {
    this.#heard();
    try {
      this.#understand(JSON.parse(data));
    } catch (cause) {
      this.end(new LoregateError('PROTOCOL_ERROR', 'A message cannot be read', { cause }));
    }
  }

  #understand({ type, id, payload }) {
    if (type === 'connection_ack') {
      this.#isLetIn = true;
      this.#letIn.resolve();
    } else if (type === 'ping') {
      for (const [name, cursor] of Object.entries(payload?.cursors ?? {}))
        this.#reading.get(name)?.feed.moved(cursor);
      this.#send({ type: 'pong' });
    } else if (this.#reading.has(id)) this.#give(type, id, payload);
  }

  #give(type, id, payload) {
    const { feed, resolve, reject } = this.#reading.get(id);
    if (type === 'next') {
      try {
        if (!feed.push(payload, payload.extensions?.cursor)) this.#stop(id, false);
      } catch (error) {
        this.#stop(id, error);
      }
    } else {
      this.#reading.delete(id);
      if (type === 'complete') resolve(true);
      else reject(LoregateError.of(payload));
    }
  }

  /** Unsubscribe, because the feed has left (true), is full (false), or cannot take more. */
  #stop(id, outcome) {
    const { resolve, reject } = this.#reading.get(id);
    this.#reading.delete(id);
    this.#send({ type: 'complete', id });
    if (outcome instanceof Error) reject(outcome);
    else resolve(outcome);
  }

  #why(code, reason) {
    const said = `${code} ${reason}`.trim();
    if (code === 4403 && !this.#isLetIn && /origin/.test(reason))
      return new LoregateError('ORIGIN_REFUSED', said);
    if (code === 4403) {
      this.#access.refuse(this.#token);
      return new LoregateError(this.#isLetIn ? 'TOKEN_EXPIRED' : 'UNAUTHENTICATED', said, {
        status: 401,
      });
    }
    if (code >= 4400 && code < 4500 && code !== 4408)
      return new LoregateError('PROTOCOL_ERROR', said);
    return lost(said);
  }
}
