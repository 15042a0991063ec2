// One regression by gnsMinimize and by lbfgs, with what each has asked of the oracle.
import { Device, Tensor } from 'orthokit';
import { gnsMinimize, softmaxRegression } from 'orthokit/curvature';
import { lbfgs } from 'orthokit/solvers';
import { problemOf } from './problems.mjs';

/** @typedef {import('./problems.mjs').Data} Data */

export const data = /** @type {const} */ (['digits', 'words']);
/** Weights of the penalty: with the smaller one curvatures are further apart. */
export const penalties = [1e-3, 1e-5];
export const tolerance = 1e-6;
export const seeds = [1, 2, 3];

/** @param {{ size: 'full' | 'quick', data: Data, l2: number, seed: number }} settings */
export async function run({ size, data: name, l2, seed }) {
  const { x, labels, count, width, classes } = problemOf(name, size, seed);
  const device = Device.open('cpu');
  const [inputs, targets] = [Tensor.from(device, x, [count, width]), Tensor.from(device, labels, [count])];
  const solve = async (/** @type {'gns' | 'lbfgs'} */ method) => {
    const weights = Tensor.zeros(device, [classes, width], { dtype: 'f64' });
    const oracle = softmaxRegression(inputs, targets, { l2, params: [weights] });
    const asked = { gradients: 0, products: 0 };
    /** @type {typeof oracle} */
    const counted = {
      ...oracle,
      gradient(grads, value, sample) {
        asked.gradients += 1;
        return oracle.gradient(grads, value, sample);
      },
      gaussNewtonProduct(v, out, sample) {
        asked.products += 1;
        return /** @type {any} */ (oracle).gaussNewtonProduct(v, out, sample);
      },
    };
    const end =
      method === 'gns'
        ? await gnsMinimize(counted, { gradTol: tolerance, maxIterations: 500 })
        : await lbfgs(counted, { tol: tolerance, maxIterations: 5000 });
    return { ...asked, status: end.status, value: end.value, gradNorm: end.gradNorm, iterations: end.iterations };
  };
  const [gns, quasi] = [await solve('gns'), await solve('lbfgs')];
  await device.close();
  return { gns, lbfgs: quasi };
}
