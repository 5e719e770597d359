// Limits as gauges: what of each window is used, and when there is room again.

import { byId, fill, h } from './dom.js';
import { clock, number, seconds, secondsUntil } from './words.js';

const TIGHT = 0.8; // of a limit; from there on it is worth a look

export class Limits {
  #gauges = new Map();
  #list = byId('limit-list');

  constructor(bus) {
    bus.on('spent', ({ rateLimit }) => this.update(rateLimit));
    bus.on('refused', ({ error }) => this.#refused(error));
    setInterval(() => this.#gauges.forEach((gauge) => gauge.tick()), 1000);
  }

  /** How all limits stand. */
  show(limits) {
    if (this.#gauges.size === 0) fill(this.#list);
    limits.forEach((limit) => this.update(limit));
  }

  /** How one limit stands; those of others stay as they were last. */
  update(limit) {
    if (!this.#gauges.has(limit.scope)) {
      const gauge = new Gauge(limit.scope);
      this.#gauges.set(limit.scope, gauge);
      this.#list.append(gauge.element);
    }
    this.#gauges.get(limit.scope).show(limit);
  }

  #refused({ scope, limit, remaining, resetAt }) {
    if (scope !== undefined) this.update({ scope, limit, remaining, resetAt });
  }
}

class Gauge {
  #bar = h('span', { class: 'bar' });
  #track;
  #left = h('span', { class: 'left' });
  #when = h('span', { class: 'when' });
  #limit = null;

  constructor(scope) {
    this.#track = h(
      'span',
      { class: 'track', role: 'meter', 'aria-label': `Used of ${scope}`, 'aria-valuemin': 0 },
      this.#bar,
    );
    const [kind, name] = scope.includes(':') ? scope.split(/:(.*)/) : ['', scope];
    this.element = h(
      'li',
      { class: 'gauge', data: { scope } },
      h(
        'p',
        { class: 'gauge-head' },
        h(
          'span',
          { class: 'scope' },
          kind && h('span', { class: 'kind-of' }, kind),
          name.replaceAll('_', ' '),
        ),
        this.#left,
      ),
      this.#track,
      this.#when,
    );
  }

  show(limit) {
    this.#limit = { ...this.#limit, ...limit };
    const { remaining } = limit;
    const used = Math.max(0, limit.limit - remaining);
    const share = limit.limit > 0 ? used / limit.limit : 0;
    this.#bar.style.setProperty('--share', share);
    this.#track.setAttribute('aria-valuemax', limit.limit);
    this.#track.setAttribute('aria-valuenow', used);
    this.#track.setAttribute('aria-valuetext', `${number(used)} of ${number(limit.limit)} used`);
    this.element.dataset.tone = remaining <= 0 ? 'full' : share >= TIGHT ? 'tight' : 'calm';
    this.#left.textContent = `${number(remaining)} of ${number(limit.limit)} left`;
    this.tick();
  }

  tick() {
    const { limit, remaining, resetAt, windowSeconds } = this.#limit;
    const left = secondsUntil(resetAt);
    this.#when.hidden = remaining >= limit; // what is unused has nothing to wait for
    if (windowSeconds === 0) this.#when.textContent = 'deleting content frees'; // a quota
    else if (left <= 0) this.#when.textContent = 'falls with the next look';
    else this.#when.textContent = `${remaining <= 0 ? 'room again' : 'falls'} in ${seconds(left)}`;
    this.#when.title = `At ${clock(resetAt)}, as far as it stands now`;
  }
}
