import { callback, checkFinite } from '../core/callbacks.ts';
import type { Device } from '../core/device.ts';
import { epsilonOf } from '../core/dtypes.ts';
import type { Factor } from '../core/factor.ts';
import { ops } from '../core/native-ops.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { flag, type Resolved, readOptions, type Schema, watchers, whole } from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import type { LanczosProgress } from './lanczos.ts';
import { fillNormal } from './operator.ts';
import type { SolverStatus } from './status.ts';
import { checkSymmetric } from './symmetry.ts';

/** Options of {@link blockLanczos}. */
export interface BlockLanczosOptions extends TaskOptions<LanczosProgress> {
  /** First vectors: whole, from 1 to 100; as many as the operator has rows where it has fewer. Default: 4. */
  block?: number | undefined;
  /** Products in all: whole, from 1 to 1000; as many as the operator has rows where it has fewer. Default: 40. */
  steps?: number | undefined;
  /** Seed of the random first vectors: whole, from 0 to 2³² − 1. Default: 0. */
  seed?: number | undefined;
  /** Refuses an operator that is not symmetric, by three products with random vectors at the start. Default: false. */
  checkSymmetry?: boolean | undefined;
}

/** The eigenvalues of {@link blockLanczos}. */
export interface BlockLanczosResult {
  /** Ascending: the outer ones are near those of the operator, each as often as it stands there, at most `block`. */
  readonly ritz: Float64Array;
  /** The squares of the first elements of each eigenvector, as many as `block`, in the mean; their sum is 1. */
  readonly weights: Float64Array;
  /** `'max-iterations'` after all steps; `'breakdown'` where fewer say all: the Ritz values are then eigenvalues. */
  readonly status: SolverStatus;
  /** Products taken. */
  readonly iterations: number;
}

const schema: Schema<Resolved<BlockLanczosOptions, 'signal' | 'onProgress'>> = {
  block: whole(4, 1, 100),
  steps: whole(40, 1, 1000),
  seed: whole(0, 0, 2 ** 32 - 1),
  checkSymmetry: flag(false),
  ...watchers<LanczosProgress>(),
};

/**
 * Extreme eigenvalues of a symmetric operator by the method of Lanczos with a block of first vectors, which finds those
 * that stand several times, and those that lie close together, where a single vector meets one of them. Each vector is
 * made orthogonal to all others, twice; one of which nothing is left then leaves the block, as the products of what is
 * there already would. Scalars are read twice a step.
 *
 * Memory: steps + block vectors, and three matrices of `steps` rows in f64.
 *
 * Source: Ruhe 1979, "Implementation aspects of band Lanczos algorithms", with full orthogonalization.
 *
 * @example
 * const { ritz } = await blockLanczos(operator, { block: 3, steps: 60 });
 * console.log('the three largest', ritz.slice(-3));
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE for options and operators that do not fit, for NaN and infinity, and for
 * what functions throw; ERR_DISPOSED if they dispose of what they are given; ERR_MEMORY; the signal's reason when
 * aborted
 */
export async function blockLanczos(
  operator: LinearOperator,
  options: BlockLanczosOptions = {},
): Promise<BlockLanczosResult> {
  const where = 'blockLanczos';
  checkOperator(where, 'operator', operator, true);
  const { block, steps, seed, checkSymmetry, ...watch } = readOptions(where, options, schema);
  const { device, dtype, shape } = operator;
  const [n] = shape;
  using task = new Task<LanczosProgress>(device, watch);
  const quiet = task as unknown as Task<never>;
  using owned = new Owned<Tensor>();
  const { queue } = task;
  if (checkSymmetry) await checkSymmetric(where, quiet, operator);
  const most = Math.min(steps, n);
  const vector = (): Tensor => owned.add(new Tensor(device, [n], dtype));
  const norm = owned.add(vectors.scalar(device));
  const coefficients = Array.from({ length: most }, () => owned.add(vectors.scalar(device)));
  /** Vectors to come, and the size that they had before anything was taken out of them; of products, that of A. */
  const waiting: { readonly x: Tensor; readonly size?: number }[] = [];
  for (let i = 0; i < Math.min(block, n); ++i) {
    const x = vector();
    fillNormal(queue, [x], seed, i);
    waiting.push({ x, size: Math.sqrt(n) });
  }
  const basis: Tensor[] = [];
  /** Column k: products of A's image of vector k with vectors 0 to k. */
  const columns: Float64Array[] = [];
  let largest = 0;
  let starts = 0;
  let status: SolverStatus = 'max-iterations';
  while (basis.length < most) {
    const next = waiting.shift();
    if (!next) {
      status = 'breakdown';
      break;
    }
    const { x } = next;
    orthogonalize(queue, basis, coefficients, x);
    ops.norms(queue, { x: [x], out: norm });
    const length = (await task.read(norm))[0]!;
    if (!(length > 8 * Math.sqrt(n) * epsilonOf(dtype) * (next.size ?? largest))) {
      owned.drop(x);
      continue;
    }
    if (next.size !== undefined) starts += 1;
    vectors.scale(queue, 1 / length, x);
    basis.push(x);
    const product = vector();
    await callback(quiet, `${where}: operator.apply`, [x, product], () => operator.apply(x, product));
    using column = new Tensor(device, [basis.length], 'f64');
    vectors.dots(
      queue,
      basis.map((one) => [one, product] as const),
      column,
    );
    const numbers = await task.read(column);
    checkFinite(
      `${where}: operator.apply`,
      numbers.reduce((sum, one) => sum + Math.abs(one), 0),
    );
    columns.push(numbers);
    largest = numbers.reduce((size, one) => Math.max(size, Math.abs(one)), largest);
    waiting.push({ x: product });
    task.report({ iterations: basis.length });
  }
  const size = basis.length;
  const matrix = new Float64Array(size * size);
  for (const [j, column] of columns.entries()) for (const [i, one] of column.entries()) matrix[j * size + i] = one;
  const own = <D extends 'f64' | 'i32'>(of: readonly number[], kind: D) => owned.add(new Tensor(device, of, kind));
  const [values, turns, info] = [own([size], 'f64'), own([size, size], 'f64'), own([1], 'i32')];
  const projection = owned.add(Tensor.from(device, matrix, [size, size]));
  ops.eigh(queue, { matrix: projection, values, vectors: turns, info });
  const [ritz, turned] = (await task.readAll(values, turns)) as unknown as [Float64Array, Float64Array];
  const weights = new Float64Array(size);
  for (let i = 0; i < starts; ++i) for (let j = 0; j < size; ++j) weights[j]! += turned[i * size + j]! ** 2 / starts;
  return { ritz, weights, status, iterations: size };
}

/** Takes the parts along the vectors of a basis out of x, twice; `coefficients` are scalars, as many at least. */
function orthogonalize(queue: Device, basis: readonly Tensor[], coefficients: readonly Tensor[], x: Tensor): void {
  if (basis.length === 0) return;
  for (let pass = 0; pass < 2; ++pass) {
    for (const [k, one] of basis.entries()) vectors.dot(queue, one, x, coefficients[k]!);
    const terms = basis.map((one, k): [Factor, Tensor] => [[-1, coefficients[k]!], one]);
    vectors.combine(queue, x, [1, x], ...terms);
  }
}
