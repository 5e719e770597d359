// Health: the parts that the gateway stands on, and how its last minute was.

import { byId, fill, h } from './dom.js';
import { milliseconds, number, spoken } from './words.js';

const PARTS = { openai: 'Models', messageHub: 'Events', cache: 'Cache and limits', db: 'Database' };
const TONES = { HEALTHY: 'good', DEGRADED: 'warn', UNHEALTHY: 'bad' };

export function showHealth({ components, metrics }) {
  const strip = byId('health');
  strip.hidden = false;
  fill(
    strip,
    h(
      'ul',
      {},
      Object.entries(PARTS).map(([part, name]) =>
        h(
          'li',
          { data: { state: components[part] } },
          h('span', { class: ['dot', TONES[components[part]]] }),
          `${name} `,
          h('b', {}, spoken(components[part]).toLowerCase()),
        ),
      ),
    ),
    h(
      'p',
      { title: 'What this process saw in the last minute' },
      `${number(metrics.requestRate)} requests a second · `,
      `${number(metrics.errorRate * 100)} % failed · `,
      `95 % within ${milliseconds(metrics.p95Latency)}`,
    ),
  );
}
