import { callback, checkFinite } from '../../core/callbacks.ts';
import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { checkOperator, type LinearOperator } from '../../core/operator.ts';
import { isRecord } from '../../core/options.ts';
import { Owned } from '../../core/owned.ts';
import {
  count,
  flag,
  positive,
  type Resolved,
  readOptions,
  required,
  type Schema,
  watchers,
  whole,
} from '../../core/schema.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { eigh } from '../../linalg/factorizations.ts';
import { lanczosFrom } from '../../solvers/lanczos.ts';
import { fillNormal } from '../../solvers/operator.ts';
import { checkSymmetric } from '../../solvers/symmetry.ts';

/** Progress of {@link stabilityReport}, told after each product with an operator. */
export interface StabilityProgress {
  /** Random vectors that are done, and then steps of Lanczos. */
  readonly iterations: number;
}

/** The curvature at a minimum: of the squared loss by the model's outputs, or of any loss by products. */
export type StabilitySource =
  | {
      /** `[n, d]`, f32 or f64: the gradient of the model's output for each of n samples. */
      readonly jacobian: Tensor;
      /** It is not given beside a Jacobian. */
      readonly operator?: undefined;
    }
  | {
      /** The Hessian of the loss. */
      readonly operator: LinearOperator;
      /** It is not given beside an operator. */
      readonly jacobian?: undefined;
    };

/** Options of {@link stabilityReport}. */
export interface StabilityOptions extends TaskOptions<StabilityProgress> {
  /** The learning rate: > 0. It has no default. */
  lr: number;
  /** Samples of a batch of SGD: whole, from 1 on. Default: 1. */
  batch?: number | undefined;
  /** Random vectors for an operator: whole, from 2 to 100,000. Default: 64. */
  probes?: number | undefined;
  /** Steps of Lanczos for an operator's largest eigenvalue: whole, from 1 to 1000. Default: 20. */
  steps?: number | undefined;
  /** Seed of the random vectors: whole, from 0 to 2³² − 1. Default: 0. */
  seed?: number | undefined;
  /** Refuses an operator that is not symmetric, by three products with random vectors at the start. Default: false. */
  checkSymmetry?: boolean | undefined;
}

/** Curvature and what it says of stability. */
export interface StabilityReport {
  /** The trace of the Hessian. */
  readonly trace: number;
  /** Its standard error; 0 by a Jacobian. */
  readonly traceStderr: number;
  /** The largest eigenvalue; by an operator an estimate from below. */
  readonly lambdaMax: number;
  /** The Frobenius norm. */
  readonly frobenius: number;
  /** 2 / lr: the trace of a minimum that SGD of batches of 1 stays at is not above it. */
  readonly sgdBound: number;
  /** 2 / lr: the largest eigenvalue of a minimum that gradient descent stays at is not above it. */
  readonly gdBound: number;
  /**
   * False where SGD does not stay, which is at no minimum and at one beyond its bounds. True where, for batches of 1,
   * the trace is within its bound, which
   * is necessary and not sufficient. `'uncertain'` within two standard errors of the bound, and for larger batches, to
   * which the bound of the trace does not apply, wherever gradient descent would stay.
   */
  readonly sgdStable: boolean | 'uncertain';
  /** True where gradient descent stays: at a minimum, the largest eigenvalue within its bound. */
  readonly gdStable: boolean;
  /** lr · trace / 2: the trace over its bound. */
  readonly edge: number;
  /** `'converged'`: all numbers are there. */
  readonly status: 'converged';
  /** Products with the operator; 0 by a Jacobian. */
  readonly iterations: number;
}

type Settings = Resolved<StabilityOptions, 'signal' | 'onProgress'>;
const schema: Schema<Settings> = {
  lr: required(positive(1)),
  batch: count(1),
  probes: whole(64, 2, 100_000),
  steps: whole(20, 1, 1000),
  seed: whole(0, 0, 2 ** 32 - 1),
  checkSymmetry: flag(false),
  ...watchers<StabilityProgress>(),
};

type Measures = Pick<StabilityReport, 'trace' | 'traceStderr' | 'lambdaMax' | 'frobenius' | 'iterations'>;
/** An eigenvalue below 0 by this share of the largest one's size is one, and not rounding. */
const rounding = { f32: 256 * 2 ** -23, f64: 256 * 2 ** -52 };

const where = 'stabilityReport';

/**
 * Stability of SGD and gradient descent at a minimum: one at which SGD with batches of 1 is linearly stable has a
 * Hessian of trace at most 2 / lr, where gradient descent asks only that the largest eigenvalue is (Wu and Su 2023).
 *
 * By a Jacobian J of the model's outputs, for the loss Σ (f(xᵢ) − yᵢ)² / (2n) at a minimum that fits every sample, the
 * Hessian is Jᵀ J / n and all numbers are exact. By an operator, trace and Frobenius norm are Hutchinson's estimates,
 * the largest eigenvalue is one of Lanczos. Where that finds a negative one, beyond rounding, the point is a saddle or
 * a
 * maximum, at which neither method stays.
 *
 * Memory: a copy of an f32 Jacobian in f64 and the square of its smaller side; of an operator steps + 3 vectors.
 *
 * @example
 * const { edge, sgdStable } = await stabilityReport({ operator: flat(oracle, 'hessian') }, { lr: 0.1 });
 *
 * @throws ERR_ARGUMENT for another source, options out of range, NaN and infinity, of squares too, and for what the
 * operator throws; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for what does not fit; ERR_DISPOSED; ERR_MEMORY; the signal's
 * reason when aborted
 */
