// A CNN that has learnt digits, pruned in four ways, without training it again.
import { Device, Tensor } from 'orthokit';
import { MFacStatic, obsPrune } from 'orthokit/curvature';
import { trained } from './network.mjs';

export const shares = [0.5, 0.75, 0.9];
export const ways = /** @type {const} */ (['mfac', 'mfac, one round', 'magnitude', 'random']);
/** @typedef {typeof ways[number]} Way */
export const sizes = {
  full: {
    train: 4000,
    test: 2000,
    channels: /** @type {const} */ ([8, 16]),
    steps: 300,
    batch: 64,
    gradients: 128,
    rounds: 10,
  },
  quick: {
    train: 200,
    test: 100,
    channels: /** @type {const} */ ([2, 3]),
    steps: 30,
    batch: 32,
    gradients: 24,
    rounds: 2,
  },
};
export const damp = 1e-5;

/** @param {{ size: 'full' | 'quick', seed: number }} settings */
export async function run({ size, seed }) {
  const own = sizes[size];
  const device = Device.open('cpu');
  const network = await trained(device, own, seed);
  const weights = await network.read();
  const before = await network.test();
  /** @type {{ way: Way, share: number, right: number }[]} */
  const pruned = [];
  for (const way of ways)
    for (const share of shares) {
      network.write(weights);
      await prune(device, network, way, Math.round(share * network.dim), own, seed);
      const zeros = (await network.read()).filter((x) => x === 0).length;
      if (zeros < Math.round(share * network.dim)) throw new Error(`${way} has left too many weights`);
      pruned.push({ way, share, right: await network.test() });
    }
  await device.close();
  return { dim: network.dim, before, pruned };
}

/**
 * @param {Device} device @param {Awaited<ReturnType<typeof trained>>} network @param {Way} way @param {number} drop
 * @param {{ gradients: number, rounds: number }} size @param {number} seed
 */
async function prune(device, network, way, drop, { gradients, rounds }, seed) {
  if (way === 'magnitude' || way === 'random') {
    const weights = await network.read();
    const random = way === 'random' ? await Tensor.randn(device, [network.dim], { seed }).read() : weights;
    const order = Uint32Array.from(weights.keys()).sort((a, b) => Math.abs(random[a]) - Math.abs(random[b]));
    for (const place of order.subarray(0, drop)) weights[place] = 0;
    network.write(weights);
    return;
  }
  const times = way === 'mfac' ? rounds : 1;
  for (let round = 1; round <= times; ++round) {
    const rows = await network.gradients(gradients);
    const w = Tensor.from(device, await network.read(), [network.dim]);
    const fixed = await MFacStatic.fromGradients(rows, { damp });
    const { weights } = await obsPrune(w, fixed, { drop: Math.round((round / times) * drop) });
    network.write(await weights.read());
    fixed.dispose();
    for (const tensor of [rows, w, weights]) tensor.dispose();
  }
}
