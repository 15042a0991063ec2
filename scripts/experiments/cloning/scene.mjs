// The Alps, cut out as a square and put into the sky above boats: seamless cloning (Pérez, Gangnet and Blake 2003) keeps the slopes of
// what is cut out, and takes the values around it from where it goes.
import { crop, photograph } from '../photographs.mjs';

/** The place of the square of a size, as shares of a picture's width: its left, its top and its side. */
const places = { from: [0.1, 0.06, 0.32], to: [0.05, 0.03, 0.5] };

/**
 * @param {number} n pixels of a side of the square
 * @returns {{ target: import('../photographs.mjs').Picture, row: number, column: number, b: Float64Array, source: import('../photographs.mjs').Picture }} `b` of 4 x − the neighbours of x
 */
export function sceneOf(n) {
  const width = (/** @type {readonly number[]} */ [, , side]) => Math.round((n + 2) / side);
  const [alps, target] = [photograph('alps', width(places.from)), photograph('boats', width(places.to))];
  const start = (/** @type {readonly number[]} */ [left, top, side]) => ({
    row: Math.round((top / side) * n) + 1,
    column: Math.round((left / side) * n) + 1,
  });
  const at = start(places.from);
  // With a pixel more around it.
  const source = crop(alps, { row: at.row - 1, column: at.column - 1, rows: n + 2, columns: n + 2 });
  const { row, column } = start(places.to);
  const b = new Float64Array(n * n);
  for (let i = 0; i < n; ++i)
    for (let j = 0; j < n; ++j)
      for (const [down, right] of [
        [-1, 0],
        [1, 0],
        [0, -1],
        [0, 1],
      ]) {
        const [y, x] = [i + down, j + right];
        b[i * n + j] += source.values[(i + 1) * (n + 2) + j + 1] - source.values[(y + 1) * (n + 2) + x + 1];
        if (y < 0 || x < 0 || y >= n || x >= n) b[i * n + j] += target.values[(row + y) * target.columns + column + x];
      }
  return { target, row, column, b, source: crop(source, { row: 1, column: 1, rows: n, columns: n }) };
}

/** The target with a square of it replaced. @param {ReturnType<typeof sceneOf>} scene @param {ArrayLike<number>} square @param {number} n */
export function pasted({ target, row, column }, square, n) {
  const values = target.values.slice();
  for (let i = 0; i < n; ++i)
    for (let j = 0; j < n; ++j) values[(row + i) * target.columns + column + j] = square[i * n + j];
  return { ...target, values };
}
