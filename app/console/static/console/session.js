// The session: who asks. In `loregate dev` the gateway itself gives a token; elsewhere the page
// asks for one and keeps it in this module's memory: no storage, no cookie, no address has it.

import { byId, fill, h } from './dom.js';
import { clock, day } from './words.js';

const ADDRESS = '/console/session';

export class Session {
  #token = null;
  #waiting = [];
  #gate = byId('gate');
  #why = byId('gate-why');

  constructor(bus) {
    this.isDev = false;
    this.bus = bus;
    byId('gate-form').addEventListener('submit', (event) => this.#submit(event));
    byId('sign-out').addEventListener('click', () => this.forget('Paste another token to go on.'));
  }

  /** Asks the gateway what it is. Throws where it does not answer. */
  async begin() {
    const answer = await fetch(ADDRESS, { cache: 'no-store' });
    const { dev, token, version } = answer.ok ? await answer.json() : {};
    this.isDev = Boolean(dev);
    this.#token = token ?? null;
    byId('version').textContent = version ?? '';
    if (this.#token === null) this.#ask(null);
  }

  /** The token, as soon as there is one. `refused`: the one that the gateway refused last. */
  token = (refused) => {
    if (refused !== undefined && refused === this.#token) this.refused({ message: '' });
    if (this.#token !== null) return Promise.resolve(this.#token);
    return new Promise((resolve) => this.#waiting.push(resolve));
  };

  /** The gateway refused the token: another comes from it in development, else from the user. */
  async refused({ code, message }) {
    if (this.#token === null) return;
    const said =
      code === 'TOKEN_EXPIRED' || /expired/i.test(message) ? 'has expired' : 'was refused';
    if (!this.isDev)
      return this.forget(`The token ${said}${message && `: ${message}`}. Paste another one.`);
    this.#token = null;
    try {
      await this.begin();
      this.#resolve();
    } catch (error) {
      this.bus.tell('away', { error });
    }
  }

  /** Drops the token and asks for another, saying why. */
  forget(why) {
    this.#token = null;
    this.#ask(why);
  }

  show({ id, tier, expiresAt }) {
    const until = expiresAt && `Its token ends on ${day(expiresAt)} at ${clock(expiresAt)}`;
    fill(byId('viewer'), h('span', { title: until }, id, h('span', { class: 'tier' }, tier)));
  }

  #ask(why) {
    this.#why.textContent = why ?? '';
    this.#why.hidden = why === null;
    this.#gate.hidden = false;
    byId('desk').inert = true;
    byId('sign-out').hidden = true;
    byId('token').focus();
    fill(byId('viewer'), 'signed out');
  }

  #submit(event) {
    event.preventDefault();
    const field = byId('token');
    const given = field.value.trim().replace(/^Bearer\s+/i, '');
    if (!given) return;
    this.#token = given;
    field.value = '';
    this.#gate.hidden = true;
    byId('desk').inert = false;
    byId('sign-out').hidden = false;
    this.#resolve();
    this.bus.tell('signedIn');
  }

  #resolve() {
    if (this.#token !== null) this.#waiting.splice(0).forEach((give) => give(this.#token));
  }
}
