// Feed: what a subscription's iterator is fed from: a bounded queue, and its place in the log.

import { LoregateError } from './errors.js';
import { told } from './waiting.js';

const MAX_KNOWN = 4_096; // ids of events; repeats come soon after

export class Feed {
  ended = false;
  #begun = false;
  #queue = [];
  #takers = []; // calls of `next` that wait
  #roomy = []; // who waits for room
  #known = new Set();
  #told; // the position that the consumer knows
  #error; // what the iteration ends in, once
  #over; // resolves `over`
  #options;

  /**
   * `read(payload)` gives the value of a result; `begin(feed)` is called by the first `next`, and
   * `leave(feed)` when the iteration ends. `limit` is how many values may be queued. Of the
   * consumer's are `after`, the cursor to begin behind, `signal`, `onPosition` and `onExpired`.
   */
  constructor(options) {
    this.#options = options;
    this.cursor = this.#told = options.after;
    this.over = new Promise((resolve) => (this.#over = resolve));
  }

  get document() {
    return this.#options.document;
  }

  get variables() {
    return { ...this.#options.variables, after: this.cursor };
  }

  // -- for the consumer
  [Symbol.asyncIterator]() {
    return this;
  }

  next() {
    if (!this.#begun) this.#begin();
    return new Promise((resolve, reject) => {
      this.#takers.push({ resolve, reject });
      this.#serve();
    });
  }

  async return(value) {
    this.#queue = [];
    this.end();
    return { value, done: true };
  }

  #begin() {
    const { signal, begin } = this.#options;
    this.#begun = true;
    if (this.ended) return;
    if (signal?.aborted) return this.#abort();
    signal?.addEventListener('abort', this.#abort);
    begin(this);
  }

  // -- for the connection
  /** One result, with its cursor; whether there is room for another. Throws what it failed in. */
  push(payload, cursor, status) {
    if (this.ended) return true;
    if (!payload.data) throw LoregateError.of(payload.errors, status);
    const value = this.#options.read(payload);
    this.cursor = cursor ?? value.cursor;
    if (!this.#isKnown(value.id)) this.#queue.push(value);
    this.#serve();
    return this.#queue.length < this.#options.limit;
  }

  /** Nothing came, and this is how far the stream is. */
  moved(cursor) {
    this.cursor = cursor;
    this.#serve();
  }

  /** Whether to go on where something is left to read. */
  skips(error) {
    const { onExpired } = this.#options;
    if (error.code !== 'CURSOR_EXPIRED' || !onExpired || onExpired === 'throw') return false;
    if (onExpired !== 'continue') told(onExpired, error);
    this.cursor = error.resumeAfter;
    return true;
  }

  /** Resolves when half of the queue was taken, or the iteration has ended. */
  room() {
    if (this.#hasRoom()) return undefined;
    return new Promise((resolve) => this.#roomy.push(resolve));
  }

  /** No more comes; what is queued can still be taken, and the error comes after it. */
  end(error) {
    if (this.ended) return;
    this.ended = true;
    this.#error = error;
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#options.leave(this);
    this.#over();
    this.#serve();
  }

  #abort = () => {
    this.#queue = [];
    this.end(this.#options.signal.reason);
  };

  #isKnown(id) {
    if (id === undefined) return false;
    if (this.#known.has(id)) return true;
    this.#known.add(id);
    if (this.#known.size > MAX_KNOWN) this.#known.delete(this.#known.values().next().value);
    return false;
  }

  #hasRoom() {
    return this.ended || this.#queue.length <= this.#options.limit / 2;
  }

  #serve() {
    while (this.#takers.length && (this.#queue.length || this.ended)) {
      const { resolve, reject } = this.#takers.shift();
      const error = this.#queue.length ? undefined : this.#error;
      if (error !== undefined) {
        this.#error = undefined;
        reject(error);
      } else if (this.#queue.length) {
        const value = this.#queue.shift();
        this.#told = value.cursor;
        resolve({ value, done: false });
      } else resolve({ value: undefined, done: true });
    }
    if (this.#hasRoom()) this.#roomy.splice(0).forEach((go) => go());
    // Who waits has handled all that came, and may keep this place.
    if (this.#takers.length && this.cursor !== this.#told) {
      this.#told = this.cursor;
      told(this.#options.onPosition, this.cursor);
    }
  }
}
