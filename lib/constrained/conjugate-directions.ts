import { callback, checkFinite, checkNumber } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { count, flag, positive, type Resolved, readOptions, type Schema, watchers, whole } from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import type { SolverStatus } from '../solvers/status.ts';
import { checkSymmetric } from '../solvers/symmetry.ts';

/** out = about A⁻¹ r, up to any factor: a network, a multigrid cycle, or r itself. It may differ from call to call. */
export type Predictor = (r: Tensor, out: Tensor) => void | Promise<void>;

/** Progress of {@link cdmSolve}, told after each iteration. */
export interface CdmProgress {
  /** Directions taken. */
  readonly iterations: number;
  /** |b − A x| over that of the start. */
  readonly residualNorm: number;
}

/** Options of {@link cdmSolve}. */
export interface CdmOptions extends TaskOptions<CdmProgress> {
  /** Start of the iterations, `[n]`; it is not written. Default: 0. */
  x0?: Tensor | undefined;
  /** Residual norm that is enough, over that of the start: > 0. Default: 1e-4. */
  tol?: number | undefined;
  /** Directions: whole, from 1 on. Default: 100. */
  maxIterations?: number | undefined;
  /** Directions that a new one is made conjugate to: whole, from 0 to 100. Default: 2. */
  window?: number | undefined;
  /** True: the predictor is given residuals of length 1. Default: true. */
  normalize?: boolean | undefined;
  /** Iterations from one residual that is computed anew to the next: whole, from 1 on. Default: 10. */
  residualEvery?: number | undefined;
  /** Refuses an operator that is not symmetric, by three products with random vectors at the start. Default: false. */
  checkSymmetry?: boolean | undefined;
}

/** The end of {@link cdmSolve}; x is the caller's. */
export interface CdmResult {
  /** `[n]`, of the operator's dtype. */
  readonly x: Tensor;
  /** |b − A x| before the first iteration and after each. */
  readonly residuals: Float64Array;
  /**
   * `'converged'`; `'max-iterations'`; `'at-precision'` where a residual is mostly rounding; `'breakdown'` where a
   * direction is 0 or the operator is not positive along it, x as before.
   */
  readonly status: SolverStatus;
  /** Directions taken. */
  readonly iterations: number;
}

const schema: Schema<Resolved<CdmOptions, 'x0' | 'signal' | 'onProgress'>> = {
  x0: check.tensorOption,
  tol: positive(1e-4),
  maxIterations: count(100),
  window: whole(2, 0, 100),
  normalize: flag(true),
  residualEvery: count(10),
  checkSymmetry: flag(false),
  ...watchers<CdmProgress>(),
};

/** A direction that was taken, A times it, and their product. */
interface Taken {
  readonly direction: Tensor;
  readonly image: Tensor;
  readonly curvature: Tensor;
}

/**
 * x of A x = b for a symmetric and positive definite A, along directions that a predictor makes of residuals: each is
 * made conjugate to the last ones, and gone along as far as the error falls. The error falls in the norm of A whatever
 * the predictor gives; the better it is, the fewer iterations. With r itself it is the method of conjugate gradients.
 *
 * Memory: 5 vectors, and 2 for each direction of the window.
 *
 * Source: Kaneda, Akar, Chen, Kala, Hyde and Teran 2023.
 *
 * @param predict Told residuals, it writes directions.
 * @example
 * const { x, status } = await cdmSolve(operator, b, (r, out) => network(r, out));
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE for options, operators and vectors that do not fit, for NaN,
 * for a b or a residual at the start whose square is not finite, and for what functions throw; ERR_DISPOSED if they
 * dispose of what they are given;
 * ERR_MEMORY; the signal's reason when aborted
 */
