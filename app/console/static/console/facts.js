// What an answer tells about itself: who wrote it, how it ended, what it took.

import { badge, fill, h } from './dom.js';
import { timeline } from './attempts.js';
import { dollars, milliseconds, number, spoken } from './words.js';

const CACHE = {
  HIT: ['good', 'An earlier answer, given again; no model was called.'],
  MISS: ['plain', 'It was made for this request, and may be kept.'],
  COALESCED: ['good', 'The same request was being answered; this is its answer.'],
  BYPASS: ['plain', 'The cache was not asked.'],
};

/** Badges, numbers and the timeline of attempts for a content's metadata. */
export function facts(metadata, { cacheStatus = null, elapsed = null, schema = null } = {}) {
  return h(
    'div',
    { class: 'facts' },
    h('p', { class: 'badges' }, badges(metadata, cacheStatus)),
    h(
      'dl',
      { class: 'numbers' },
      pairs(metadata, elapsed).map(([name, value, title]) =>
        h('div', { title }, h('dt', {}, name), h('dd', {}, value)),
      ),
    ),
    h('h3', { class: 'label' }, 'Attempts'),
    timeline(metadata.attempts, schema),
  );
}

function badges(metadata, cacheStatus) {
  const [tone, said] = CACHE[cacheStatus] ?? [];
  return [
    badge(metadata.modelUsed, 'model', 'The model that wrote it'),
    metadata.degraded &&
      badge('Degraded', 'warn', 'A simpler model than the one asked for wrote it'),
    metadata.finishReason === 'LENGTH'
      ? badge('Cut at maxTokens', 'warn', 'The text is not whole')
      : badge('Finished by itself', 'good', 'The text came to its own end'),
    tone && badge(`Cache ${spoken(cacheStatus).toLowerCase()}`, tone, said),
    metadata.ignoredParameters.map((name) =>
      badge(`${name} ignored`, 'warn', 'The model could not use this parameter'),
    ),
  ];
}

function pairs(metadata, elapsed) {
  const { promptTokens, completionTokens, cachedTokens, reasoningTokens, source } =
    metadata.tokenUsage;
  const counted =
    source === 'GATEWAY' ? 'Counted by the gateway: an estimate' : 'Counted by the provider';
  return [
    ['Prompt', `${number(promptTokens)} tokens`, counted],
    ['Answer', `${number(completionTokens)} tokens`, counted],
    cachedTokens > 0 && [
      'Prompt cached',
      number(cachedTokens),
      'Prompt tokens that the provider had in its own cache',
    ],
    reasoningTokens > 0 && ['Thinking', number(reasoningTokens), 'Answer tokens spent on thinking'],
    [
      'Cost',
      metadata.cost === null ? 'no price known' : dollars(metadata.cost),
      'US dollars for its own tokens',
    ],
    elapsed !== null && [
      'Took',
      milliseconds(elapsed * 1000),
      'From your press to the end, in this browser',
    ],
    metadata.upstreamModel && [
      'Upstream',
      metadata.upstreamModel,
      "The model's name in its provider's own answer",
    ],
    metadata.seed !== null && [
      'Seed',
      String(metadata.seed),
      'Give it again for the same words, where the model can',
    ],
    ['Prompt version', metadata.promptVersion, 'Which wording of the prompt was used'],
  ].filter(Boolean);
}

export function showFacts(element, ...given) {
  fill(element, facts(...given));
  element.hidden = false;
}
