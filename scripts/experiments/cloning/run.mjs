// Iterations of conjugate gradients and of learnt conjugate directions on the same picture in several sizes.
import { Device, Tensor } from 'orthokit';
import { cdmSolve, poissonOperator } from 'orthokit/constrained';
import { cg } from 'orthokit/solvers';
import { byHand, cycle, learn, start } from './cycle.mjs';
import { sceneOf } from './scene.mjs';

export const sizes = {
  full: { sides: [31, 63, 127, 255], learn: { n: 31, each: 5, steps: 150, rate: 0.01 } },
  quick: { sides: [15, 31], learn: { n: 7, each: 2, steps: 40, rate: 0.03 } },
};
export const tolerance = 1e-6;
export const ways = /** @type {const} */ (['cg', 'untrained', 'byHand', 'learnt']);

/** @param {{ size: 'full' | 'quick', seed: number }} settings */
export async function run({ size, seed }) {
  const { sides, learn: options } = sizes[size];
  const device = Device.open('cpu');
  const { coefficients, losses } = await learn(device, { ...options, seed });
  const found = [];
  for (const n of sides) {
    const operator = poissonOperator(device, [n, n]);
    const b = Tensor.from(device, sceneOf(n).b, [n * n]);
    const plain = await cg(operator, b, { tol: tolerance, maxIterations: 2000 });
    const along = async (/** @type {readonly number[]} */ t) => {
      /** @type {import('orthokit/constrained').Predictor} */
      const predict = async (r, out) => out.write(cycle(/** @type {Float64Array} */ (await r.read()), n, t));
      const end = await cdmSolve(operator, b, predict, { tol: tolerance, maxIterations: 500 });
      if (end.status !== 'converged') throw new Error(`${n} × ${n} has ended ${end.status}`);
      const [ours, theirs] = [await end.x.read(), await plain.x.read()];
      end.x.dispose();
      return { iterations: end.iterations, apart: Math.max(...ours.map((x, i) => Math.abs(x - theirs[i]))) };
    };
    const [untrained, hand, learnt] = [await along(start), await along(byHand), await along(coefficients)];
    found.push({
      n,
      cg: plain.iterations,
      untrained: untrained.iterations,
      byHand: hand.iterations,
      learnt: learnt.iterations,
      apart: learnt.apart,
    });
    plain.x.dispose();
    b.dispose();
  }
  await device.close();
  return { coefficients, first: losses[0], last: losses.at(-1), found };
}
