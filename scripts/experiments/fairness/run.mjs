// The regression without constraints and with them, the systems of its steps factored and sketched.
import { adaSketchNewton } from 'orthokit/constrained';
import { errorsOf, problemOf, samplesOf, variables } from './problem.mjs';

export const tolerance = 1e-6;
export const seeds = [1, 2, 3];
/** The tolerance of the sketched form, whose every step takes thousands of projections. */
export const sketchTolerance = 1e-4;

/** @param {{ size: 'full' | 'quick', seed: number }} settings */
export async function run({ size, seed }) {
  const { train, test } = samplesOf(size, seed);
  const solve = async (/** @type {boolean} */ isFair, /** @type {'direct' | 'block'} */ sketch, tol = tolerance) => {
    const problem = problemOf(train, isFair);
    let [values, hessians] = [0, 0];
    /** @type {typeof problem} */
    const counted = {
      ...problem,
      value(x) {
        values += 1;
        return problem.value(x);
      },
      hessian(x, lambda, out) {
        hessians += 1;
        return problem.hessian(x, lambda, out);
      },
    };
    const start = new Float64Array(variables);
    const end = await adaSketchNewton(counted, start, new Float64Array(problem.constraints), {
      sketch,
      tol,
      seed,
      maxIterations: 200,
    });
    return {
      ...{
        status: end.status,
        iterations: end.iterations,
        value: end.value,
        kkt: [...end.kkt],
        alphas: [...end.alphas],
      },
      ...{ values, hessians, inner: end.inner.reduce((sum, count) => sum + count, 0) },
      ...{ train: errorsOf(train, end.x), test: errorsOf(test, end.x), x: end.x },
    };
  };
  const [free, fair] = [await solve(false, 'direct'), await solve(true, 'direct')];
  const kept = ({ x: _, ...rest } = fair) => rest;
  if (size === 'quick') return { free: kept(free), fair: kept(fair), block: null };
  const block = await solve(true, 'block', sketchTolerance);
  const apart = Math.max(...block.x.map((x, i) => Math.abs(x - fair.x[i])));
  return { free: kept(free), fair: kept(fair), block: { ...kept(block), apart } };
}
