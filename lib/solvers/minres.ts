import { type Dtype, epsilonOf } from '../core/dtypes.ts';
import type { LinearOperator } from '../core/operator.ts';
import type { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { System, type SystemOptions, type SystemResult, systemOptions } from './system.ts';

/**
 * x of A x = b by minimal residuals, where A is symmetric, of any signs, or singular with a b in its range. Where the
 * operator is singular and b not in its range, it ends with `'breakdown'`. Scalars are read once an iteration.
 *
 * Memory: 7 vectors.
 *
 * Source: Paige and Saunders 1975.
 *
 * @example
 * const { x, status } = await minres(operator, b, { tol: 1e-10 });
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE for options, operators and vectors that do not fit, for NaN,
 * for a b that is not finite and for what functions throw; ERR_DISPOSED if they dispose of what they are given; the
 * signal's reason when aborted
 */
export async function minres<D extends Dtype>(
  operator: LinearOperator,
  b: Tensor<D>,
  options: SystemOptions = {},
): Promise<SystemResult<D>> {
  const where = 'minres';
  using system = new System(where, operator, b, systemOptions(where, options));
  const { task, x, residual } = system;
  const { queue } = task;
  let [v, before, product] = [system.vector(), system.vector(), system.vector()];
  let [w, earlier] = [system.vector(), system.vector()];
  const [along, squares] = [system.scalars(1), system.scalars(1)];
  const precision = epsilonOf(operator.dtype);

  let verified = Infinity;
  let norm = await system.evaluate();
  system.tell(norm);
  for (;;) {
    if (system.isSmall(norm)) return system.result('converged', norm);
    if (norm > verified / 2) return system.result('at-precision', norm);
    verified = norm;
    // Paige and Saunders' names: the last rotation, what it leaves above the diagonal, and the residual.
    let [cosine, sine, diagonal, above, left] = [-1, 0, 0, 0, norm];
    let beta = 0;
    let largest = 0;
    vectors.scale(queue, 1 / norm, residual, v);
    for (const zeros of [before, w, earlier]) vectors.combine(queue, zeros, [0, v]);
    for (;;) {
      if (system.isSmall(left)) break;
      if (system.iterations >= system.maxIterations) return system.result('max-iterations', await system.evaluate());
      await system.apply(v, product);
      vectors.dot(queue, v, product, along);
      vectors.combine(queue, product, [1, product], [[-1, along], v], [-beta, before]);
      vectors.dot(queue, product, product, squares);
      const [[alpha], [square]] = await task.readAll(along, squares);
      system.check(alpha! + square!);
      system.iterations += 1;
      const next = Math.sqrt(square!);
      largest = Math.max(largest, Math.hypot(alpha!, beta, next));
      const upper = above;
      const delta = cosine * diagonal + sine * alpha!;
      const gamma = sine * diagonal - cosine * alpha!;
      [above, diagonal] = [sine * next, -cosine * next];
      const pivot = Math.hypot(gamma, next);
      if (!(pivot > precision * largest)) return system.result('breakdown', await system.evaluate());
      [cosine, sine] = [gamma / pivot, next / pivot];
      vectors.combine(queue, earlier, [-upper / pivot, earlier], [1 / pivot, v], [-delta / pivot, w]);
      [w, earlier] = [earlier, w];
      vectors.axpy(queue, cosine * left, w, x);
      left *= sine;
      system.tell(Math.abs(left));
      if (!(next > precision * largest)) break;
      vectors.scale(queue, 1 / next, product);
      [before, v, product] = [v, product, before];
      beta = next;
      if (Math.abs(left) <= system.tol * system.size) break;
    }
    norm = await system.evaluate();
  }
}
