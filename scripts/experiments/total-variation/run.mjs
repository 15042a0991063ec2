// Weights of total variation by MAID, whose accuracies adapt, and with accuracies that stay.
import { Device, Tensor } from 'orthokit';
import { Maid } from 'orthokit/bilevel';
import { cleanOf, noisy, side } from './picture.mjs';
import { bounds, lipschitzOf, mostWeight, problemOf, tiles } from './problem.mjs';

/** @typedef {'certified' | 'estimated' | 'fixed'} Way */
/** @typedef {{ revision: number, size: 'full' | 'quick', way: Way, eps: number, seed: number }} Settings `eps`: the first accuracy, or that which stays */

export const deviation = 0.1;
export const sizes = { full: { maxLower: 8000, most: 200 }, quick: { maxLower: 150, most: 3 } };
/** Ways and accuracies. @type {Record<Way, number[]>} */
export const tried = { certified: [1, 1e-2], estimated: [1, 1e-2], fixed: [1, 1e-1, 1e-2, 1e-4] };
const first = -3;

/** @param {Settings} settings */
export async function run({ size, way, eps, seed }) {
  const device = Device.open('cpu', { threads: 1 });
  const noise = noisy(seed, deviation);
  const problem = problemOf(device, noise, cleanOf(seed));
  const { maxLower, most } = sizes[size];
  const shared = { mu: 1, lipschitz: lipschitzOf, step0: 0.5, gradTol: 1e-2 };
  const given = { ...(way === 'certified' && { bounds }), fixedAccuracy: way === 'fixed', eps0: eps, delta0: eps };
  const maid = new Maid(problem, { ...shared, ...given, maxLower, maxCg: maxLower, maxIterations: most });
  const theta = Tensor.full(device, [tiles, tiles], first, { dtype: 'f64' });
  const x0 = Tensor.from(device, noise, [side, side]);
  const { status, certified, iterations, lowerCalls, cgCalls, history, gradNorm } = await maid.run(theta, x0);
  // The truth at the end: by accuracies that leave nothing open.
  const sharp = size === 'full' ? 1e-7 : 1e-3;
  const exact = new Maid(problem, {
    ...shared,
    bounds,
    fixedAccuracy: true,
    eps0: sharp,
    delta0: sharp,
    maxIterations: 1,
  });
  const weights = Array.from(await theta.read(), Math.exp);
  const truth = await exact.run(Tensor.from(device, Float64Array.from(weights, Math.log), [tiles, tiles]), x0);
  const [{ value, gradNorm: length }] = truth.history;
  await device.close();
  return {
    ...{ status, certified, iterations, lowerCalls, cgCalls, weights, value, length, gradNorm },
    error: history.at(-1)?.error ?? 0,
    last: history.at(-1)?.gradNorm ?? 0,
    isWithin: Math.max(...weights) <= mostWeight,
    falls: history.every((one, i) => i === 0 || one.value <= history[i - 1].value),
    curve: history.map((one) => [one.lowerCalls, one.value]),
  };
}
