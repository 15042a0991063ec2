import { callback, checkNumber } from '../../core/callbacks.ts';
import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import { Owned } from '../../core/owned.ts';
import { count, notNegative, type Resolved, readOptions, type Schema, watchers } from '../../core/schema.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import type { SolverStatus } from '../status.ts';

/** Progress of {@link dykstra}, told after each pass. */
export interface DykstraProgress {
  /** Passes over the sets. */
  readonly iterations: number;
  /**
   * The distance by which the corrections moved in the last one, in units of |x|, now or at the start, whichever is
   * larger.
   */
  readonly change: number;
}

/** Options of {@link dykstra}. */
export interface DykstraOptions extends TaskOptions<DykstraProgress> {
  /**
   * Bound of the distance by which the corrections of the sets move in a pass, in units of |x|, now or at the start,
   * whichever is larger: finite, not negative. Default: 1e-8.
   */
  tol?: number | undefined;
  /** Passes over the sets: whole, from 1 on. Default: 1000. */
  maxIterations?: number | undefined;
}

/** The end of {@link dykstra}; the point is in x. */
export interface DykstraResult {
  /**
   * The distance by which the corrections moved in the last pass, in units of |x|, now or at the start, whichever is
   * larger.
   */
  readonly change: number;
  /** `'converged'` or `'max-iterations'`, as where the sets have no point in common. */
  readonly status: SolverStatus;
  /** Passes over the sets. */
  readonly iterations: number;
}

const schema: Schema<Resolved<DykstraOptions, 'signal' | 'onProgress'>> = {
  tol: notNegative(1e-8),
  maxIterations: count(1000),
  ...watchers<DykstraProgress>(),
};

/**
 * x = the nearest point that lies in several convex sets, each given by its projection, which changes a tensor in
 * place. Between the sets, x alternates; each set has a correction, without which the point would be a common one and
 * not the nearest.
 *
 * Memory: a correction a set, and three tensors like x.
 *
 * Source: Boyle and Dykstra 1986; the test of the end: Birgin and Raydan 2005.
 *
 * @param x f32 or f64, of any shape that the projections take.
 * @throws ERR_ARGUMENT for options, NaN and what projections throw; ERR_DTYPE; ERR_DISPOSED if they dispose of x; the
 *   signal's reason when aborted. x is then as before
 * @example
 * await project.dykstra(x, [(y) => project.ball(y, 1), (y) => project.halfspace(y, a, 0)]);
 */
export async function dykstra(
  x: Tensor,
  projections: readonly ((x: Tensor) => void | Promise<void>)[],
  options: DykstraOptions = {},
): Promise<DykstraResult> {
  const where = 'project.dykstra';
  check.tensor(where, 'x', x, { dtypes: check.arithmetic });
  if (!Array.isArray(projections) || projections.length === 0 || projections.some((one) => typeof one !== 'function'))
    throw refusal(where, 'projections', 'be a list of functions', shown(projections));
  const given = readOptions(where, options, schema);
  const { device } = x;
  using task = new Task<DykstraProgress>(device, given);
  using owned = new Owned<Tensor>();
  const { queue } = task;
  const like = (): Tensor => owned.add(Tensor.zeros(device, x.shape, { dtype: x.dtype }));
  const corrections = projections.map(like);
  const [start, last, moved] = [like(), like(), like()] as [Tensor, Tensor, Tensor];
  const numbers = owned.add(new Tensor(device, [projections.length + 2], 'f64'));
  const parts = [...projections, start, x].map((_, i) => owned.add(numbers.rows(i, i + 1)));
  vectors.copy(device, x, start);
  vectors.dot(queue, start, start, parts.at(-2)!);
  try {
    for (let iterations = 1; ; ++iterations) {
      for (const [i, projection] of projections.entries()) {
        const correction = corrections[i]!;
        // x goes on from where the set would have had it without its last correction.
        vectors.axpy(queue, 1, correction, x);
        vectors.copy(queue, x, last);
        await callback(task as Task<never>, `${where}: projections[${i}]`, [x], () => projection(x));
        vectors.combine(queue, moved, [1, last], [-1, x], [-1, correction]);
        vectors.axpy(queue, 1, moved, correction);
        vectors.dot(queue, moved, moved, parts[i]!);
      }
      vectors.dot(queue, x, x, parts.at(-1)!);
      const found = await task.read(numbers);
      const [before, now] = found.subarray(-2) as unknown as [number, number];
      if (Number.isNaN(before)) throw refusal(where, 'x', 'hold numbers', 'NaN');
      for (const [i] of projections.entries()) checkNumber(`${where}: projections[${i}]`, found[i]!);
      const square = found.subarray(0, -2).reduce((sum, own) => sum + own, 0);
      const change = square === 0 ? 0 : Math.sqrt(square / Math.max(before, now));
      task.report({ iterations, change });
      if (change <= given.tol) return { change, status: 'converged', iterations };
      if (iterations >= given.maxIterations) return { change, status: 'max-iterations', iterations };
    }
  } catch (error) {
    if (!x.disposed) vectors.copy(device, start, x);
    throw error;
  }
}
