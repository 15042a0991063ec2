import { Device } from '../../core/device.ts';
import { refusal } from '../../core/errors.ts';
import { Owned } from '../../core/owned.ts';
import {
  count,
  kind,
  optional,
  positive,
  type Resolved,
  readOptions,
  type Schema,
  watchers,
  whole,
  word,
} from '../../core/schema.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { SolverStatus } from '../../solvers/status.ts';
import { Geometry, type Lengths, systemOf } from './geometry.ts';
import { MeritSlope, meritOf } from './merit.ts';
import { Calls, checkProblem, type EqualityProblem, type Point, vectorOf } from './problem.ts';
import { type Sketch, SketchedSystem, type Solution, unitsOf } from './sketch.ts';

/** Progress of {@link adaSketchNewton}, told after each step. */
export interface AdaSketchProgress {
  /** Steps taken. */
  readonly iterations: number;
  /** |(∇ₓL, c)|, by which the conditions of an optimum are missed. */
  readonly kkt: number;
}

/** Options of {@link adaSketchNewton}. */
export interface AdaSketchOptions extends TaskOptions<AdaSketchProgress> {
  /**
   * The way in which the system of each step is solved: by projections on blocks of Gaussian vectors, on single ones,
   * on its rows in random orders, or by a factorization. Default: `'block'`.
   */
  sketch?: Sketch | undefined;
  /** Vectors of a block: whole, from 1 to n + m. For `'block'` alone. Default: half of n + m, at most 32. */
  block?: number | undefined;
  /** |(∇ₓL, c)| that is enough: > 0. Default: 1e-4. */
  tol?: number | undefined;
  /** Steps: whole, from 1 on. Default: 10000. */
  maxIterations?: number | undefined;
  /** Steps of the solver of one system: whole, from 1 on. Default: 1000000. */
  maxInner?: number | undefined;
  /** η₁, the first weight of |c|²/2 in the merit function: > 0. Default: 1. */
  eta1?: number | undefined;
  /** η₂, the first weight of |∇ₓL|²/2 in it: > 0. Default: 0.1. */
  eta2?: number | undefined;
  /** δ, the first accuracy of systems: > 0. Default: 0.1. */
  delta?: number | undefined;
  /** ξ, the curvature that systems are taken to have at least: > 0. Default: 0.1. */
  xi?: number | undefined;
  /** β of the line search, in (0, 0.5). Default: 0.1. */
  beta?: number | undefined;
  /** ν, by which weights and accuracies change: > 1. Default: 1.5. */
  nu?: number | undefined;
  /** θ, the share of the accuracy that is asked of systems, in (0, 1]. Default: 1. */
  theta?: number | undefined;
  /** Seed of the sketches: whole, from 0 to 2³² − 1. Default: 0. */
  seed?: number | undefined;
  /** The device that does the algebra. Default: a CPU device for the call. */
  device?: Device | undefined;
}

/** The end of {@link adaSketchNewton}. */
export interface AdaSketchResult {
  /** `[n]` */
  readonly x: Float64Array;
  /** `[m]`, the multipliers of the constraints. */
  readonly lambda: Float64Array;
  /** f(x). */
  readonly value: number;
  /** |(∇ₓL, c)| before the first step and after each. */
  readonly kkt: Float64Array;
  /** The length of each step; 1 is Newton's. */
  readonly alphas: Float64Array;
  /** Steps of the solver for each. */
  readonly inner: readonly number[];
  /** Weights of the merit function at the end. */
  readonly eta1: number;
  /** The other weight, as {@link AdaSketchResult.eta1}. */
  readonly eta2: number;
  /**
   * `'converged'`; `'max-iterations'`; `'infeasible'` where the constraints' gradients depend on each other;
   * `'diverged'` where the residual has grown by a factor of 1e12, as of an objective without a lower bound;
   * `'at-precision'` where rounding hides further progress; `'search-failed'` where no step along a descent leads down;
   * `'breakdown'` where no weights of the merit function make the step a descent; `'budget'` where that is so after
   * `maxInner` steps of the solver.
   */
  readonly status: SolverStatus;
  /** Steps taken. */
  readonly iterations: number;
}

type Given = Resolved<AdaSketchOptions, 'block' | 'device' | 'signal' | 'onProgress'>;
const schema: Schema<Given> = {
  sketch: word<Sketch>(['block', 'gaussian', 'kaczmarz', 'direct'], 'block'),
  block: optional(count(1)),
  tol: positive(1e-4),
  maxIterations: count(10000),
  maxInner: count(1000000),
  eta1: positive(1),
  eta2: positive(0.1),
  delta: positive(0.1),
  xi: positive(0.1),
  beta: {
    default: 0.1,
    wrong: (x) => (typeof x === 'number' && x > 0 && x < 0.5 ? undefined : 'must be above 0 and below 0.5'),
  },
  nu: {
    default: 1.5,
    wrong: (x) => (typeof x === 'number' && x > 1 && x < Infinity ? undefined : 'must be finite and above 1'),
  },
  theta: positive(1, 1),
  seed: whole(0, 0, 2 ** 32 - 1),
  device: kind((x) => x instanceof Device, 'a Device'),
  ...watchers<AdaSketchProgress>(),
};

