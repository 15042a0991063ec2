// So many calls of the oracle, spent by surrogates with more and fewer inner steps, by gradient steps, Adam and L-BFGS.
import { AdamW, Device, SGD, Tensor } from 'orthokit';
import { TargetSurrogate } from 'orthokit/curvature';
import { lbfgs } from 'orthokit/solvers';
import { problemOf } from './problem.mjs';

/** @typedef {import('./problem.mjs').Network} Network */
/** @typedef {'surrogate 1' | 'surrogate 5' | 'surrogate 20' | 'gradient' | 'adam' | 'lbfgs'} Way */

export const networks = /** @type {const} */ (['linear', 'mlp']);
export const sizes = { full: { count: 200, hidden: 24, calls: 30 }, quick: { count: 30, hidden: 6, calls: 6 } };
/** Sizes that are tried of each way: of surrogates multiples of the step that is safe, of the others rates. @type {Record<Way, readonly number[]>} */
export const tried = {
  'surrogate 1': [1, 8, 64],
  'surrogate 5': [1, 8, 64],
  'surrogate 20': [1, 8, 64],
  gradient: [0.3, 1, 3],
  adam: [0.03, 0.1, 0.3],
  lbfgs: [1],
};
export const ways = /** @type {readonly Way[]} */ (Object.keys(tried));

/** @param {{ size: 'full' | 'quick', network: Network, seed: number }} settings */
export async function run({ size, network, seed }) {
  const own = sizes[size];
  /** @type {{ way: Way, value: number, losses: number[] }[]} */
  const runs = [];
  // The others have a rate in the middle.
  for (const way of ways)
    for (const value of size === 'full'
      ? tried[way]
      : [tried[way][way.startsWith('surrogate') || way === 'lbfgs' ? 0 : 1]]) {
      const device = Device.open('cpu');
      const problem = problemOf(device, network, own, seed);
      await spend(device, problem, way, value, own);
      runs.push({ way, value, losses: problem.told.slice(0, own.calls) });
      await device.close();
    }
  return { runs };
}

/** @param {Device} device @param {ReturnType<typeof problemOf>} problem @param {Way} way @param {number} value @param {typeof sizes['full']} size */
async function spend(device, problem, way, value, { count, calls }) {
  const { params, model, oracle } = problem;
  if (way.startsWith('surrogate')) {
    // The mean cross entropy of so many samples is 1 / (2 · count)-smooth in z.
    const surrogate = new TargetSurrogate({ targetStep: 2 * count * value, inner: Number(way.slice(10)) });
    while (problem.calls() < calls) await surrogate.step(model, oracle);
    return;
  }
  const shape = model.targets;
  const [z, u] = [Tensor.zeros(device, shape, { dtype: 'f64' }), Tensor.zeros(device, shape, { dtype: 'f64' })];
  const gradient = async (/** @type {readonly Tensor[]} */ grads) => {
    model.forward(z);
    const loss = await oracle(z, u);
    model.vjp(u, grads);
    return loss;
  };
  if (way === 'lbfgs') {
    await lbfgs(
      {
        params,
        async value(out) {
          model.forward(z);
          out.write(Float64Array.of(await oracle(z, u)));
        },
        async gradient(grads, out) {
          const loss = await gradient(grads);
          out?.write(Float64Array.of(loss));
        },
      },
      { tol: 0, maxIterations: calls },
    );
    return;
  }
  const optimizer = way === 'adam' ? new AdamW(params, { lr: value, weightDecay: 0 }) : new SGD(params, { lr: value });
  const grads = params.map((parameter) => Tensor.zeros(device, parameter.shape, { dtype: 'f64' }));
  for (let call = 0; call < calls; ++call) {
    const loss = await gradient(grads);
    if (!(loss < 1e6)) return;
    optimizer.step(new Map(params.map((parameter, i) => [parameter, grads[i]])));
    await device.synchronize();
  }
}
