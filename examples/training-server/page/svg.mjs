import { short } from './dom.mjs';

const [width, height] = [900, 420];
const box = { left: 72, right: 16, top: 34, bottom: 46 };
const inner = { width: width - box.left - box.right, height: height - box.top - box.bottom };

/** @param {string} text of anybody */
const escaped = (text) => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);

/** Round numbers from low to high, about six. @param {number} low @param {number} high */
function ticks(low, high) {
  const about = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(about));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= about) ?? 10);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

/** Powers of ten from low to high, six at most; round numbers where there are none. @param {number} low @param {number} high */
function powers(low, high) {
  const [first, last] = [Math.ceil(Math.log10(low)), Math.floor(Math.log10(high))];
  if (last <= first) return ticks(low, high).filter((tick) => tick > 0);
  const step = Math.ceil((last - first + 1) / 6);
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => 10 ** (first + i * step));
}

/** The least and the greatest of some numbers, apart. @param {number[]} values @returns {[number, number]} */
function rangeOf(values) {
  if (values.length === 0) return [0.5, 1.5];
  const [low, high] = values.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
  if (high > low) return [low, high];
  return low === 0 ? [-1, 1] : [low - Math.abs(low) / 2, low + Math.abs(low) / 2];
}

/**
 * Curves as a picture of lines that stay sharp at any size, with axes, marks and names.
 *
 * @param {{ name: string, color: string, points: [number, number][] }[]} curves
 * @param {{ title: string, xTitle: string, log: boolean, marks: { x: number, text: string, color: string }[],
 *   ground: string, ink: string, grid: string }} options colors as CSS has them
 */
export function svgOf(curves, { title, xTitle, log, marks, ground, ink, grid }) {
  const drawn = curves.map((curve) => ({ ...curve, points: curve.points.filter(([, y]) => !log || y > 0) }));
  const all = drawn.flatMap(({ points }) => points);
  const [xs, ys] = [rangeOf(all.map(([x]) => x)), rangeOf(all.map(([, y]) => y))];
  const at = (/** @type {number} */ y) => (log ? Math.log10(y) : y);
  const [low, high] = [at(ys[0]), at(ys[1])];
  const left = (/** @type {number} */ x) => (box.left + ((x - xs[0]) / (xs[1] - xs[0])) * inner.width).toFixed(1);
  const top = (/** @type {number} */ y) => (box.top + (1 - (at(y) - low) / (high - low)) * inner.height).toFixed(1);
  const [right, bottom] = [width - box.right, height - box.bottom];
  const text = (
    /** @type {number | string} */ x,
    /** @type {number | string} */ y,
    /** @type {string} */ words,
    more = '',
  ) => `<text x="${x}" y="${y}" fill="${ink}" ${more}>${escaped(words)}</text>`;

  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="${ground}"/>`,
  ];
  for (const y of log ? powers(...ys) : ticks(...ys))
    lines.push(
      `<path d="M${box.left} ${top(y)}H${right}" stroke="${grid}"/>`,
      text(box.left - 8, Number(top(y)) + 4, short(y), 'text-anchor="end"'),
    );
  for (const x of ticks(...xs))
    lines.push(
      `<path d="M${left(x)} ${box.top}V${bottom}" stroke="${grid}"/>`,
      text(left(x), bottom + 18, short(x), 'text-anchor="middle"'),
    );
  for (const { x, text: words, color } of marks) {
    if (x < xs[0] || x > xs[1]) continue;
    // Checkpoints are many: a tick on the axis is enough.
    lines.push(`<path d="M${left(x)} ${bottom}V${words ? box.top : bottom - 7}" stroke="${color}"${words ? ' stroke-dasharray="4 4"' : ''}/>`); // biome-ignore format: one line
    if (words) lines.push(text(Number(left(x)) + 4, box.top + 12, words));
  }
  for (const { color, points } of drawn)
    if (points.length > 0)
      lines.push(`<path d="M${points.map(([x, y]) => `${left(x)} ${top(y)}`).join('L')}" fill="none" stroke="${color}" stroke-width="1.5"/>`); // biome-ignore format: one line
  lines.push(
    text(box.left + inner.width / 2, height - 10, xTitle, 'text-anchor="middle"'),
    text(0, 0, title, `text-anchor="middle" transform="translate(16 ${box.top + inner.height / 2}) rotate(-90)"`),
  );
  const share = inner.width / Math.max(drawn.length, 1);
  for (const [i, { name, color }] of drawn.entries()) {
    const x = box.left + i * share;
    lines.push(`<path d="M${x} 18h16" stroke="${color}" stroke-width="3"/>`, text(x + 22, 22, name));
  }
  return `${lines.join('\n')}\n</svg>\n`;
}
