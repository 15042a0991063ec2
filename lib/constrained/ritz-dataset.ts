import { callback } from '../core/callbacks.ts';
import { OrthokitError } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { count, flag, type Resolved, readOptions, required, type Schema, watchers, whole } from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { eigh } from '../linalg/factorizations.ts';
import { type LanczosProgress, lanczosFrom } from '../solvers/lanczos.ts';
import { fillNormal } from '../solvers/operator.ts';
import { checkSymmetric } from '../solvers/symmetry.ts';

/** Options of {@link ritzDataset}. */
export interface RitzDatasetOptions extends TaskOptions<LanczosProgress> {
  /** Steps of Lanczos, as many Ritz vectors: whole, from 1 to 1000. It has no default. */
  vectors: number;
  /** Right-hand sides: whole, from 1 on. It has no default. */
  samples: number;
  /** Ritz vectors beyond half of them that weigh nine times as much: whole, from 0 on. Default: 0. */
  theta?: number | undefined;
  /** Seed of the random numbers: whole, from 0 to 2³² − 1. Default: 0. */
  seed?: number | undefined;
  /** Refuses an operator that is not symmetric, by three products with random vectors at the start. Default: false. */
  checkSymmetry?: boolean | undefined;
}

const schema: Schema<Resolved<RitzDatasetOptions, 'signal' | 'onProgress'>> = {
  vectors: required(whole(1, 1, 1000)),
  samples: required(count(1)),
  theta: count(0, 0),
  seed: whole(0, 0, 2 ** 32 - 1),
  checkSymmetry: flag(false),
  ...watchers<LanczosProgress>(),
};

/** Ritz values below it belong to directions that the operator does not see. */
const least = 1e-8;
const weightOfLow = 9;

/**
 * Right-hand sides to train a predictor of {@link cdmSolve} on: random sums of an operator's Ritz vectors, in which the
 * lower half of the spectrum, which is what solvers are slow at, weighs nine times as much. Each has length 1.
 *
 * Memory: twice `vectors` vectors beside the result.
 *
 * Source: Kaneda, Akar, Chen, Kala, Hyde and Teran 2023, section 5.
 *
 * @returns `[samples, n]`, of the operator's dtype; the caller's
 * @example
 * const sides = await ritzDataset(operator, { vectors: 100, samples: 1000 });
 *
 * @throws ERR_ARGUMENT for options out of range, for NaN, for an operator without Ritz values above 1e-8 and for what
 * it throws; ERR_DTYPE, ERR_SHAPE for what is no square operator; ERR_DISPOSED; ERR_MEMORY; the signal's reason when
 * aborted
 */
export async function ritzDataset(operator: LinearOperator, options: RitzDatasetOptions): Promise<Tensor> {
  const where = 'ritzDataset';
  checkOperator(where, 'operator', operator, true);
  const { vectors: steps, samples, theta, seed, checkSymmetry, ...watched } = readOptions(where, options, schema);
  const { device, dtype, shape } = operator;
  const [n] = shape;
  using task = new Task<LanczosProgress>(device, watched);
  if (checkSymmetry) await checkSymmetric(where, task as unknown as Task<never>, operator);
  using owned = new Owned<Tensor>();
  const { queue } = task;
  const make = (sizes: readonly number[], of: 'f32' | 'f64') => owned.add(new Tensor(device, sizes, of));
  const work = dtype as 'f32' | 'f64';
  const [random, first] = [make([n], work), make([n], work)];
  fillNormal(queue, [random], seed, 0);
  await callback(task as unknown as Task<never>, `${where}: operator.apply`, [random, first], () =>
    operator.apply(random, first),
  );
  const none = (got: number): OrthokitError =>
    new OrthokitError('ERR_ARGUMENT', `${where}: operator must have Ritz values above ${least}, got ${got}`);
  const square = owned.add(vectors.scalar(device));
  vectors.dot(queue, first, first, square);
  if ((await task.read(square))[0] === 0) throw none(0);
  const { alpha, beta, basis: made, ritz } = await lanczosFrom(where, task, operator, first, steps, owned);
  const basis = made();
  const k = alpha.length;
  const lowest = ritz.findIndex((value) => value >= least);
  if (lowest < 0) throw none(ritz.at(-1)!);
  const tridiagonal = new Float64Array(k * k);
  for (let i = 0; i < k; ++i) {
    tridiagonal[i * (k + 1)] = alpha[i]!;
    if (i > 0) tridiagonal[i * k + i - 1] = beta[i - 1]!;
  }
  const matrix = owned.add(Tensor.from(device, tridiagonal, [k, k]));
  const spectrum = await task.waitFor(eigh(matrix));
  owned.add(spectrum.values);
  const rotation = owned.add(spectrum.vectors);

  // Coefficients of the Ritz vectors, then of the basis.
  const coefficients = make([samples, k], 'f64');
  fillNormal(queue, [coefficients], seed, 1);
  const weights = Float64Array.from({ length: k }, (_, i) =>
    i < lowest ? 0 : i < Math.floor(k / 2) + theta ? weightOfLow : 1,
  );
  ops.scaleAxis(queue, { x: coefficients, scale: owned.add(Tensor.from(device, weights, [k])), out: coefficients });
  const mixed = make([samples, k], 'f64');
  ops.gemm(queue, { a: coefficients, b: rotation, c: mixed, transB: 'transposed' });
  const lengths = make([samples], 'f64');
  ops.rowReduce(queue, { x: mixed, out: lengths, reduction: 'norm' });
  const ones = owned.add(Tensor.full(device, [samples], 1, { dtype: 'f64' }));
  vectors.divide(queue, ones, lengths, lengths);
  ops.scaleAxis(queue, { x: mixed, scale: lengths, out: mixed, axis: 0 });
  const all = make([k, n], work);
  ops.copy(queue, {
    x: basis,
    out: basis.map((_, i) => owned.add(owned.add(all.rows(i, i + 1)).reshape([n]))),
  });
  const shares = make([samples, k], work);
  if (work === 'f64') vectors.copy(queue, mixed, shares);
  else ops.cast(queue, { x: [mixed], out: [shares] });
  const out = make([samples, n], work);
  ops.gemm(queue, { a: shares, b: all, c: out });
  await task.synchronize();
  return owned.release(out);
}
