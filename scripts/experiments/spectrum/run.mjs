// Networks that learn by SGD at a rate of a grid or of Lanczos, and the spectra of their Gauss–Newton matrices on the way.
import { Device, SGD } from 'orthokit';
import { flat, LanczosLrLearner } from 'orthokit/curvature';
import { spectrum } from './density.mjs';
import { edge } from './edge.mjs';
import { networkOf } from './networks.mjs';

/** @typedef {import('./networks.mjs').Network} Network */
/** @typedef {{ revision: number, size: 'full' | 'quick', seed: number }} Common */
/** @typedef {Common & { part: 'edge', rate: number, batch: 0 | 1 | 8 }} Edge */
/** @typedef {Common & { part: 'train', network: Network, rate: number | null, safety: number | null }} Train a rate, or one by Lanczos with this safety */

export const networks = /** @type {const} */ (['mlp', 'cnn', 'gpt']);
export const grid = [0.05, 0.1, 0.2, 0.5, 1];
/** Shares of 2 over the largest eigenvalue of a batch. */
export const safeties = [0.5, 1];
export const sizes = {
  full: { steps: 200, every: 25, lanczos: 12, spectra: [0, 20, 200], probes: 3, depth: 32 },
  quick: { steps: 10, every: 5, lanczos: 4, spectra: [0, 10], probes: 2, depth: 6 },
};

/** @param {Edge | Train} settings */
export const run = (settings) => (settings.part === 'edge' ? edge(settings) : train(settings));

/** @param {Train} settings */
async function train({ size, network, rate, safety, seed }) {
  const { steps, every, lanczos, spectra, probes, depth } = sizes[size];
  const device = Device.open('cpu');
  const net = networkOf(device, network, size, seed);
  const [batch, samples] = [net.oracleOfBatch(), net.oracle()];
  const learner = safety ? new LanczosLrLearner({ mode: 'sgd', steps: lanczos, every, safety, seed }) : undefined;
  const optimizer = new SGD(net.params, { lr: rate ?? 1e-3 });
  const [losses, found, rates] = [
    /** @type {number[]} */ ([]),
    /** @type {object[]} */ ([]),
    /** @type {number[]} */ ([]),
  ];
  for (let step = 0; step <= steps; ++step) {
    if (safety === safeties[0] && spectra.includes(step))
      found.push({ step, ...(await spectrum(flat(samples, 'gauss-newton'), { probes, steps: depth, seed })) });
    if (step === steps) break;
    const learned = await learner?.observe(step, flat(batch, 'gauss-newton'));
    if (learned) {
      optimizer.groups[0].lr = learned.lr;
      rates.push(learned.lr);
    }
    const loss = await net.step(optimizer);
    losses.push(loss);
    // Beyond this nothing comes back.
    if (!(loss < 100)) break;
  }
  const test = losses.length === steps ? await net.test() : Infinity;
  const parameters = net.params.reduce((sum, parameter) => sum + parameter.size, 0);
  await device.close();
  return { test: Number.isFinite(test) ? test : null, rates, spectra: found, parameters };
}
