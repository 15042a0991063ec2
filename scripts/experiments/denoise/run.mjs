// A proximal operator learnt from patches of two photographs, against total variation on a third one: noise alone, and blur with noise.
import { Device, Tensor } from 'orthokit';
import { LearnedProximal, pnpAdmm } from 'orthokit/constrained';
import * as nn from 'orthokit/nn';
import { crop, photograph } from '../photographs.mjs';
import { cut, dim, ofPatches, side } from './patches.mjs';
import { totalVariation } from './total-variation.mjs';

/** @typedef {import('../photographs.mjs').Picture} Picture */

export const sizes = {
  full: { width: 400, side: 64, hidden: 128, layers: 2, steps: 2800, batch: 128, iterations: 12 },
  quick: { width: 200, side: 20, hidden: 24, layers: 1, steps: 300, batch: 32, iterations: 2 },
};
/** Deviations of noise: of the pictures without blur, which is that of the patches that are learnt from, and of the blurred ones. */
export const noise = { plain: 0.1, blurred: 0.02 };
/** The number β of the network's softplus: patches are of numbers of a tenth. */
export const beta = 50;
/** The width of the blur, in pixels. */
export const blurWidth = 1.2;
/** Values that are tried on the pictures that are learnt from; the best there is taken. */
export const tried = {
  weights: [0.035, 0.05, 0.07, 0.1],
  blurredWeights: [0.001, 0.002, 0.004],
  rhos: [0.03, 0.06, 0.12],
};

/** @param {ArrayLike<number>} x @param {ArrayLike<number>} y decibels, of brightness from 0 to 1 */
export function psnr(x, y) {
  const square = Array.from(x, (value, i) => (value - y[i]) ** 2).reduce((sum, value) => sum + value / x.length, 0);
  return -10 * Math.log10(square);
}

/** Gaussian blur around the edges; symmetric. @param {ArrayLike<number>} x @param {{ rows: number, columns: number }} shape */
export function blurred(x, { rows, columns }) {
  const reach = 3;
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * blurWidth ** 2)));
  const sum = kernel.reduce((total, value) => total + value, 0);
  const along = (
    /** @type {ArrayLike<number>} */ from,
    /** @type {(i: number, j: number, by: number) => number} */ at,
  ) =>
    Float64Array.from({ length: rows * columns }, (_, p) => {
      const [i, j] = [Math.floor(p / columns), p % columns];
      return kernel.reduce((total, weight, k) => total + (weight / sum) * from[at(i, j, k - reach)], 0);
    });
  const wide = along(x, (i, j, by) => i * columns + ((j + by + columns) % columns));
  return along(wide, (i, j, by) => ((i + by + rows) % rows) * columns + j);
}

/** @param {{ size: 'full' | 'quick', seed: number }} settings */
export async function run({ size, seed }) {
  const own = sizes[size];
  const device = Device.open('cpu');
  const [alps, airplane, boats] = /** @type {const} */ (['alps', 'airplane', 'boats']).map((name) =>
    photograph(name, own.width),
  );
  const square = (/** @type {Picture} */ picture, /** @type {number} */ which) => {
    const place = (/** @type {number} */ length, /** @type {number} */ share) =>
      Math.floor((length - own.side) * share);
    const shares = [
      [0.75, 0.45],
      [0.55, 0.5],
      [0.85, 0.1],
    ][(which - 1) % 3];
    return crop(picture, {
      row: place(picture.rows, shares[0]),
      column: place(picture.columns, shares[1]),
      rows: own.side,
      columns: own.side,
    });
  };
  const random = async (/** @type {number} */ count, /** @type {number} */ stream) =>
    Float64Array.from(await Tensor.randn(device, [count], { seed: 1000 * seed + stream }).read());

  const lpn = await trained(device, [alps, airplane], own, seed);
  const shape = { rows: own.side, columns: own.side };
  const count = own.side ** 2;
  const learnt = ofPatches(device, (patches) => lpn.prox(patches), shape);
  const operator = {
    ...{ device, dtype: /** @type {const} */ ('f64'), shape: /** @type {const} */ ([count, count]) },
    apply: async (/** @type {Tensor} */ x, /** @type {Tensor} */ out) => out.write(blurred(await x.read(), shape)),
    adjoint: async (/** @type {Tensor} */ x, /** @type {Tensor} */ out) => out.write(blurred(await x.read(), shape)),
  };
  /** @param {Float64Array} y @param {(x: ArrayLike<number>) => Float64Array | Promise<Float64Array>} prox @param {number} rho */
  const deblur = async (y, prox, rho) => {
    const end = await pnpAdmm(
      { operator, y: Tensor.from(device, y, [count]), prox: async (x, out) => out.write(await prox(await x.read())) },
      { rho, iterations: own.iterations, cgTol: 1e-4, tol: 1e-4 },
    );
    return Float64Array.from(await end.x.read());
  };

  /** @param {Picture} picture @param {number} stream */
  const scene = async (picture, stream) => {
    const [plain, other] = [await random(count, stream), await random(count, stream + 1)];
    const noisy = picture.values.map((value, i) => value + noise.plain * plain[i]);
    const soft = blurred(picture.values, shape).map((value, i) => value + noise.blurred * other[i]);
    return { clean: picture.values, noisy, blurred: soft };
  };
  const ways = {
    weights: (/** @type {any} */ { noisy }, /** @type {number} */ weight) => totalVariation(noisy, shape, weight),
    // The prior over ρ is what the proximal operator is of.
    blurredWeights: (/** @type {any} */ one, /** @type {number} */ weight) =>
      deblur(one.blurred, (x) => totalVariation(x, shape, weight / 0.05), 0.05),
    rhos: (/** @type {any} */ one, /** @type {number} */ rho) => deblur(one.blurred, learnt, rho),
  };
  const known = await scene(square(alps, seed), 1);
  /** @type {Record<string, number>} */
  const best = {};
  for (const [name, way] of Object.entries(ways)) {
    let most = -Infinity;
    const values = tried[/** @type {keyof typeof ways} */ (name)];
    for (const value of size === 'full' ? values : values.slice(1, 2)) {
      const found = psnr(await way(known, value), known.clean);
      if (found > most) [most, best[name]] = [found, value];
    }
  }
  const asked = await scene(square(boats, seed), 3);
  const pictures = {
    ...asked,
    denoised: await learnt(asked.noisy),
    denoisedByTv: ways.weights(asked, best.weights),
    deblurred: await ways.rhos(asked, best.rhos),
    deblurredByTv: await ways.blurredWeights(asked, best.blurredWeights),
  };
  const prior = await along(device, lpn, square(boats, seed), seed);
  const decibels = Object.fromEntries(
    Object.entries(pictures).map(([name, values]) => [name, psnr(values, asked.clean)]),
  );
  delete decibels.clean;
  await device.close();
  const shown =
    seed === 1
      ? {
          pictures: Object.fromEntries(
            Object.entries(pictures).map(([name, values]) => [name, Array.from(values, (x) => Math.round(255 * x))]),
          ),
        }
      : {};
  return { decibels, best, prior, ...shown };
}

