// Tasks as they were asked about: the example of each letter, and its queries by what each way has said.
import { savePicture } from '../parts.mjs';
import { side } from './glyphs.mjs';
import { classes, queries, shown } from './run.mjs';

/** Ways side by side, and pixels of a cell: pictures twice as large, and a frame. */
const compared = ['nearest prototype', 'K-means'];
const [zoom, frame, gap] = [1, 2, 12];
const cell = zoom * side + 2 * frame;
const [white, blue, green, orange] = [
  [255, 255, 255],
  [0, 114, 178],
  [0, 158, 115],
  [213, 94, 0],
];

/** @param {any} run @param {string} folder @returns {string[]} the file */
export function drawTasks({ size, seed, found }, folder) {
  const count = 3;
  const { support, query } = shown(size, seed, count);
  const wide = (queries + 1) * cell;
  const [width, height] = [compared.length * wide + (compared.length + 1) * gap, count * (classes * cell + gap) + gap];
  const pixels = new Uint8Array(4 * width * height).fill(255);
  const set = (/** @type {number} */ x, /** @type {number} */ y, /** @type {readonly number[]} */ colour) => pixels.set(colour, 4 * (y * width + x)); // biome-ignore format: one line
  const draw = (
    /** @type {Float32Array} */ from,
    /** @type {number} */ at,
    /** @type {number} */ left,
    /** @type {number} */ top,
    /** @type {readonly number[]} */ colour,
  ) => {
    for (let y = 0; y < cell; ++y)
      for (let x = 0; x < cell; ++x) {
        const [row, column] = [Math.floor((y - frame) / zoom), Math.floor((x - frame) / zoom)];
        const isInside = row >= 0 && row < side && column >= 0 && column < side;
        const ink = isInside ? Math.min(1, Math.max(0, from[at + row * side + column])) : 0;
        set(left + x, top + y, isInside ? white.map((c) => Math.round(c * (1 - ink))) : colour);
      }
  };
  for (const [w, way] of compared.entries()) {
    const { labels } = found.find((/** @type {any} */ one) => one.way === way);
    for (let t = 0; t < count; ++t)
      for (let c = 0; c < classes; ++c) {
        const [left, top] = [gap + w * (wide + gap), gap + t * (classes * cell + gap) + c * cell];
        draw(support, (t * classes + c) * side * side, left, top, blue);
        for (let q = 0; q < queries; ++q) {
          const i = (t * classes + c) * queries + q;
          draw(query, i * side * side, left + (q + 1) * cell, top, labels[i] === c ? green : orange);
        }
      }
  }
  return savePicture({ width, height, pixels }, folder, 'experiment-few-shot');
}
