// What the user must know: an alert for what failed, with what can be done about it.

import { badge, button, fill, h, ticked } from './dom.js';
import { clock, seconds } from './words.js';

/** An alert for an error of the gateway's. `again` is called by its button, `retry` once it may. */
export function alertOf(error, again = null) {
  const code = error.code && badge(error.code, 'bad');
  const request =
    error.requestId && h('p', { class: 'quote' }, 'Request ', h('code', {}, error.requestId));
  const body = [h('p', {}, code, ' ', ticked(error.message)), request];
  const wait = error.retryAfterMs ? error.retryAfterMs / 1000 : error.retryAfter;
  if (wait) body.push(countdown(wait, again));
  else if (again) body.push(button('Try again', again, { class: 'small' }));
  return h('div', { class: 'notice bad', role: 'alert' }, body);
}

/** Counts down to the moment at which another try makes sense, then offers it. */
function countdown(wait, again) {
  const until = Date.now() + wait * 1000;
  const at = clock(new Date(until).toISOString());
  // The line changes each second: it is no live region, and the alert has said the moment.
  const line = h('p', { class: 'countdown' }, `Room again at ${at}`);
  const retry = again && button('Try again', again, { class: 'small', disabled: true });
  const tick = () => {
    const left = (until - Date.now()) / 1000;
    if (!line.isConnected && left < wait - 1) return clearInterval(timer);
    line.textContent =
      left > 0 ? `Room again at ${at}, in ${seconds(left)}` : 'There is room again.';
    if (left <= 0) {
      clearInterval(timer);
      retry?.removeAttribute('disabled');
    }
  };
  const timer = setInterval(tick, 1000);
  return [line, retry];
}

/** The line across the page while the gateway does not answer. */
export class AwayNotice {
  #element;
  #retry;

  constructor(element, retry) {
    this.#element = element;
    this.#retry = retry;
  }

  show() {
    if (this.isShown) return;
    fill(
      this.#element,
      h(
        'p',
        {},
        h('strong', {}, 'The gateway does not answer.'),
        ' What you see is what it said last.',
      ),
      button('Ask again', this.#retry, { class: 'small' }),
    );
    this.#element.hidden = false;
  }

  get isShown() {
    return !this.#element.hidden;
  }

  hide() {
    this.#element.hidden = true;
    fill(this.#element);
  }
}
