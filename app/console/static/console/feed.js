// The feed: events as they happen, the place in the log, and a socket that can be cut and resumed.

import { badge, button, byId, empty, fill, h, time } from './dom.js';
import { alertOf } from './notices.js';
import { title } from './result.js';
import { clock, excerpt, number, plural, spoken, tail } from './words.js';

const MOST = 60; // lines; older ones are counted, not shown
const PATIENCE = 5_000; // ms for what came meanwhile to be told, once the socket is open again

export class Feed {
  #list = byId('feed-list');
  #say = byId('feed-status');
  #ids = new Set();
  #contents = new Set(); // of which an event was heard
  #heard = 0;
  #cut = null; // { at, heard } while the socket is cut
  #waiting = []; // who waits for another event
  #began = null; // since when nothing may be missing

  constructor(bus, gateway) {
    Object.assign(this, { bus, gateway });
    fill(
      this.#list,
      h(
        'li',
        {},
        empty(
          'No events yet.',
          'Each text that is written for you is told here, on every open page of yours.',
        ),
      ),
    );
    byId('cut').addEventListener('click', () => (this.#cut === null ? this.cut() : this.resume()));
    gateway.connection.on('state', (state, detail) => this.#socketIs(state, detail));
  }

  /** Follows the log from behind a cursor, until it fails. */
  async follow(after) {
    this.#began ??= Date.now();
    this.#place(after);
    byId('cut').disabled = false;
    const onExpired = () => this.#gap();
    try {
      const events = this.gateway.client.events({
        after,
        onExpired,
        onPosition: (cursor) => this.#place(cursor),
      });
      for await (const event of events) this.#hear(event);
    } catch (error) {
      fill(
        byId('feed-trouble'),
        alertOf(error, () => {
          fill(byId('feed-trouble'));
          this.follow(byId('feed-cursor').title || after);
        }),
      );
    }
  }

  #hear(event) {
    const isRepeat = this.#ids.has(event.id);
    this.#ids.add(event.id);
    this.#contents.add(event.contentId);
    this.#heard += 1;
    this.#place(event.cursor);
    if (this.#heard === 1) fill(this.#list);
    this.#list.prepend(this.#line(event, isRepeat));
    while (this.#list.children.length > MOST) this.#list.lastElementChild.remove();
    byId('feed-count').textContent = plural(this.#heard, 'event');
    this.bus.tell('heard', { event });
    this.#waiting.splice(0).forEach((go) => go());
  }

  #line(event, isRepeat) {
    const said = event.content && excerpt(title(event.content), 70);
    const open = () => this.bus.tell('open', { id: event.contentId });
    return h(
      'li',
      { class: 'event', data: { id: event.id, content: event.contentId } },
      h(
        'p',
        { class: 'event-head' },
        badge(spoken(event.type), event.type.split('_')[0].toLowerCase()),
        isRepeat && badge('repeat', 'warn'),
        time(event.occurredAt, clock(event.occurredAt)),
      ),
      said ? button(said, open, { class: 'link' }) : h('p', {}, 'Its content is gone.'),
      h(
        'p',
        { class: 'small-print' },
        event.metadata.modelUsed,
        ' · ',
        `${number(event.metadata.tokenUsage.totalTokens)} tokens · `,
        h('code', { title: event.cursor }, tail(event.cursor, 8)),
      ),
    );
  }

  #place(cursor) {
    const element = byId('feed-cursor');
    element.textContent = cursor ? tail(cursor, 18) : 'none yet';
    element.title = cursor ?? '';
  }

  #gap() {
    this.#mark(`The place fell off the log's end: what came before is lost.`, 'warn');
  }

  /** Cuts the socket, as a lost network would; the gateway goes on. */
  cut() {
    this.#cut = { at: Date.now(), heard: this.#heard };
    this.gateway.connection.disconnect();
    byId('cut').textContent = 'Resume';
    this.#mark(`Socket cut behind ${byId('feed-cursor').textContent}`, 'warn');
    this.#say.textContent = 'The socket is cut. Write something: it will be told when you resume.';
  }

  /** Goes on behind the last event's place, and checks that nothing is missing. */
  async resume() {
    const { heard } = this.#cut;
    this.#cut = null;
    byId('cut').textContent = 'Cut the socket';
    this.#say.textContent = 'Resuming…';
    this.gateway.connection.connect();
    try {
      const stored = await this.#stored();
      await this.#within(PATIENCE, () => stored.every((id) => this.#contents.has(id)));
      this.#mark(...this.#verdict(stored, this.#heard - heard));
    } catch (error) {
      fill(byId('feed-trouble'), alertOf(error));
    }
  }

  #verdict(stored, meanwhile) {
    const missed = stored.filter((id) => !this.#contents.has(id)).length;
    const repeats = this.#heard - this.#ids.size;
    const told = `Resumed: ${plural(meanwhile, 'event')} from meanwhile.`;
    const found = number(stored.length - missed);
    const contents = `${found} of ${plural(stored.length, 'stored content')}`;
    const checked = `${contents} told, ${missed} missed, ${repeats} told twice.`;
    this.#say.textContent =
      missed + repeats === 0 ? 'Resumed; nothing was missed.' : `Resumed. ${checked}`;
    return [`${told} ${checked}`, missed + repeats === 0 ? 'good' : 'bad'];
  }

  /** What was stored since the feed began: each must have been told. At most the last 50. */
  async #stored() {
    const { edges } = await this.gateway.contents({ first: 50 });
    return edges
      .map(({ node }) => node)
      .filter((c) => Date.parse(c.createdAt) > this.#began)
      .map((c) => c.contentId);
  }

  /** Resolves when it is so after an event, or when the time is up. */
  async #within(ms, isSo) {
    const until = Date.now() + ms;
    while (!isSo() && Date.now() < until) {
      await Promise.race([
        new Promise((resolve) => this.#waiting.push(resolve)),
        new Promise((resolve) => setTimeout(resolve, until - Date.now())),
      ]);
    }
  }

  #mark(text, tone) {
    if (this.#heard === 0) fill(this.#list);
    this.#list.prepend(
      h('li', { class: ['mark', tone] }, h('p', {}, text), time(new Date().toISOString(), clock())),
    );
  }

  #socketIs(state, { error, wait } = {}) {
    const said = {
      idle: 'idle',
      connecting: 'connecting',
      open: 'live',
      closed: 'cut',
      waiting: 'lost',
    }[state];
    const pill = byId('socket');
    pill.textContent = said;
    pill.dataset.state = state;
    pill.title = error
      ? `${error.message}; another try in ${Math.ceil(wait)} s`
      : 'The WebSocket to /graphql';
    if (state === 'waiting')
      this.#say.textContent = `The socket was lost; another try in ${Math.ceil(wait)} s.`;
    else if (state === 'open' && this.#heard === 0) this.#say.textContent = 'Listening.';
  }
}