export async function stabilityReport(source: StabilitySource, options: StabilityOptions): Promise<StabilityReport> {
  const { jacobian, operator } = isRecord(source) ? source : ({} as Partial<StabilitySource>);
  if ((jacobian === undefined) === (operator === undefined))
    throw refusal(where, 'source', 'have a jacobian or an operator', isRecord(source) ? 'another one' : shown(source));
  if (operator) checkOperator(where, 'source.operator', operator, true);
  else check.tensor(where, 'source.jacobian', jacobian, { rank: 2, filled: true, dtypes: check.arithmetic });
  const given = readOptions(where, options, schema);
  using task = new Task<StabilityProgress>((operator ?? jacobian!).device, given);
  const [measures, isMinimum] = operator
    ? await ofOperator(task, operator, given)
    : ([await ofJacobian(task, jacobian!), true] as const);
  const { trace, traceStderr, lambdaMax } = measures;
  const { lr, batch } = given;
  const bound = 2 / lr;
  const gdStable = isMinimum && lambdaMax <= bound;
  let sgdStable: boolean | 'uncertain' = gdStable && 'uncertain';
  if (batch === 1 && !(Math.abs(trace - bound) <= 2 * traceStderr && traceStderr > 0)) sgdStable = trace <= bound;
  if (!gdStable) sgdStable = false;
  return {
    ...measures,
    sgdBound: bound,
    gdBound: bound,
    sgdStable,
    gdStable,
    edge: (lr * trace) / 2,
    status: 'converged',
  };
}

/** Measures of Jᵀ J / n, by the Gram matrix of the smaller side. */
async function ofJacobian(task: Task<StabilityProgress>, jacobian: Tensor): Promise<Measures> {
  using owned = new Owned<Tensor>();
  const { queue, device } = task;
  const [n, d] = jacobian.shape as [number, number];
  const wide = jacobian.dtype === 'f64' ? jacobian : owned.add(jacobian.cast('f64'));
  const side = Math.min(n, d);
  const gram = owned.add(new Tensor(device, [side, side], 'f64'));
  const [transA, transB] = n <= d ? (['none', 'transposed'] as const) : (['transposed', 'none'] as const);
  ops.gemm(queue, { a: wide, b: wide, c: gram, transA, transB, alpha: 1 / n });
  const [squares, square] = [owned.add(vectors.scalar(device)), owned.add(vectors.scalar(device))];
  vectors.dot(queue, wide, wide, squares);
  vectors.dot(queue, gram, gram, square);
  const [[sum], [size]] = (await task.readAll(squares, square)) as unknown as [[number], [number]];
  for (const number of [sum, size])
    if (!Number.isFinite(number)) throw refusal(where, 'source.jacobian', 'have finite squares', number);
  const { values } = await task.waitFor(eigh(gram, { vectors: false }));
  const spectrum = await task.read(owned.add(values));
  return {
    trace: sum / n,
    traceStderr: 0,
    lambdaMax: Math.max(0, spectrum.at(-1)!),
    frobenius: Math.sqrt(size),
    iterations: 0,
  };
}

/** And whether no eigenvalue below 0 has been found. */
async function ofOperator(
  task: Task<StabilityProgress>,
  operator: LinearOperator,
  { probes, steps, seed, checkSymmetry }: Settings,
): Promise<readonly [Measures, boolean]> {
  using owned = new Owned<Tensor>();
  const { queue, device } = task;
  if (checkSymmetry) await checkSymmetric(where, task as unknown as Task<never>, operator);
  const size = operator.shape[0];
  const make = () => owned.add(new Tensor(device, [size], operator.dtype));
  const [v, product, first] = [make(), make(), make()];
  const numbers = owned.add(new Tensor(device, [2], 'f64'));
  const traces: number[] = [];
  let squares = 0;
  for (let probe = 0; probe < probes; ++probe) {
    ops.random(queue, { x: [v], seed, stream: probe, distribution: 'rademacher' });
    await callback(task as Task<never>, `${where}: operator.apply`, [v, product], () => operator.apply(v, product));
    vectors.dots(queue, [[v, product], [product, product]], numbers); // biome-ignore format: one line
    const [along, square] = (await task.read(numbers)) as unknown as [number, number];
    for (const number of [along, square]) checkFinite(`${where}: operator.apply`, number);
    traces.push(along);
    squares += square / probes;
    task.report({ iterations: traces.length });
  }
  const trace = traces.reduce((sum, x) => sum + x / probes, 0);
  const variance = traces.reduce((sum, x) => sum + (x - trace) ** 2 / (probes - 1), 0);
  fillNormal(queue, [first], seed, probes);
  const { ritz, iterations } = await lanczosFrom(where, task, operator, first, steps, owned);
  const [lowest, highest] = [ritz[0]!, ritz.at(-1)!];
  const least = -rounding[operator.dtype as 'f32' | 'f64'] * Math.max(highest, -lowest);
  const measures = {
    trace,
    traceStderr: Math.sqrt(variance / probes),
    lambdaMax: highest,
    frobenius: Math.sqrt(squares),
    iterations: probes + iterations,
  };
  return [measures, lowest >= least];
}
