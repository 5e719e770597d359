// Contents: what is stored, the newest first, a page at a time.

import { badge, button, byId, empty, fill, h, time } from './dom.js';
import { alertOf } from './notices.js';
import { title } from './result.js';
import { excerpt, moment, plural, spoken } from './words.js';

const PAGE = 12;

export class Contents {
  #list = byId('content-list');
  #filter = byId('content-filter');
  #cursor = null;
  #asked = 0; // so that an answer to an older question is dropped

  constructor(bus, gateway) {
    Object.assign(this, { bus, gateway });
    this.#filter.addEventListener('change', () => this.refresh());
    byId('more').addEventListener('click', () => this.#more());
    bus.on('written', () => this.refresh());
    bus.on('deleted', () => this.refresh());
  }

  /** The first page anew. */
  async refresh() {
    const page = await this.#page(null);
    if (page === null) return;
    if (page.edges.length === 0) fill(this.#list, h('li', {}, this.#none()));
    else
      fill(
        this.#list,
        page.edges.map(({ node }) => this.#row(node)),
      );
  }

  async #more() {
    const page = await this.#page(this.#cursor);
    if (page === null) return;
    const rows = page.edges.map(({ node }) => this.#row(node));
    this.#list.append(...rows);
    rows[0]?.querySelector('button').focus();
  }

  async #page(after) {
    const asked = ++this.#asked;
    const types = this.#filter.value ? [this.#filter.value] : null;
    try {
      const page = await this.gateway.contents({ first: PAGE, after, types });
      if (asked !== this.#asked) return null;
      fill(byId('content-trouble'));
      this.#cursor = page.pageInfo.endCursor;
      byId('more').hidden = !page.pageInfo.hasNextPage;
      return page;
    } catch (error) {
      if (asked === this.#asked)
        fill(
          byId('content-trouble'),
          alertOf(error, () => this.refresh()),
        );
      return null;
    }
  }

  #none() {
    if (this.#filter.value)
      return empty('None of this kind.', 'Choose another kind above, or write one.');
    return empty(
      'No contents yet.',
      'What you write is stored, and stands here until you delete it.',
    );
  }

  #row(content) {
    const open = () => this.bus.tell('open', { id: content.contentId });
    return h(
      'li',
      { class: 'card', data: { content: content.contentId } },
      h(
        'p',
        { class: 'content-head' },
        badge(kindOf(content)),
        time(content.createdAt, moment(content.createdAt)),
      ),
      button(excerpt(title(content)), open, { class: 'link' }),
      h(
        'p',
        { class: 'small-print' },
        content.metadata.modelUsed,
        content.metadata.degraded && ' · degraded',
        content.parent && ' · continues another',
        content.children?.length > 0 && ` · continued ${plural(content.children.length, 'time')}`,
      ),
      actions(this, content, { opens: true }),
    );
  }
}

export function kindOf(content) {
  const names = {
    GeneratedContent: content.contentType,
    ThemeAnalysis: 'Analysis',
    ContentValidation: 'Validation',
  };
  return spoken(names[content.__typename] ?? content.__typename);
}

/** What can be done with a stored content. Deleting asks once more, in the same place. */
export function actions({ bus, gateway }, content, { opens = false, done = () => {} } = {}) {
  const row = h('div', { class: 'actions' });
  const open = () => bus.tell('open', { id: content.contentId });
  const goOn = () => {
    done();
    bus.tell('continue', { content });
  };
  const remove = async () => {
    try {
      await gateway.delete(content.contentId);
      done();
      bus.tell('deleted', { contentId: content.contentId });
      byId('contents-title').focus();
    } catch (error) {
      fill(row, alertOf(error, offer));
    }
  };
  const confirm = () => {
    const keep = button('Keep', offer, { class: 'quiet small' });
    fill(
      row,
      h('span', {}, 'Delete it for good?'),
      button('Delete', remove, { class: 'danger small' }),
      keep,
    );
    keep.focus();
  };
  const offer = () =>
    fill(
      row,
      opens && button('Open', open, { class: 'quiet small' }),
      button('Continue', goOn, { class: 'quiet small' }),
      button('Delete…', confirm, { class: 'quiet small' }),
    );
  offer();
  return row;
}