/** δ falls no further (the authors' program). */
const leastDelta = 1e-6;
/** Weights beyond which a direction is given up (the authors' program). */
const [mostEta1, leastEta2] = [1e8, 1e-8];
/** Eigenvalues of G Gᵀ, its rows of length 1, below this share of the largest one count as 0. */
const rankShare = 1e-12;
/**
 * Curvature on the free directions below this share of the largest |W| counts as none; after a step that was shorter
 * than `short`, as directions along which there is hardly any are.
 */
const curvatureShare = { usual: 1e-8, careful: 1e-2 };
const short = 0.1;
/** Halvings of a step; shorter ones would hide in rounding. */
const mostHalvings = 40;
/** A residual that has grown by so much runs away. */
const mostGrowth = 1e12;
const rounding = 2 ** -52;

/**
 * Minimizes f(x) where c(x) = 0 by Newton steps on the conditions of an optimum, whose systems are solved by random
 * sketches in units of like size, only as exactly as the step must be to lead down an exact augmented Lagrangian, f +
 * λ·c + η₁|c|²/2 + η₂|∇ₓL|²/2. Weights and accuracy adapt themselves. Where the Hessian of the Lagrangian is not
 * positive definite on what the constraints leave free, its norm is added to it.
 *
 * Memory: 4 matrices of n + m rows and columns in f64, three on the host, and blocks; one more for sketches.
 *
 * Source: Hong, Na, Mahoney and Kolar 2023, "Constrained Optimization via Exact Augmented Lagrangian and Randomized
 * Iterative Sketching", and the authors' program, which has the objective's Hessian in the gradient of the merit
 * function; here it is the Lagrangian's. Theirs refuses Jacobians whose least singular value is below 0.1; here that
 * value is compared with the largest one, where all rows are of length 1.
 *
 * @param problem Functions on arrays, which may answer later.
 * @param x0 The start, `[n]`.
 * @param lambda0 The multipliers at the start, `[m]`.
 * @example
 * const { x, lambda, status } = await adaSketchNewton(problem, x0, lambda0, { tol: 1e-8 });
 *
 * @throws ERR_ARGUMENT for what is no problem, options out of range, starts that are not finite, numbers at the start
 * that are not, and for what functions throw; ERR_SHAPE for starts of another length, and functions that change the
 * length of an array; ERR_DISPOSED, ERR_MEMORY; the signal's reason when aborted
 */
export async function adaSketchNewton(
  problem: EqualityProblem,
  x0: Float64Array,
  lambda0: Float64Array,
  options: AdaSketchOptions = {},
): Promise<AdaSketchResult> {
  const where = 'adaSketchNewton';
  checkProblem(where, problem);
  const { variables: n, constraints: m } = problem;
  const x = vectorOf(where, 'x0', x0, n);
  const lambda = vectorOf(where, 'lambda0', lambda0, m);
  const given = readOptions(where, options, schema);
  if (given.block !== undefined && given.sketch !== 'block')
    throw refusal(where, 'block', "be left out but for sketch 'block'", given.block);
  if (given.block !== undefined && given.block > n + m)
    throw refusal(where, 'block', `be at most ${n + m}`, given.block);
  given.signal?.throwIfAborted();
  const device = given.device ?? Device.open('cpu');
  try {
    return await minimize(where, problem, x, lambda, given, device);
  } finally {
    if (device !== given.device) {
      const closed = device.close();
      // Who has aborted does not wait for what still runs there.
      if (!given.signal?.aborted) await closed;
      else closed.catch(() => {});
    }
  }
}

