// The reader: one stored content in full, with what it continues and what continues it.

import { badge, button, byId, fill, h, time } from './dom.js';
import { actions, kindOf } from './contents.js';
import { facts } from './facts.js';
import { alertOf } from './notices.js';
import { result, title } from './result.js';
import { clock, day, excerpt, plural } from './words.js';

export class Reader {
  #dialog = byId('reader');
  #body = byId('reader-body');

  constructor(bus, gateway, schema) {
    Object.assign(this, { bus, gateway, schema });
    byId('reader-close').addEventListener('click', () => this.#dialog.close());
    // A press on the backdrop is one on the dialog itself: its content covers the rest.
    this.#dialog.addEventListener(
      'click',
      (event) => event.target === this.#dialog && this.#dialog.close(),
    );
    bus.on('open', ({ id }) => this.open(id));
  }

  async open(id) {
    fill(this.#body, h('p', { role: 'status' }, 'Fetching…'));
    if (!this.#dialog.open) this.#dialog.showModal();
    try {
      const content = await this.gateway.content(id, this.schema);
      if (content === null)
        fill(this.#body, h('p', { role: 'status' }, 'It is gone: it was deleted, or never yours.'));
      else this.#show(content);
    } catch (error) {
      fill(
        this.#body,
        alertOf(error, () => this.open(id)),
      );
    }
  }

  #show(content) {
    const close = () => this.#dialog.close();
    fill(
      this.#body,
      h(
        'p',
        { class: 'content-head' },
        badge(kindOf(content)),
        time(content.createdAt, `${day(content.createdAt)}, ${clock(content.createdAt)}`),
      ),
      content.parent && this.#link('Continues ', content.parent),
      result(content, this.schema),
      this.#children(content.children ?? []),
      actions(this, content, { done: close }),
      facts(content.metadata, { schema: this.schema }),
      h('p', { class: 'small-print' }, 'contentId ', h('code', {}, content.contentId)),
    );
    this.#dialog.scrollTop = 0;
  }

  #children(children) {
    if (children.length === 0) return null;
    return h(
      'section',
      {},
      h('h3', { class: 'label' }, `Continued ${plural(children.length, 'time')}`),
      h(
        'ul',
        { class: 'values' },
        children.map((child) => h('li', {}, this.#link('', child))),
      ),
    );
  }

  #link(before, content) {
    const said = `${kindOf(content)}: ${excerpt(title(content), 80)}`;
    return h(
      'p',
      { class: 'near' },
      before,
      button(said, () => this.open(content.contentId), { class: 'link' }),
    );
  }
}
