// Usage: what the cache did, and what tokens, money and time went into the texts: of this session,
// and of the contents that are stored.

import { byId, empty, fill, h } from './dom.js';
import { bars, running, shares } from './plots.js';
import { title } from './result.js';
import { dollars, excerpt, milliseconds, number, plural, spoken } from './words.js';

const CACHE = ['HIT', 'COALESCED', 'MISS', 'BYPASS'];
const TONES = ['a', 'b', 'c', 'd', 'e', 'f']; // of shares, in the style sheet
const SESSION = 'session';

export class Usage {
  #session = []; // what was written here, the oldest first
  #stored = [];
  #chosen = null; // by the user; until then what there is

  constructor(bus) {
    bus.on('written', ({ content, cacheStatus }) => {
      this.#session.push({
        ...entry(content),
        cacheStatus,
        isFree: cacheStatus === 'HIT' || cacheStatus === 'COALESCED',
      });
      this.#draw();
    });
    for (const radio of document.getElementsByName('usage')) {
      radio.addEventListener('change', () => {
        this.#chosen = radio.value;
        this.#draw();
      });
    }
    this.#draw();
  }

  /** The contents that are stored, the newest first. */
  show(contents) {
    this.#stored = contents.map(entry).reverse();
    this.#draw();
  }

  #draw() {
    const shown =
      this.#chosen ?? (this.#session.length || !this.#stored.length ? SESSION : 'stored');
    for (const radio of document.getElementsByName('usage')) radio.checked = radio.value === shown;
    const isSession = shown === SESSION;
    const entries = isSession ? this.#session : this.#stored;
    if (entries.length === 0) {
      const said = isSession ? 'Nothing was written on this page yet.' : 'No content is stored.';
      return fill(byId('plots'), empty(said, 'Each text adds to these plots.'));
    }
    return fill(
      byId('plots'),
      isSession ? cache(entries) : writers(entries),
      tokens(entries),
      cost(entries),
      duration(entries),
    );
  }
}

function entry(content) {
  const { tokenUsage, cost, attempts, modelUsed } = content.metadata;
  return {
    title: excerpt(title(content), 60),
    model: modelUsed,
    prompt: tokenUsage.promptTokens,
    answer: tokenUsage.completionTokens,
    cost,
    ms: attempts.reduce((sum, a) => sum + a.ms, 0),
    isFree: false,
  };
}

function figure(name, total, drawing, note) {
  return h(
    'figure',
    {},
    h('figcaption', {}, h('span', {}, name), h('strong', {}, total)),
    drawing,
    note && h('p', { class: 'small-print' }, note),
  );
}

function cache(entries) {
  const counts = CACHE.map((status, n) => ({
    name: spoken(status),
    count: entries.filter((e) => e.cacheStatus === status).length,
    tone: TONES[n],
  }));
  const free = entries.filter((e) => e.isFree).length;
  const label = counts.map((c) => `${c.name} ${c.count}`).join(', ');
  return figure(
    'Cache',
    `${Math.round((free / entries.length) * 100)} % without a model`,
    shares(counts, `Cache: ${label}`),
  );
}

function writers(entries) {
  const names = [...new Set(entries.map((e) => e.model))];
  const counts = names.map((name, n) => ({
    name,
    count: entries.filter((e) => e.model === name).length,
    tone: TONES[n % TONES.length],
  }));
  return figure(
    'Written by',
    plural(entries.length, 'content'),
    shares(counts, counts.map((c) => `${c.name} ${c.count}`).join(', ')),
  );
}

function tokens(entries) {
  const total = entries.reduce((sum, e) => sum + e.prompt + e.answer, 0);
  const drawn = entries.map((e) => ({
    title: `${e.title}: ${e.prompt} of prompt, ${e.answer} of answer`,
    parts: [e.prompt, e.answer],
  }));
  const label = `Tokens of ${plural(entries.length, 'text')}, ${number(total)} in all`;
  return figure(
    'Tokens',
    number(total),
    bars(drawn, label),
    'Prompt below, answer above, a bar for each text.',
  );
}

function cost(entries) {
  const known = entries.filter((e) => e.cost !== null);
  if (known.length === 0)
    return figure(
      'Cost',
      'no price known',
      null,
      'None of the models that wrote has a price here.',
    );
  const spent = known.filter((e) => !e.isFree);
  const total = spent.reduce((sum, e) => sum + e.cost, 0);
  const saved = known.reduce((sum, e) => sum + e.cost, 0) - total;
  const unknown = entries.length - known.length;
  const note = [
    saved > 0 && `The cache saved ${dollars(saved)}.`,
    unknown > 0 && `${plural(unknown, 'text')} without a price.`,
    total === 0 && saved === 0 && 'The embedded storyteller costs nothing.',
  ]
    .filter(Boolean)
    .join(' ');
  return figure(
    'Cost',
    dollars(total),
    running(
      spent.map((e) => e.cost),
      `Cost so far, ${dollars(total)} in all`,
    ),
    note,
  );
}

function duration(entries) {
  const times = entries.filter((e) => !e.isFree);
  if (times.length === 0)
    return figure('Time to write', 'none', null, 'All of it came from the cache.');
  const mean = times.reduce((sum, e) => sum + e.ms, 0) / times.length;
  const drawn = times.map((e) => ({
    title: `${e.title}: ${milliseconds(e.ms)} by ${e.model}`,
    parts: [e.ms],
  }));
  return figure(
    'Time to write',
    `${milliseconds(mean)} on average`,
    bars(
      drawn,
      `Milliseconds of ${plural(times.length, 'text')}, ${milliseconds(mean)} on average`,
    ),
    'All attempts of a text together.',
  );
}
