// Access: the caller's token.
import { LoregateError, lost } from './errors.js';

export class Access {
  #given;
  #refused; // the last token that the gateway refused

  /** `given` is a token, or a function that gives one or its promise, asked for each connection. */
  constructor(given) {
    this.#given = given;
  }

  /** Whether another token may come after one was refused. */
  get renewable() {
    return typeof this.#given === 'function';
  }

  refuse(token) {
    this.#refused = token;
  }

  /** A function is told which token was refused last, so that it can keep one until then. */
  async token() {
    if (!this.renewable) return this.#given;
    try {
      return await this.#given(this.#refused);
    } catch (cause) {
      throw cause instanceof LoregateError ? cause : lost('No token could be had', cause);
    }
  }
}
