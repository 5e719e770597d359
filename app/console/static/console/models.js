// Models: who can write, at what price, and whether their circuit breakers let them.

import { badge, byId, empty, fill, h, time } from './dom.js';
import { day, number, spoken } from './words.js';

const BREAKERS = {
  CLOSED: ['good', 'The model is called'],
  OPEN: ['bad', 'It has failed too often and is left alone for a while'],
  HALF_OPEN: ['warn', 'One call finds out whether it is back'],
};
const STATES = { HEALTHY: 'good', DEGRADED: 'warn', UNHEALTHY: 'bad' };
const DAY = 86_400_000; // ms
const SOON = 60; // days; a retirement that is nearer is a warning

export function showModels(models) {
  const list = byId('model-list');
  if (models.length === 0) return fill(list, h('li', {}, empty('No model is configured.')));
  return fill(list, models.map(card));
}

function card(model) {
  const [tone, said] = BREAKERS[model.breaker];
  return h(
    'li',
    { class: 'card', data: { name: model.name } },
    h(
      'div',
      { class: 'card-head' },
      h(
        'h3',
        {},
        h('span', { class: ['dot', STATES[model.state]], title: spoken(model.state) }),
        model.name,
      ),
      badge(`Breaker ${spoken(model.breaker).toLowerCase()}`, tone, said),
    ),
    h(
      'p',
      { class: 'small-print' },
      model.provider,
      model.upstream && model.upstream !== model.name && ` · ${model.upstream}`,
      ` · ${spoken(model.state).toLowerCase()}`,
    ),
    h(
      'p',
      { class: 'badges' },
      !model.configured && badge('No key here: others answer for it', 'warn'),
      model.gone && badge('Its provider no longer has it', 'bad'),
      model.retiresAt && retirement(model.retiresAt),
    ),
    h(
      'dl',
      { class: 'short' },
      facts(model).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
    ),
    model.fallback.length > 0 &&
      h(
        'p',
        { class: 'chain' },
        'Falls back to ',
        model.fallback.map((name, at) => [at > 0 && ' → ', h('code', {}, name)]),
      ),
  );
}

function facts(model) {
  return [
    ['In, 1M tokens', price(model.inputPrice)],
    ['Out, 1M tokens', price(model.outputPrice)],
    ['Context', model.contextSize === null ? 'not limited' : compact(model.contextSize)],
    ['Longest answer', compact(model.maxTokens)],
  ];
}

function price(value) {
  return value === null ? 'not known' : `$${number(value)}`;
}

function compact(tokens) {
  return Intl.NumberFormat('en', { notation: 'compact' }).format(tokens);
}

function retirement(date) {
  const left = Math.ceil((Date.parse(date) - Date.now()) / DAY);
  const said =
    left < 0 ? 'Retired on ' : left < SOON ? `Retires in ${left} days, on ` : 'Retires on ';
  return h(
    'span',
    { class: ['badge', left < SOON ? 'warn' : 'plain'] },
    said,
    time(date, day(date)),
  );
}
