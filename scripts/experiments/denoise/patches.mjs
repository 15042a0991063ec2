// Pictures as overlapping patches without their means, and a proximal operator of patches as one of pictures.
import { Tensor } from 'orthokit';

/** @typedef {import('../photographs.mjs').Picture} Picture */

export const side = 8;
export const dim = side * side;
/** The distance from one patch to the next. */
const stride = 2;

/** Corners along an axis; patches go on at the other end. @param {number} length */
const corners = (length) => Array.from({ length: Math.ceil(length / stride) }, (_, i) => i * stride);

/** The patch at a place, less its mean; the mean. @param {ArrayLike<number>} values @param {number} columns @param {number} place @param {Float32Array} out */
export function cut(values, columns, place, out) {
  let mean = 0;
  for (let at = 0; at < dim; ++at) {
    out[at] = values[place + Math.floor(at / side) * columns + (at % side)];
    mean += out[at] / dim;
  }
  for (let at = 0; at < dim; ++at) out[at] -= mean;
  return mean;
}

/**
 * The mean of what an operator makes of all patches. If that is the gradient of a convex function of a patch, this is one of such a
 * function of the picture: a proximal operator, too.
 *
 * @param {import('orthokit').Device} device
 * @param {(patches: Tensor) => Tensor} prox of f32 `[patches, dim]`
 * @param {{ rows: number, columns: number }} shape
 */
export function ofPatches(device, prox, { rows, columns }) {
  /** The places of each patch's numbers in the picture. */
  const places = corners(rows).flatMap((top) =>
    corners(columns).map((left) =>
      Int32Array.from({ length: dim }, (_, at) => {
        const [i, j] = [top + Math.floor(at / side), left + (at % side)];
        return (i % rows) * columns + (j % columns);
      }),
    ),
  );
  const covered = new Float64Array(rows * columns);
  for (const place of places) for (const at of place) covered[at] += 1;
  // A pixel would count more where patches meet more often: all have the weight of the most frequent one, and what lacks stays as it is.
  const most = Math.max(...covered);
  return async (/** @type {ArrayLike<number>} */ values) => {
    const patches = new Float32Array(places.length * dim);
    const means = places.map((place, i) => {
      const own = Float64Array.from(place, (at) => values[at]);
      return cut(own, side, 0, patches.subarray(i * dim, (i + 1) * dim));
    });
    const input = Tensor.from(device, patches, [places.length, dim]);
    const output = prox(input);
    const found = await output.read();
    for (const tensor of [input, output]) tensor.dispose();
    const out = Float64Array.from(covered, (count, at) => ((most - count) / most) * values[at]);
    for (const [i, place] of places.entries()) {
      const own = found.subarray(i * dim, (i + 1) * dim);
      const mean = own.reduce((sum, x) => sum + x / dim, 0);
      for (const [k, at] of place.entries()) out[at] += (own[k] - mean + means[i]) / most;
    }
    return out;
  };
}
