import { callback, checkNumber } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import { epsilonOf } from '../core/dtypes.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { flag, type Resolved, readOptions, type Schema, watchers, whole } from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { matrixOf } from './matrix-operator.ts';
import { fillNormal } from './operator.ts';
import type { SolverStatus } from './status.ts';
import { checkSymmetric } from './symmetry.ts';
import { tridiagonalEigen } from './tridiagonal.ts';

/** Progress of {@link lanczos}, told of each step once its numbers are read. */
export interface LanczosProgress {
  /** Steps taken. */
  readonly iterations: number;
}

/** Options of {@link lanczos}. */
export interface LanczosOptions extends TaskOptions<LanczosProgress> {
  /** Steps: whole, from 1 to 1000; as many as the operator has rows where it has fewer. Default: 20. */
  steps?: number | undefined;
  /** Seed of the random first vector: whole, from 0 to 2³² − 1. Default: 0. */
  seed?: number | undefined;
  /** The first vector, `[n]`, of any length but 0; it is not written. Default: random. */
  v0?: Tensor | undefined;
  /** Refuses an operator that is not symmetric, by three products with random vectors at the start. Default: false. */
  checkSymmetry?: boolean | undefined;
}

/** The tridiagonal matrix of {@link lanczos} and its eigenvalues. */
export interface LanczosResult {
  /** Its diagonal, one number a step. */
  readonly alpha: Float64Array;
  /** Its other diagonal, one number fewer. */
  readonly beta: Float64Array;
  /** Its eigenvalues, ascending: the outer ones are near those of the operator. */
  readonly ritz: Float64Array;
  /** The square of the first element of each eigenvector; their sum is 1. */
  readonly weights: Float64Array;
  /** `'max-iterations'` after all steps; `'breakdown'` where fewer say all: the Ritz values are then eigenvalues. */
  readonly status: SolverStatus;
  /** Steps taken. */
  readonly iterations: number;
}

export const lanczosSchema: Schema<Resolved<LanczosOptions, 'v0' | 'signal' | 'onProgress'>> = {
  steps: whole(20, 1, 1000),
  seed: whole(0, 0, 2 ** 32 - 1),
  v0: check.tensorOption,
  checkSymmetry: flag(false),
  ...watchers<LanczosProgress>(),
};

/**
 * Extreme eigenvalues of a symmetric operator by the method of Lanczos. Each vector is made orthogonal to the last two,
 * and then to all others. Scalars are read once in eight steps, so that up to seven products more are asked for than
 * count; on a matrix of {@link matrixOperator} of at most 512 rows after 16 steps, and then once in 32.
 *
 * Memory: steps + 3 vectors.
 *
 * Source: Lanczos 1950; twice is enough: Parlett 1998, section 6.9.
 *
 * @example
 * const { ritz } = await lanczos(operator, { steps: 30 });
 * console.log('largest eigenvalue', ritz.at(-1));
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE for options and operators that do not fit, for NaN, for a
 * first vector of length 0 and for what functions throw; ERR_DISPOSED if they dispose of what they are given; the
 * signal's reason when aborted
 */
export async function lanczos(operator: LinearOperator, options: LanczosOptions = {}): Promise<LanczosResult> {
  const where = 'lanczos';
  checkOperator(where, 'operator', operator, true);
  const given = readOptions(where, options, lanczosSchema);
  const { device, dtype, shape } = operator;
  const [n] = shape;
  if (given.v0) check.tensor(where, 'v0', given.v0, { shape: [n], dtypes: [dtype], device });
  using task = new Task<LanczosProgress>(device, given);
  using owned = new Owned<Tensor>();
  const first = owned.add(new Tensor(device, [n], dtype));
  if (given.checkSymmetry) await checkSymmetric(where, task as unknown as Task<never>, operator);
  if (given.v0) vectors.copy(task.queue, given.v0, first);
  else fillNormal(task.queue, [first], given.seed, 0);
  const { basis: _, ...result } = await lanczosFrom(where, task, operator, first, given.steps, owned);
  return result;
}

