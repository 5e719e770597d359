// The attempts on each model as a timeline: who was asked, for how long, and how it ended.

import { badge, h } from './dom.js';
import { milliseconds, spoken } from './words.js';

const NOT_CALLED = ['LIMITED', 'OPEN', 'BUSY', 'UNCONFIGURED'];

/** A list with a bar for each attempt, one behind the other on one scale. */
export function timeline(attempts, schema) {
  const total = attempts.reduce((sum, a) => sum + a.ms, 0);
  let begun = 0;
  const rows = attempts.map((attempt) => {
    const row = entry(attempt, begun, total, schema);
    begun += attempt.ms;
    return row;
  });
  return h('ol', { class: 'attempts', 'aria-label': 'Attempts on models, in order' }, rows);
}

function entry({ model, outcome, ms }, begun, total, schema) {
  const tone = outcome === 'OK' ? 'good' : NOT_CALLED.includes(outcome) ? 'plain' : 'bad';
  const said = schema?.enumValue('AttemptOutcome', outcome)?.description ?? '';
  const share = total > 0 ? ms / total : 0;
  return h(
    'li',
    { class: ['attempt', tone] },
    h('span', { class: 'attempt-model' }, model),
    badge(spoken(outcome), tone, said),
    h(
      'span',
      { class: 'attempt-ms' },
      NOT_CALLED.includes(outcome) && ms === 0 ? 'not called' : milliseconds(ms),
    ),
    h(
      'span',
      { class: 'track', 'aria-hidden': 'true' },
      h('span', { class: 'bar', vars: { from: total > 0 ? begun / total : 0, share } }),
    ),
    outcome !== 'OK' && said && h('span', { class: 'attempt-why' }, said),
  );
}

/**
 * For each reset, in order, the attempt whose end it told of: a reset says why an attempt ended,
 * but not which model that was; an attempt that had told no text has no reset.
 */
export function attemptsOfResets(resets, attempts) {
  let from = 0;
  return resets.map(({ reason }) => {
    const at = attempts.findIndex((a, n) => n >= from && a.outcome.toLowerCase() === reason);
    if (at === -1) return null;
    from = at + 1;
    return { failed: attempts[at], next: attempts[at + 1] ?? null };
  });
}
