// Atoms that are learnt from patches of two photographs, and how sparse they make those of a third one.
import { Device, OnlineOrthogonalDictionary, Tensor } from 'orthokit';
import { eigh } from 'orthokit/linalg';
import { mean } from '../parts.mjs';
import { uniform } from '../uniform.mjs';
import { cosines, dim, patchesOf, sparsity } from './patches.mjs';

/** @typedef {import('../photographs.mjs').Photograph} Photograph */
/** @typedef {ReturnType<typeof sparsity>} Sparsity */

/** @type {readonly Photograph[]} */
export const names = ['alps', 'airplane', 'boats'];
/** `learn` and `ask` are patches of each photograph. */
export const sizes = {
  full: { width: 512, learn: 20_000, ask: 5000, updates: 4000, batch: 512 },
  quick: { width: 128, learn: 500, ask: 200, updates: 60, batch: 64 },
};
/** Updates that are queued before their numbers are waited for. */
const together = 50;

/** @param {{ size: keyof typeof sizes, kept: Photograph, seed: number }} settings `kept`: the photograph that nothing is learnt from */
export async function run({ size, kept, seed }) {
  const { width, learn, ask, updates, batch } = sizes[size];
  const others = names.filter((name) => name !== kept);
  const known = patchesOf(others, { width, count: learn, seed });
  const device = Device.open('cpu');
  const { atoms, gaps } = await learnt(device, known, { updates, batch, seed });
  const bases = { cosines: cosines(), components: await components(device, known), atoms };
  await device.close();
  const of = (/** @type {Float32Array} */ patches) =>
    Object.fromEntries(Object.entries(bases).map(([name, basis]) => [name, sparsity(basis, patches)]));
  return {
    gaps,
    unseen: of(patchesOf([kept], { width, count: ask, seed: seed + 1000 })),
    seen: of(patchesOf(others, { width, count: ask, seed: seed + 2000 })),
    ...(seed === 1 && kept === 'boats' && { shown: shownOf(atoms, known) }),
  };
}

/** @param {Device} device @param {Float32Array} patches @param {{ updates: number, batch: number, seed: number }} options */
async function learnt(device, patches, { updates, batch, seed }) {
  const random = uniform(seed + 500);
  const dictionary = new OnlineOrthogonalDictionary(device, dim, { seed });
  const rows = patches.length / dim;
  const own = new Float32Array(batch * dim);
  /** @type {number[]} */
  const gaps = [];
  for (let from = 0; from < updates; from += together) {
    const made = Array.from({ length: Math.min(together, updates - from) }, () => {
      for (let i = 0; i < batch; ++i) {
        const row = Math.floor(random() * rows);
        own.set(patches.subarray(row * dim, (row + 1) * dim), i * dim);
      }
      const y = Tensor.from(device, own, [batch, dim]);
      const update = dictionary.update(y);
      y.dispose();
      return update;
    });
    for (const { gap } of await Promise.all(made)) gaps.push(gap);
  }
  const atoms = await dictionary.atoms();
  return { atoms: await atoms.read(), gaps: [mean(gaps.slice(0, together)), mean(gaps.slice(-together))] };
}

/** Directions in which patches vary, the most first. @param {Device} device @param {Float32Array} patches */
async function components(device, patches) {
  const covariance = new Float64Array(dim * dim);
  for (let at = 0; at < patches.length; at += dim)
    for (let i = 0; i < dim; ++i) {
      const x = patches[at + i];
      for (let j = 0; j < dim; ++j) covariance[i * dim + j] += x * patches[at + j];
    }
  const { vectors } = await eigh(Tensor.from(device, covariance, [dim, dim]));
  const columns = await vectors.read();
  return Float64Array.from(
    { length: dim * dim },
    (_, at) => columns[(at % dim) * dim + dim - 1 - Math.floor(at / dim)],
  );
}

/** Atoms as whole numbers, those first that carry the most energy of patches. @param {ArrayLike<number>} atoms @param {Float32Array} patches */
export function shownOf(atoms, patches) {
  const energies = Array.from({ length: dim }, (_, k) => {
    let energy = 0;
    for (let at = 0; at < patches.length; at += 4 * dim) {
      let product = 0;
      for (let i = 0; i < dim; ++i) product += atoms[k * dim + i] * patches[at + i];
      energy += product * product;
    }
    return { k, energy };
  });
  return energies
    .sort((a, b) => b.energy - a.energy)
    .map(({ k }) => {
      const atom = Array.from({ length: dim }, (_, i) => atoms[k * dim + i]);
      const most = Math.max(...atom.map(Math.abs));
      return atom.map((x) => Math.round((127 * x) / most));
    });
}