async function minimize(
  where: string,
  problem: EqualityProblem,
  x0: Float64Array,
  lambda0: Float64Array,
  given: Given,
  device: Device,
): Promise<AdaSketchResult> {
  const { variables: n, constraints: m } = problem;
  const { sketch, beta, nu, theta, xi, seed } = given;
  const block = sketch === 'gaussian' ? 1 : (given.block ?? Math.max(1, Math.min(32, Math.floor((n + m) / 2))));
  using task = new Task<AdaSketchProgress>(device, given);
  const quiet = task as unknown as Task<never>;
  const { queue } = task;
  const calls = new Calls(where, quiet, problem);
  using geometry = new Geometry(device, n, m);
  using owned = new Owned<Tensor>();
  let stream = 0;
  const random = () => ({ seed, stream: stream++ });
  const system = new SketchedSystem(device, sketch, block, n + m, 5, random, owned);
  const [zx, zl] = [owned.add(system.z.rows(0, n)), owned.add(system.z.rows(n, n + m))];
  const merit = new MeritSlope(device, geometry, zx, zl, owned);
  let { eta1, eta2, delta } = given;
  let largest = 0;

  let point = (await calls.at(x0, lambda0, true))!;
  let lengths = await geometry.enter(quiet, point);
  const [kkt, alphas, inner]: [number[], number[], number[]] = [[], [], []];
  const residualOf = ({ slope, violation }: Lengths): number => Math.sqrt(slope + violation);
  kkt.push(residualOf(lengths));
  const end = (status: SolverStatus): AdaSketchResult => ({
    x: point.x.slice(),
    lambda: point.lambda.slice(),
    value: point.value,
    kkt: Float64Array.from(kkt),
    alphas: Float64Array.from(alphas),
    inner,
    eta1,
    eta2,
    status,
    iterations: alphas.length,
  });

  for (;;) {
    const missed = kkt.at(-1)!;
    if (missed <= given.tol) return end('converged');
    if (missed <= 16 * rounding * lengths.scale) return end('at-precision');
    if (missed > mostGrowth * Math.max(1, kkt[0]!)) return end('diverged');
    const isLast = alphas.length >= given.maxIterations;
    // The eigenvalues come with sums of the Hessian, where one is asked for.
    const bend = isLast ? undefined : await geometry.bend(quiet, lengths, await calls.hessian(point));
    const { least, units: spectrum } = bend?.ranks ?? (await geometry.ranks(quiet, lengths));
    if (!(spectrum[0] > rankShare * spectrum[1])) return end('infeasible');
    if (bend === undefined) return end('max-iterations');
    const { values, size, skew } = bend;
    if (!Number.isFinite(size)) throw refusal(where, 'problem.hessian', 'give finite numbers', size);
    if (skew > 1e-12 * size) throw refusal(where, 'problem.hessian', 'give a symmetric matrix', Math.sqrt(skew / size));
    const norm = Math.sqrt(size);
    largest = Math.max(largest, norm);
    const leastCurvature = curvatureShare[(alphas.at(-1) ?? 1) < short ? 'careful' : 'usual'] * largest;
    const isConvex = await geometry.isConvex(quiet, values, leastCurvature, 2 * largest || 1);
    const shift = isConvex ? 0 : norm + xi * (largest || 1);

    merit.begin(queue);
    const b = new Float64Array(n + m);
    for (let i = 0; i < n; ++i) b[i] = -lengths.gradient[i]!;
    for (let i = 0; i < m; ++i) b[n + i] = -point.constraint[i]!;
    const units = () => unitsOf(values, shift, point.jacobian, n);
    await system.begin(quiet, systemOf(values, point.jacobian, n, shift), b, units);

    let trace = 0;
    for (let i = 0; i < n; ++i) trace += values[i * (n + 1)]!;
    // |W + shift · I|², and |K|².
    const shifted = size + shift * (2 * trace + n * shift);
    const wide = lengths.size;
    const whole = shifted + 2 * wide;
    const psi = (20 * Math.max(shifted, 1)) / (Math.min(least, 1) * Math.min(xi, 1));
    const upsilon = Math.max(Math.sqrt(wide), norm, 1);
    const formula = (): number => ((0.5 - beta) * eta2) / ((1 + eta1 + eta2) * upsilon ** 2 * psi ** 2);
    delta = Math.max(leastDelta, Math.min(delta, formula()));
    let steps = 0;
    let descent = 0;
    let solution: Solution;
    let failed: SolverStatus | undefined;
    for (;;) {
      const wanted = (theta * delta * missed) / (Math.sqrt(whole) * psi);
      solution = await system.reach(quiet, wanted, Math.sqrt(whole), given.maxInner - steps, merit.along);
      steps += solution.steps;
      descent = merit.of(solution.along, { eta1, eta2 });
      if (descent <= (-eta2 / 2) * missed ** 2) break;
      if (solution.end === 'limit') {
        // A direction that is not as exact as it should be still counts where it leads down.
        if (!(descent < 0)) failed = 'budget';
        break;
      }
      if (Number.isNaN(descent) || eta1 > mostEta1 || eta2 < leastEta2) {
        if (!(descent < 0)) failed = 'breakdown';
        break;
      }
      eta1 *= nu ** 2;
      eta2 /= nu;
      delta = Math.max(leastDelta, Math.min(delta / nu ** 4, formula()));
    }
    if (failed) return end(failed);

    const [dx, dl] = [solution.z.subarray(0, n), solution.z.subarray(n)];
    const weights = { eta1, eta2 };
    const start = meritOf(point, lengths, weights);
    const slack = 16 * rounding * (Math.abs(start) + Math.abs(point.value) + Math.abs(lengths.work));
    let alpha = 1;
    let next: { point: Point; lengths: Lengths } | undefined;
    for (let halving = 0; halving < mostHalvings; ++halving, alpha /= 2) {
      const moved = point.x.map((value, i) => value + alpha * dx[i]!);
      const multipliers = point.lambda.map((value, i) => value + alpha * dl[i]!);
      const trial = await calls.at(moved, multipliers, false);
      if (trial === undefined) continue;
      const there = await geometry.enter(quiet, trial);
      if (meritOf(trial, there, weights) > start + alpha * beta * descent + slack) continue;
      next = { point: trial, lengths: there };
      break;
    }
    if (next === undefined) return end(-descent <= slack ? 'at-precision' : 'search-failed');
    ({ point, lengths } = next);
    kkt.push(residualOf(lengths));
    alphas.push(alpha);
    inner.push(steps);
    task.report({ iterations: alphas.length, kkt: kkt.at(-1)! });
  }
}