export async function cdmSolve(
  operator: LinearOperator,
  b: Tensor,
  predict: Predictor,
  options: CdmOptions = {},
): Promise<CdmResult> {
  const where = 'cdmSolve';
  checkOperator(where, 'operator', operator, true);
  const { device, dtype, shape } = operator;
  const demands: check.TensorDemands = { shape: [shape[0]], dtypes: [dtype], device };
  check.tensor(where, 'b', b, demands);
  check.callable(where, 'predict', predict);
  const given = readOptions(where, options, schema);
  if (given.x0) check.tensor(where, 'x0', given.x0, demands);
  using task = new Task<CdmProgress>(device, given);
  using owned = new Owned<Tensor>();
  const { queue } = task;
  const quiet = task as unknown as Task<never>;
  if (given.checkSymmetry) await checkSymmetric(where, quiet, operator);
  const vector = (): Tensor => owned.add(new Tensor(device, [shape[0]], dtype));
  const scalar = (): Tensor => owned.add(vectors.scalar(device));
  let [x, next, residual, after] = [vector(), vector(), vector(), vector()];
  const shownTo = vector();
  const [square, along, length, share, drift] = [scalar(), scalar(), scalar(), scalar(), scalar()];
  const numbers = owned.add(new Tensor(device, [2], 'f64'));
  const taken: Taken[] = [];
  const spare: Taken[] = [];
  const apply = (from: Tensor, to: Tensor): Promise<void> =>
    callback(quiet, `${where}: operator.apply`, [from, to], () => operator.apply(from, to));
  /** out = b − A of a vector */
  const evaluate = async (of: Tensor, out: Tensor): Promise<void> => {
    await apply(of, out);
    vectors.combine(queue, out, [-1, out], [1, b]);
    vectors.dot(queue, out, out, square);
  };

  if (given.x0) vectors.copy(queue, given.x0, x);
  else ops.fill(queue, { x: [x] });
  await evaluate(x, residual);
  const bounds = owned.add(vectors.scalar(device));
  vectors.dot(queue, b, b, bounds);
  const [[first], [size]] = (await task.readAll(square, bounds)) as unknown as [[number], [number]];
  if (!Number.isFinite(size)) throw refusal(where, 'b', 'be finite', `${size} for its square`);
  checkFinite(`${where}: operator.apply`, first);
  const start = Math.sqrt(first);
  const residuals = [start];
  let norm = start;
  let verified = start;
  let isExact = true;
  const end = (status: SolverStatus): CdmResult => ({
    x: owned.release(x),
    residuals: Float64Array.from(residuals),
    status,
    iterations: residuals.length - 1,
  });
  for (;;) {
    const iterations = residuals.length - 1;
    if (norm <= given.tol * start) {
      if (isExact) return end('converged');
      // The updates have gone their own way by rounding.
      await evaluate(x, residual);
      norm = Math.sqrt((await task.read(square))[0]!);
      checkFinite(`${where}: operator.apply`, norm);
      residuals[iterations] = norm;
      if (norm > given.tol * start && norm > verified / 2) return end('at-precision');
      [verified, isExact] = [norm, true];
      continue;
    }
    if (iterations >= given.maxIterations) return end('max-iterations');
    const now = spare.pop() ?? { direction: vector(), image: vector(), curvature: scalar() };
    const { direction, image, curvature } = now;
    vectors.scale(queue, given.normalize ? 1 / norm : 1, residual, shownTo);
    await callback(quiet, `${where}: predict`, [shownTo, direction], () => predict(shownTo, direction));
    for (const earlier of taken) {
      vectors.dot(queue, direction, earlier.image, share);
      vectors.divide(queue, share, earlier.curvature, share);
      vectors.axpy(queue, [-1, share], earlier.direction, direction);
    }
    await apply(direction, image);
    vectors.dot(queue, direction, image, curvature);
    vectors.dot(queue, direction, residual, along);
    vectors.divide(queue, along, curvature, length);
    vectors.combine(queue, next, [1, x], [length, direction]);
    const isAnew = (iterations + 1) % given.residualEvery === 0;
    vectors.combine(queue, after, [1, residual], [[-1, length], image]);
    if (isAnew) {
      // The distance by which rounding takes the update from what it stands for.
      await evaluate(next, shownTo);
      vectors.combine(queue, after, [1, after], [-1, shownTo]);
      vectors.dot(queue, after, after, drift);
      vectors.copy(queue, shownTo, after);
    } else vectors.dot(queue, after, after, square);
    vectors.dots(queue, [[direction, direction], [direction, image]], numbers); // biome-ignore format: one line
    const [[own, bend], [left], [lost]] = (await task.readAll(numbers, square, drift)) as unknown as [[number, number], [number], [number]]; // biome-ignore format: one line
    checkNumber(`${where}: predict`, own);
    checkNumber(`${where}: operator.apply`, bend);
    if (!(bend > 0 && left < Infinity)) return end('breakdown');
    [x, next, residual, after] = [next, x, after, residual];
    taken.unshift(now);
    spare.push(...taken.splice(given.window));
    norm = Math.sqrt(left);
    isExact = isAnew;
    residuals.push(norm);
    task.report({ iterations: iterations + 1, residualNorm: norm / start });
    if (isAnew && norm > given.tol * start && lost > left / 4) return end('at-precision');
  }
}