/** @param {Device} device @param {readonly Picture[]} pictures @param {typeof sizes['full']} size @param {number} seed */
async function trained(device, pictures, { hidden, layers, steps, batch }, seed) {
  const lpn = new LearnedProximal(device, { dim, hidden, layers, seed, alpha: 0.01, beta });
  const places = pictures.flatMap((picture, which) =>
    Array.from({ length: (picture.rows - side) * (picture.columns - side) }, (_, i) => {
      const width = picture.columns - side;
      return { which, place: Math.floor(i / width) * picture.columns + (i % width) };
    }),
  );
  const order = nn.batches({ count: places.length, size: batch, seed })[Symbol.iterator]();
  const rate = nn.cosine({ peak: 4e-3, warmup: 20, steps });
  const random = await Tensor.randn(device, [1 << 18], { seed }).read();
  const clean = new Float32Array(batch * dim);
  const noisy = new Float32Array(batch * dim);
  for (let step = 0; step < steps; ++step) {
    const { index } = order.next().value;
    if (index.length < batch) continue;
    for (const [i, at] of index.entries()) {
      const { which, place } = places[at];
      cut(pictures[which].values, pictures[which].columns, place, clean.subarray(i * dim, (i + 1) * dim));
      const own = noisy.subarray(i * dim, (i + 1) * dim);
      // Another stretch of the random numbers for each patch of each step.
      const from = ((step * batch + i) * 7919) % (random.length - dim);
      const given = random.subarray(from, from + dim);
      const mean = given.reduce((sum, x) => sum + x / dim, 0);
      for (let k = 0; k < dim; ++k) own[k] = clean[i * dim + k] + noise.plain * (given[k] - mean);
    }
    const [x, y] = [Tensor.from(device, clean, [batch, dim]), Tensor.from(device, noisy, [batch, dim])];
    const loss = await lpn.trainStep(x, y, { loss: 'l2', lr: rate(step) });
    for (const tensor of [x, y, loss]) tensor.dispose();
  }
  return lpn;
}

/** The prior from a flat patch to ones of photographs and of noise, all of one length. @param {Device} device @param {LearnedProximal} lpn @param {Picture} picture @param {number} seed */
async function along(device, lpn, picture, seed) {
  const lengths = [0, 0.25, 0.5, 0.75, 1];
  const kinds = 8;
  const patch = new Float32Array(dim);
  /** @type {Float32Array[]} */
  const rows = [];
  for (let k = 0; rows.length < kinds && k < picture.values.length; k += 37) {
    if (k % picture.columns > picture.columns - side || Math.floor(k / picture.columns) > picture.rows - side) continue;
    cut(picture.values, picture.columns, k, patch);
    if (Math.hypot(...patch) > 0.5) rows.push(patch.slice());
  }
  const random = await Tensor.randn(device, [kinds * dim], { seed: seed + 77 }).read();
  const noisy = Array.from({ length: kinds }, (_, k) => {
    const own = random.subarray(k * dim, (k + 1) * dim);
    const mean = own.reduce((sum, x) => sum + x / dim, 0);
    return own.map((x) => x - mean);
  });
  const curves = [];
  for (const [kind, list] of /** @type {const} */ ([
    ['photograph', rows],
    ['noise', noisy],
  ])) {
    const points = list.flatMap((row) => {
      const length = Math.hypot(...row);
      return lengths.map((by) => Float32Array.from(row, (x) => (by * x) / length));
    });
    const x = Tensor.from(device, Float32Array.from(points.flatMap((point) => [...point])), [points.length, dim]);
    const { values, status } = await lpn.prior(x);
    // Above that of the flat patch.
    curves.push({
      kind,
      status,
      values: list.map((_, i) => lengths.map((_, k) => values[i * lengths.length + k] - values[i * lengths.length])),
    });
    x.dispose();
  }
  return { lengths, curves };
}
