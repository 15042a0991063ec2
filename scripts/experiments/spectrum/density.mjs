// The eigenvalues of a large matrix, by stochastic Lanczos quadrature: of each random vector, Ritz values and their weights.
import { ops, Tensor } from 'orthokit';
import { lanczos } from 'orthokit/solvers';

/**
 * @param {import('orthokit/solvers').LinearOperator} operator
 * @param {{ probes: number, steps: number, seed: number }} options
 * @returns {Promise<{ largest: number, trace: number, values: [number, number][] }>} values with how many there are of each, by estimate
 */
export async function spectrum(operator, { probes, steps, seed }) {
  const { device, dtype, shape } = operator;
  const [n] = shape;
  const v0 = new Tensor(device, [n], dtype);
  /** @type {[number, number][]} */
  const values = [];
  for (let probe = 0; probe < probes; ++probe) {
    ops.random(device, { x: [v0], seed, stream: probe, distribution: 'rademacher' });
    const { ritz, weights } = await lanczos(operator, { steps, v0 });
    for (const [i, value] of ritz.entries()) values.push([value, (weights[i] * n) / probes]);
  }
  v0.dispose();
  const trace = values.reduce((sum, [value, count]) => sum + value * count, 0);
  return { largest: Math.max(...values.map(([value]) => value)), trace, values };
}

/** The estimated number of eigenvalues above a number. @param {readonly [number, number][]} values @param {number} than */
export const above = (values, than) => values.reduce((sum, [value, count]) => sum + (value > than ? count : 0), 0);