/**
 * Steps that are queued before numbers are read, at most; those after a breakdown do not count. On a small matrix
 * waiting for numbers takes longer than steps.
 */
const mostAhead = { usual: 8, small: 32 };
const firstAhead = { usual: 1, small: 16 };
const small = 512;

/** Runs from a first vector of any length; `owned` has the basis, whose vectors are made when they are asked for. */
export async function lanczosFrom(
  where: string,
  task: Task<LanczosProgress>,
  operator: LinearOperator,
  first: Tensor,
  steps: number,
  owned: Owned<Tensor>,
): Promise<LanczosResult & { readonly basis: () => readonly Tensor[] }> {
  const { device, dtype, shape } = operator;
  const { queue } = task;
  const [n] = shape;
  const most = Math.min(steps, n);
  const list = (count: number) => owned.add(new Tensor(device, [count], 'f64'));
  const norm = list(1);
  ops.norms(queue, { x: [first], out: norm });
  const length = (await task.read(norm))[0]!;
  if (!(length < Infinity && 1 / length < Infinity)) throw refusal(where, 'v0', 'have a finite length above 0', length);
  // Vectors of length 1, each at right angles to all others, a row each.
  const vectorsOf = owned.add(new Tensor(device, [(most + 1) * n], dtype));
  const basis = owned.add(vectorsOf.reshape([most + 1, n]));
  const rows: Tensor[] = [];
  const row = (i: number): Tensor => (rows[i] ??= owned.add(vectorsOf.rows(i * n, (i + 1) * n)));
  vectors.scale(queue, 1 / length, first, row(0));
  const matrix = matrixOf(operator);
  const kind = matrix && n <= small ? 'small' : 'usual';
  const longest = mostAhead[kind];
  /** The product of each step that is queued with its vector, and the length that is left. */
  const told = list(2 * longest);
  const pairs = owned.add(told.reshape([longest, 2]));
  const places = matrix ? [] : Array.from({ length: longest }, (_, i) => owned.add(pairs.rows(i, i + 1)));
  const take = async (from: number, to: number): Promise<void> => {
    const name = `${where}: operator.apply`;
    if (matrix) {
      using out = pairs.rows(0, to - from);
      const call = () => ops.lanczosSteps(queue, { matrix, basis, out, from });
      return callback(task as Task<never>, name, [], call);
    }
    for (let step = from; step < to; ++step) {
      const [last, next] = [row(step), row(step + 1)];
      await callback(task as Task<never>, name, [last, next], () => operator.apply(last, next));
      ops.lanczosSteps(queue, { basis, out: places[step - from]!, from: step });
    }
  };
  const [alpha, beta]: [number[], number[]] = [[], []];
  const precision = epsilonOf(dtype);
  let largest = 0;
  let status: SolverStatus = 'max-iterations';
  for (
    let ahead = firstAhead[kind];
    alpha.length < most && status !== 'breakdown';
    ahead = Math.min(2 * ahead, longest)
  ) {
    const from = alpha.length;
    const to = Math.min(from + ahead, most);
    await take(from, to);
    const read = await task.read(told);
    for (let step = from; step < to; ++step) {
      const [diagonal, size] = [read[2 * (step - from)]!, read[2 * (step - from) + 1]!];
      checkNumber(`${where}: operator.apply`, diagonal + size);
      alpha.push(diagonal);
      task.report({ iterations: alpha.length });
      if (alpha.length === most) break;
      largest = Math.max(largest, Math.abs(diagonal), size);
      if (!(size > 8 * Math.sqrt(n) * precision * largest)) {
        status = 'breakdown';
        break;
      }
      beta.push(size);
    }
  }
  const [diagonal, beside] = [Float64Array.from(alpha), Float64Array.from(beta)];
  const { values, weights } = tridiagonalEigen(diagonal, beside);
  const iterations = alpha.length;
  const made = (): readonly Tensor[] => Array.from({ length: iterations }, (_, i) => row(i));
  return { alpha: diagonal, beta: beside, ritz: values, weights, status, iterations, basis: made };
}
