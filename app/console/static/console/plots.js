// Plots: small drawings in SVG, made by DOM calls. Their words stand beside them, in HTML.

import { h, s } from './dom.js';

const HEIGHT = 100; // of the drawing's own units; CSS says how high it is seen
const GAP = 0.18; // of a bar's width

/** Stacked bars, one for each entry: `{ title, parts: [number, …] }`, the first part lowest. */
export function bars(entries, label) {
  const highest = Math.max(1e-9, ...entries.map((e) => sum(e.parts)));
  const width = Math.max(entries.length, 24); // so that a few bars are bars and no walls
  return drawing(
    width,
    label,
    entries.map((entry, x) => {
      let below = 0;
      return s(
        'g',
        {},
        s('title', {}, entry.title),
        entry.parts.map((part, n) => {
          const height = (part / highest) * HEIGHT;
          below += height;
          return s('rect', {
            class: `part-${n}`,
            x: x + GAP / 2,
            width: 1 - GAP,
            y: HEIGHT - below,
            height,
          });
        }),
      );
    }),
  );
}

/** A line that only rises: the running sum of the values, with the area below it. */
export function running(values, label) {
  const sums = [0];
  for (const value of values) sums.push(sums.at(-1) + value);
  const highest = Math.max(1e-12, sums.at(-1));
  const width = Math.max(values.length, 1);
  const points = sums.map((value, x) => `${x},${HEIGHT - (value / highest) * (HEIGHT - 4)}`);
  return drawing(width, label, [
    s('polygon', { class: 'area', points: `0,${HEIGHT} ${points.join(' ')} ${width},${HEIGHT}` }),
    s('polyline', {
      class: 'line',
      points: points.join(' '),
      'vector-effect': 'non-scaling-stroke',
    }),
  ]);
}

/** One bar that is divided: `{ name, count, tone }` for each share, with a legend. */
export function shares(parts, label) {
  const total = Math.max(1, sum(parts.map((p) => p.count)));
  let x = 0;
  const drawn = parts.map(({ name, count, tone }) => {
    const width = (count / total) * HEIGHT;
    x += width;
    return s(
      'rect',
      { class: `share-${tone}`, x: x - width, y: 0, width, height: HEIGHT },
      s('title', {}, `${name}: ${count}`),
    );
  });
  const legend = h(
    'ul',
    { class: 'legend' },
    parts.map(({ name, count, tone }) =>
      h(
        'li',
        {},
        h('span', { class: ['swatch', `share-${tone}`] }),
        `${name} `,
        h('b', {}, String(count)),
      ),
    ),
  );
  const strip = drawing(HEIGHT, label, drawn);
  strip.classList.add('strip');
  return [strip, legend];
}

function drawing(width, label, children) {
  return s(
    'svg',
    {
      class: 'plot',
      viewBox: `0 0 ${width} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': label,
    },
    children,
  );
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
