// Connection: keeps every feed fed, through restarts, kills and token renewals.
//
// How a feed's results come is its transport's: `transport.read(feed, opened)` calls `opened` when
// the gateway has let it in, and resolves with true at the subscription's end, with false when the
// feed was full and goes on later; it rejects with what came between. `transport.leave(feed)` ends
// that early, `transport.close()` ends all.
import { LoregateError } from './errors.js';
import { backOff, told } from './waiting.js';

const LINGER = 500; // ms that a connection stays open for the next subscription

export class Connection {
  state = 'idle'; // idle, connecting, open, waiting, closed
  #transport;
  #access;
  #feeds = new Set();
  #listeners = new Set();
  #failures = 0; // in a row
  #openedAt;
  #wait = 0; // ms, the last one
  #pause; // {promise, end}: nothing connects until it is over
  #away; // the same, from `disconnect()` to `connect()`
  #lingering;

  constructor(transport, access) {
    this.#transport = transport;
    this.#access = access;
  }

  /** `listener(state, {error, wait})` is called at each change; returns what takes it off again. */
  on(event, listener) {
    if (event !== 'state') throw new TypeError(`there is no event ${event}`);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Cut it, and stay away until `connect()`. Iterations wait, and miss nothing. */
  disconnect() {
    this.#away ??= pause();
    this.#pause?.end();
    this.#transport.close();
    this.#become('closed');
  }

  /** Go on, at once. */
  connect() {
    this.#pause?.end();
    this.#away?.end();
    this.#away = undefined;
    if (this.state === 'closed') this.#become('idle');
  }

  follow(feed) {
    clearTimeout(this.#lingering);
    this.#feeds.add(feed);
    this.#run(feed).then(() => feed.end(), (error) => feed.end(error));
  }

  leave(feed) {
    if (!this.#feeds.delete(feed)) return;
    this.#transport.leave(feed);
    if (this.#feeds.size) return;
    this.#pause?.end();
    const open = this.state === 'open';
    this.#lingering = setTimeout(() => this.#transport.close(), open ? LINGER : 0);
    if (this.state !== 'closed') this.#become('idle');
  }

  async #run(feed) {
    let refused = false; // the token, since the feed was last let in
    const opened = () => {
      refused = false;
      this.#openedAt ??= Date.now();
      if (!feed.ended && !this.#away) this.#become('open');
    };
    while (!feed.ended) {
      await Promise.race([feed.over, this.#away?.promise ?? this.#pause?.promise]);
      if (feed.ended || this.#away || this.#pause) continue;
      if (this.state !== 'open') this.#become('connecting');
      try {
        if (await this.#transport.read(feed, opened)) return;
        await feed.room();
      } catch (error) {
        if (feed.ended || feed.skips(error)) continue;
        const first = error.code === 'UNAUTHENTICATED' && !refused;
        refused ||= error.code === 'UNAUTHENTICATED';
        const renewed = this.#access.renewable && (first || error.code === 'TOKEN_EXPIRED');
        if (!renewed && !isPassing(error)) throw error;
        if (!this.#away) this.#pause ??= this.#paused(error);
      }
    }
  }

  #paused(error) {
    const lasted = this.#openedAt === undefined ? -1 : Date.now() - this.#openedAt;
    this.#openedAt = undefined;
    this.#failures = lasted > this.#wait ? 0 : this.#failures + 1;
    this.#wait = (error.retryAfter ?? 0) * 1000 + backOff(this.#failures);
    const found = pause(this.#wait, () => (this.#pause = undefined));
    this.#become('waiting', { error, wait: this.#wait / 1000 });
    return found;
  }

  #become(state, detail = {}) {
    if (this.state === state && !detail.error) return;
    this.state = state;
    for (const listener of [...this.#listeners]) told(listener, state, detail);
  }
}

/** What a stream goes on after by itself. */
function isPassing(error) {
  return error instanceof LoregateError && error.retryable && error.code !== 'TOO_MANY_OPERATIONS';
}

/** A promise that the time ends, if there is one, or `end()`. */
function pause(ms, over = () => {}) {
  const found = {};
  found.promise = new Promise((resolve) => {
    const timer = ms === undefined ? undefined : setTimeout(() => found.end(), ms);
    found.end = () => (clearTimeout(timer), over(), resolve());
  });
  return found;
}
