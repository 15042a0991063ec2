// Emoji as several houses draw them, as rows of numbers: the sets of npm's @iconify-json.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';

/** Pixels of a side as they are drawn, and as they are compared. */
const drawn = 64;
export const compared = 16;

/** @typedef {{ set: string, house: string }} House */
export const houses = {
  noto: { set: 'noto', house: 'Noto (Google)' },
  fluent: { set: 'fluent-emoji-flat', house: 'Fluent, flat (Microsoft)' },
};

const read = (/** @type {string} */ file) => JSON.parse(readFileSync(createRequire(import.meta.url).resolve(`@iconify-json/${file}`), 'utf8')); // biome-ignore format: one line

/** Paths that begin far outside of a picture show nothing of it, and of some resvg ends the process. @param {string} body @param {number} size */
const inside = (body, size) =>
  body.replaceAll(/<path[^>]*\sd="M\s*(-?[\d.]+)[ ,]?(-?[\d.]+)[^>]*\/>/g, (path, x, y) =>
    [x, y].every((at) => at > -size && at < 2 * size) ? path : '',
  );

/** Drawings of a house by their code points, those with a tone of skin left out. @param {House} house @returns {Map<string, string>} */
function drawings({ set }) {
  const { icons, width = 16, height = 16 } = read(`${set}/icons.json`);
  const chars = Object.entries(/** @type {Record<string, string>} */ (read(`${set}/chars.json`)));
  const known = chars.filter(([points, name]) => icons[name] && !/1f3f[b-f]/.test(points));
  return new Map(
    known.map(([points, name]) => {
      const { body, left = 0, top = 0, width: w = width, height: h = height } = icons[name];
      const box = `viewBox="${left} ${top} ${w} ${h}" width="${drawn}" height="${drawn}"`;
      return [
        points.replaceAll('-fe0f', ''),
        `<svg xmlns="http://www.w3.org/2000/svg" ${box}>${inside(body, Math.max(w, h))}</svg>`,
      ];
    }),
  );
}

const render = (/** @type {string} */ svg) => new Resvg(svg, { font: { loadSystemFonts: false } }).render();

/** Red, green and blue of 16 × 16 means on white, from 0 to 1. @param {string} svg */
function numbersOf(svg) {
  const { pixels, width, height } = render(svg);
  const step = drawn / compared;
  const numbers = new Float32Array(3 * compared ** 2).fill(1);
  for (let y = 0; y < height; ++y)
    for (let x = 0; x < width; ++x) {
      const at = 4 * (y * width + x);
      const to = 3 * (Math.floor(y / step) * compared + Math.floor(x / step));
      // The pixels' colors have been multiplied by their opacity.
      for (let c = 0; c < 3; ++c) numbers[to + c] += (pixels[at + c] - pixels[at + 3]) / 255 / step ** 2;
    }
  return numbers;
}

/** Rows without the mean of all of them. @param {Float32Array[]} all */
function centered(all) {
  const dim = all[0].length;
  const mean = new Float64Array(dim);
  for (const row of all) for (let j = 0; j < dim; ++j) mean[j] += row[j] / all.length;
  const flat = new Float32Array(all.length * dim);
  for (const [i, row] of all.entries()) flat.set(row.map((x, j) => x - mean[j]), i * dim); // biome-ignore format: one line
  return flat;
}

/**
 * Emoji that two houses draw, each as a row of numbers. Of those that a house draws alike, the first remains.
 *
 * @param {House} from @param {House} to @param {number} most evenly among all
 */
export function emojiOf(from, to, most) {
  const both = [from, to].map(drawings);
  const shared = [...both[0].keys()].filter((points) => both[1].has(points));
  const step = Math.max(1, shared.length / most);
  const chosen = shared.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
  const own = both.map((house) => chosen.map((points) => numbersOf(/** @type {string} */ (house.get(points)))));
  const seen = own.map(() => new Set());
  const kept = [...chosen.keys()].filter((i) => {
    const texts = own.map((all) => String(all[i]));
    const isNew = texts.every((text, house) => !seen[house].has(text));
    for (const [house, text] of texts.entries()) seen[house].add(text);
    return isNew;
  });
  const [queries, rows] = own.map((all) => centered(kept.map((i) => all[i])));
  return { signs: kept.map((i) => chosen[i]), queries, rows, dim: 3 * compared ** 2 };
}

/** Draws emoji of a house, in its own pixels. @param {House} house @returns {(sign: string) => ReturnType<typeof render>} */
export function drawerOf(house) {
  const own = drawings(house);
  return (sign) => render(/** @type {string} */ (own.get(sign)));
}
