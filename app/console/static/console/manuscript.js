// The text while it is written: its pieces as they come, and what a reset has dropped.

import { fill, h } from './dom.js';
import { plural, spoken, wordCount } from './words.js';

export class Manuscript {
  #live = null;
  #dropped = [];

  constructor(element) {
    this.element = element;
    this.resets = [];
  }

  /** The text since the last reset. */
  get text() {
    return this.#live?.textContent ?? '';
  }

  begin() {
    this.#dropped = [];
    this.resets = [];
    this.#live = h('div', { class: 'live prose' });
    fill(this.element, this.#live);
  }

  delta(text) {
    this.#live.append(h('span', { class: 'fresh' }, text));
  }

  /** The attempt that wrote this failed: it is struck out, and the next begins below. */
  reset({ attempt, reason }) {
    const words = wordCount(this.text);
    const note = h(
      'summary',
      {},
      `Attempt ${attempt - 1} ended: ${spoken(reason).toLowerCase()}`,
      `. ${plural(words, 'word')} dropped; attempt ${attempt} writes.`,
    );
    const gone = h('details', { class: 'dropped', open: true }, note, h('del', {}, this.text));
    this.#live.replaceChildren();
    this.#live.before(gone);
    this.#dropped.push({ gone, note, words });
    this.resets.push({ attempt, reason });
  }

  /** Says of each reset which model it was, now that the attempts are known. */
  name(found) {
    found.forEach((known, at) => {
      if (!known) return;
      const { note, words } = this.#dropped[at];
      const next = known.next ? `; ${known.next.model} writes` : '';
      note.textContent =
        `${known.failed.model} failed: ${spoken(known.failed.outcome).toLowerCase()}${next}.` +
        ` ${plural(words, 'word')} dropped.`;
    });
  }

  /** The finished result in place of what was live; what was dropped stays, folded. */
  end(result) {
    for (const { gone } of this.#dropped) gone.open = false;
    this.#live.replaceWith(result);
    this.#live = null;
  }

  /** It ended without a result: what was told stays, and says that it is not whole. */
  stop() {
    this.#live?.classList.add('unfinished');
  }
}
