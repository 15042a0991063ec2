import { callback, checkNumber } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import { ops } from '../core/native-ops.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { count, flag, type Resolved, readOptions, type Schema, watchers, whole } from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import { type LanczosProgress, lanczosFrom } from './lanczos.ts';
import { checkSymmetric } from './symmetry.ts';

/** Options of {@link slq}. */
export interface SlqOptions extends TaskOptions<LanczosProgress> {
  /** Random vectors: whole, from 1 on. Default: 10. */
  probes?: number | undefined;
  /** Steps of Lanczos for each: whole, from 1 to 1000. Default: 20. */
  steps?: number | undefined;
  /** Seed of the random vectors: whole, from 0 to 2³² − 1. Default: 0. */
  seed?: number | undefined;
  /** Refuses an operator that is not symmetric, by three products with random vectors at the start. Default: false. */
  checkSymmetry?: boolean | undefined;
}

/** An estimated trace. */
export interface SlqResult {
  /** The estimate of tr f(A). */
  readonly value: number;
  /** Its standard error over the probes; NaN of a single one. */
  readonly stderr: number;
  /** `'converged'`: all probes are done. */
  readonly status: 'converged';
  /** Products with the operator. */
  readonly iterations: number;
}

const schema: Schema<Resolved<SlqOptions, 'signal' | 'onProgress'>> = {
  probes: count(10),
  steps: whole(20, 1, 1000),
  seed: whole(0, 0, 2 ** 32 - 1),
  checkSymmetry: flag(false),
  ...watchers<LanczosProgress>(),
};

/**
 * The trace of a function of a symmetric operator, tr f(A), by stochastic Lanczos quadrature: exact but for chance
 * where the function is a polynomial of degree below 2 `steps`.
 *
 * Source: Ubaru, Chen and Saad 2017.
 *
 * @example
 * const { value, stderr } = await slq(operator, Math.log, { probes: 30 }); // ln det A
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE for options and operators that do not fit, for NaN and for
 * what functions throw; ERR_DISPOSED if they dispose of what they are given; the signal's reason when aborted
 */
export async function slq(
  operator: LinearOperator,
  f: (eigenvalue: number) => number,
  options: SlqOptions = {},
): Promise<SlqResult> {
  const where = 'slq';
  checkOperator(where, 'operator', operator, true);
  check.callable(where, 'f', f);
  const given = readOptions(where, options, schema);
  const { device, dtype, shape } = operator;
  const [n] = shape;
  using task = new Task<LanczosProgress>(device, given);
  if (given.checkSymmetry) await checkSymmetric(where, task as unknown as Task<never>, operator);
  const traces: number[] = [];
  const valueAt = async (eigenvalue: number): Promise<number> => {
    let value = 0;
    await callback(task as Task<never>, 'slq: f', [], () => {
      value = f(eigenvalue);
    });
    checkNumber('slq: f', value);
    return value;
  };
  let iterations = 0;
  for (let probe = 0; probe < given.probes; ++probe) {
    using owned = new Owned<Tensor>();
    const first = owned.add(new Tensor(device, [n], dtype));
    ops.random(task.queue, { x: [first], seed: given.seed, stream: probe, distribution: 'rademacher' });
    const { ritz, weights, iterations: taken } = await lanczosFrom(where, task, operator, first, given.steps, owned);
    iterations += taken;
    let trace = 0;
    for (const [i, weight] of weights.entries()) if (weight !== 0) trace += weight * (await valueAt(ritz[i]!));
    traces.push(n * trace);
  }
  const value = traces.reduce((sum, x) => sum + x, 0) / traces.length;
  const variance = traces.reduce((sum, x) => sum + (x - value) ** 2, 0) / (traces.length - 1);
  return { value, stderr: Math.sqrt(variance / traces.length), status: 'converged', iterations };
}
