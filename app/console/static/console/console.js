// The console: puts its parts together and keeps them up to date.

import { Bus } from './bus.js';
import { byId, empty, fill } from './dom.js';
import { Contents } from './contents.js';
import { Feed } from './feed.js';
import { Gateway } from './gateway.js';
import { showHealth } from './health.js';
import { Limits } from './limits.js';
import { showModels } from './models.js';
import { alertOf, AwayNotice } from './notices.js';
import { Reader } from './reader.js';
import { switchScheme } from './scheme.js';
import { introspected } from './schema.js';
import { Session } from './session.js';
import { Usage } from './usage.js';
import { Writing } from './writing.js';

const LOOK = 20_000; // ms between looks at limits and models; each counts as one request
const SOON = 400; // ms; what happens together is looked at once
const STORED = 50; // contents in the plots

class Console {
  #soon = null;
  #isOn = false; // everything that needs a token has begun

  constructor() {
    this.bus = new Bus();
    this.session = new Session(this.bus);
    this.gateway = new Gateway(this.bus, this.session);
    this.limits = new Limits(this.bus);
    this.usage = new Usage(this.bus);
    this.feed = new Feed(this.bus, this.gateway);
    this.contents = new Contents(this.bus, this.gateway);
    this.away = new AwayNotice(byId('away'), () => this.#again());
    for (const name of ['written', 'deleted']) this.bus.on(name, () => this.#count());
    for (const name of ['written', 'deleted', 'refused']) this.bus.on(name, () => this.#lookSoon());
    this.bus.on('away', () => this.away.show());
    this.bus.on('answered', () => this.away.hide());
    this.gateway.connection.on('state', (state) => {
      if (state === 'open' && this.away.isShown) this.#again();
    });
    this.bus.on('signedIn', () => this.#start());
    document.addEventListener('visibilitychange', () => document.hidden || this.#lookSoon());
    setInterval(() => document.hidden || this.#lookSoon(), LOOK);
  }

  async begin() {
    try {
      await this.session.begin();
    } catch {
      return this.away.show();
    }
    this.away.hide();
    return this.#start();
  }

  /** What needs a token, once; each part fails alone and says so in its own place. */
  async #start() {
    if (this.#isOn) return;
    this.#isOn = true;
    try {
      const { viewer, eventCursor } = await this.gateway.viewer();
      this.session.show(viewer);
      this.feed.follow(eventCursor);
    } catch (error) {
      this.#isOn = false;
      fill(
        byId('feed-trouble'),
        alertOf(error, () => this.#again()),
      );
      return;
    }
    fill(byId('feed-trouble'));
    await Promise.all([this.#learn(), this.#look(), this.#count(), this.contents.refresh()]);
  }

  /** Forms and results are made from the schema. */
  async #learn() {
    const schema = await introspected(this.gateway).catch((error) => this.#withoutForms(error));
    if (schema) this.writing = new Writing(this.bus, this.gateway, schema);
    this.reader = new Reader(this.bus, this.gateway, schema);
  }

  #withoutForms(error) {
    fill(byId('fields'));
    fill(
      byId('text'),
      empty(
        'The forms cannot be made.',
        error.code === 'GRAPHQL_VALIDATION_FAILED'
          ? 'Introspection is off here: LOREGATE_INTROSPECTION=true turns it on.'
          : `The gateway did not tell its schema: ${error.message}`,
      ),
    );
    return null;
  }

  async #look() {
    try {
      const { rateLimits, models, health } = await this.gateway.standing();
      showHealth(health);
      this.limits.show(rateLimits);
      showModels(models);
      fill(byId('limit-trouble'));
    } catch (error) {
      fill(
        byId('limit-trouble'),
        alertOf(error, () => this.#lookSoon()),
      );
    }
  }

  /** What stands in the plots of stored contents; their list says why where it cannot be had. */
  async #count() {
    const found = await this.gateway.contents({ first: STORED }).catch(() => null);
    if (found) this.usage.show(found.edges.map(({ node }) => node));
  }

  #lookSoon() {
    if (!this.#isOn) return;
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.#look(), SOON);
  }

  #again() {
    if (!this.#isOn) return this.begin();
    this.#lookSoon();
    return this.contents.refresh();
  }
}

switchScheme();
new Console().begin();
