// Real digits put in ten clusters without any label, by K-means and by the ways that a graph of neighbours adds.
import { Tensor } from 'orthokit';
import { laplacianKModes } from 'orthokit/data';
import { classes, pixels, smallDigits } from '../guidance/digits.mjs';
import { uniform } from '../uniform.mjs';

/** @import { Device } from 'orthokit' */

/** λ and σ are those of the function: without labels there is nothing to choose them by. */
export const clusterings = {
  'K-means': /** @type {const} */ ({ mode: 'means', lambda: 0 }),
  'K-means with the graph': /** @type {const} */ ({ mode: 'means' }),
  'Laplacian K-modes': /** @type {const} */ ({ mode: 'modes' }),
};
/** Digits, and first rows of which the clustering with the least energy counts. */
export const clustered = { full: { digits: 1000, starts: 5 }, quick: { digits: 100, starts: 2 } };

/** The largest share of rows whose cluster is their class, of all ways to give each cluster another class. @param {Int32Array} found @param {ArrayLike<number>} labels */
export function matched(found, labels) {
  const both = new Float64Array(classes * classes);
  for (const [i, cluster] of found.entries()) both[cluster * classes + labels[i]] += 1;
  // The most rows of the first clusters by the set of classes that these have.
  const most = new Float64Array(2 ** classes);
  for (let set = 1; set < most.length; ++set) {
    let clusters = -1;
    for (let c = 0; c < classes; ++c) clusters += (set >> c) & 1;
    for (let c = 0; c < classes; ++c)
      if ((set >> c) & 1) most[set] = Math.max(most[set], most[set - (1 << c)] + both[clusters * classes + c]);
  }
  return most[most.length - 1] / found.length;
}

/** @param {Device} device @param {'full' | 'quick'} size @param {number} seed */
export async function clusterDigits(device, size, seed) {
  const { digits, starts } = clustered[size];
  const { images, labels } = smallDigits().test;
  const random = uniform(60 + seed);
  const left = [...labels.keys()];
  const chosen = Array.from({ length: digits }, () => left.splice(Math.floor(random() * left.length), 1)[0]);
  const rows = new Float32Array(digits * pixels);
  for (const [i, at] of chosen.entries()) rows.set(images.subarray(at * pixels, (at + 1) * pixels), i * pixels);
  // From 0, paper: the length of a row is its ink.
  const x = Tensor.from(device, rows.map((value) => (value + 1) / 2), [digits, pixels]); // biome-ignore format: one line
  const own = chosen.map((at) => labels[at]);
  const found = [];
  for (const [way, options] of Object.entries(clusterings)) {
    let [least, right] = [Infinity, 0];
    for (let start = 0; start < starts; ++start) {
      const made = await laplacianKModes(x, classes, { ...options, normalize: 'l2n', seed: 100 * seed + start });
      const energy = /** @type {number} */ (made.energy.at(-1));
      if (energy < least) [least, right] = [energy, matched(made.labels, own)];
      for (const tensor of [made.probabilities, made.prototypes]) tensor.dispose();
    }
    found.push({ way, right });
  }
  x.dispose();
  return found;
}
