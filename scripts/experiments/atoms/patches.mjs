// Patches of photographs, and how much of them a few coefficients of a basis leave.
import { photograph } from '../photographs.mjs';
import { uniform } from '../uniform.mjs';

/** Pixels along a side of a patch, and in it. */
export const side = 8;
export const dim = side * side;
/** The number of the largest coefficients that are kept. */
export const counts = [1, 2, 4, 8, 16];
/** The share of a patch's energy with which it counts as told. */
export const told = 0.99;

/** @typedef {import('../photographs.mjs').Photograph} Photograph */

/**
 * Patches from anywhere in photographs, rows: brightness less the patch's own mean. Those that are flat are left out.
 *
 * @param {readonly Photograph[]} names @param {{ width: number, count: number, seed: number }} size of each photograph, so many
 */
export function patchesOf(names, { width, count, seed }) {
  const random = uniform(seed);
  const out = new Float32Array(names.length * count * dim);
  let row = 0;
  for (const name of names) {
    const { rows, columns, values } = photograph(name, width);
    for (let found = 0; found < count; ) {
      const top = Math.floor(random() * (rows - side + 1));
      const left = Math.floor(random() * (columns - side + 1));
      const patch = out.subarray(row * dim, (row + 1) * dim);
      for (let i = 0; i < side; ++i) {
        const from = (top + i) * columns + left;
        patch.set(values.subarray(from, from + side), i * side);
      }
      const mean = patch.reduce((sum, x) => sum + x / dim, 0);
      for (let i = 0; i < dim; ++i) patch[i] -= mean;
      if (Math.hypot(...patch) < flat) continue;
      row += 1;
      found += 1;
    }
  }
  return out;
}

/** Patches of a smaller norm are noise of the camera. */
export const flat = 0.2;

/** The cosines of JPEG: rows of an orthogonal matrix, by their frequencies down and across. */
export function cosines() {
  const out = new Float32Array(dim * dim);
  const factor = (/** @type {number} */ k) => Math.sqrt((k === 0 ? 1 : 2) / side);
  for (let u = 0; u < side; ++u)
    for (let v = 0; v < side; ++v)
      for (let i = 0; i < side; ++i)
        for (let j = 0; j < side; ++j)
          out[(u * side + v) * dim + i * side + j] =
            factor(u) *
            factor(v) *
            Math.cos(((i + 0.5) * u * Math.PI) / side) *
            Math.cos(((j + 0.5) * v * Math.PI) / side);
  return out;
}

/**
 * How sparse patches are by an orthogonal basis, rows: the share of all energy that is left by the largest coefficients of each
 * patch, so many, and how many each needs for most of its own.
 *
 * @param {ArrayLike<number>} basis @param {ArrayLike<number>} patches
 */
export function sparsity(basis, patches) {
  const rows = patches.length / dim;
  const left = counts.map(() => 0);
  const squares = new Float64Array(dim);
  let all = 0;
  let needed = 0;
  for (let row = 0; row < rows; ++row) {
    let energy = 0;
    for (let i = 0; i < dim; ++i) energy += patches[row * dim + i] ** 2;
    for (let k = 0; k < dim; ++k) {
      let product = 0;
      for (let i = 0; i < dim; ++i) product += basis[k * dim + i] * patches[row * dim + i];
      squares[k] = product * product;
    }
    squares.sort();
    let rest = energy;
    let isTold = false;
    for (let k = 0; k < dim; ++k) {
      rest -= squares[dim - 1 - k];
      const place = counts.indexOf(k + 1);
      if (place >= 0) left[place] += rest;
      if (!isTold && rest <= (1 - told) * energy) {
        needed += (k + 1) / rows;
        isTold = true;
      }
    }
    all += energy;
  }
  return { left: left.map((x) => x / all), needed };
}
