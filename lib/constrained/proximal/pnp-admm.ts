import { callback, checkFinite } from '../../core/callbacks.ts';
import * as check from '../../core/check.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { checkOperator, type LinearOperator } from '../../core/operator.ts';
import { isRecord } from '../../core/options.ts';
import { Owned } from '../../core/owned.ts';
import {
  count,
  notNegative,
  optional,
  positive,
  type Resolved,
  readOptions,
  type Schema,
  watchers,
  word,
} from '../../core/schema.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { cg } from '../../solvers/cg.ts';
import type { SolverStatus } from '../../solvers/status.ts';

/** Measurements, and what is known of signals. */
export interface PnpAdmmProblem {
  /** A, `[m, n]`, with its adjoint. */
  readonly operator: LinearOperator;
  /** y `[m]`: what was measured, A x and noise. */
  readonly y: Tensor;
  /** out = prox(x), both `[n]`: a learnt proximal operator, a denoiser, or one that is known. */
  readonly prox: (x: Tensor, out: Tensor) => void | Promise<void>;
}

/** Progress of {@link pnpAdmm}, told after each iteration. */
export interface PnpAdmmProgress {
  /** Iterations so far. */
  readonly iterations: number;
  /** |x − z|. */
  readonly primal: number;
  /** The length of the last change of z. */
  readonly dual: number;
}

/** Options of {@link pnpAdmm}. */
export interface PnpAdmmOptions extends TaskOptions<PnpAdmmProgress> {
  /** ρ, by which x is held near z: > 0. `prox` is that of the prior over ρ. Default: 1. */
  rho?: number | undefined;
  /** Whole, from 1 on. Default: 100. */
  iterations?: number | undefined;
  /** Both residuals over the length of x, or 1 where that is larger, that are enough: not negative. Default: 1e-6. */
  tol?: number | undefined;
  /** Relative residual of the systems for x: not negative. Default: 1e-10 in f64, 1e-5 in f32. */
  cgTol?: number | undefined;
  /** Iterations of each system, at most: whole, from 1 on. Default: 100. */
  cgIterations?: number | undefined;
  /** Over-relaxation, from 0 to 2, 0 excluded. Default: 1. */
  relax?: number | undefined;
  /** The order in which an iteration renews x, z and u. Default: `'xzu'`. */
  order?: 'xzu' | 'zxu' | 'xuz' | undefined;
}

/** The end of {@link pnpAdmm}. */
export interface PnpAdmmResult {
  /** `[n]`, the caller's: what the measurements and the prior agree on. */
  readonly x: Tensor;
  /** |x − z| after each iteration. */
  readonly primal: Float64Array;
  /** The length of the change of z in each iteration. */
  readonly dual: Float64Array;
  /** `'converged'`; `'max-iterations'`; `'diverged'` where a residual is beyond the range of numbers. */
  readonly status: SolverStatus;
  /** Iterations taken. */
  readonly iterations: number;
}

const schema: Schema<Resolved<PnpAdmmOptions, 'cgTol' | 'signal' | 'onProgress'>> = {
  rho: positive(1),
  iterations: count(100),
  tol: notNegative(1e-6),
  cgTol: optional(notNegative(0)),
  cgIterations: count(100),
  relax: positive(1, 2),
  order: word<'xzu' | 'zxu' | 'xuz'>(['xzu', 'zxu', 'xuz'], 'xzu'),
  ...watchers<PnpAdmmProgress>(),
};

/**
 * Signals from measurements by ADMM with a proximal operator that is plugged in: x = argmin |A x − y|²/2 + (ρ/2)
 * |x − z + u|², by conjugate gradients from the last x on, z = prox(x + u), u += x − z. With the exact proximal
 * operator of R/ρ it minimizes |A x − y|²/2 + R(x). All begin at 0.
 *
 * Memory: 12 vectors of n elements, one of m.
 *
 * Source: Venkatakrishnan, Bouman and Wohlberg 2013; with learnt operators Fang, Buchanan and Sulam 2024.
 *
 * @example
 * const { x } = await pnpAdmm({ operator, y, prox: (v, out) => denoise(v, out) }, { rho: 0.05 });
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE for options, operators and vectors that do not fit, for NaN,
 * for an adjoint that is none, where a system shows it, and for what functions throw; ERR_DISPOSED if they dispose of
 * what they are given; ERR_MEMORY; the signal's reason when aborted
 */
export async function pnpAdmm(problem: PnpAdmmProblem, options: PnpAdmmOptions = {}): Promise<PnpAdmmResult> {
  const where = 'pnpAdmm';
  if (!isRecord(problem)) throw refusal(where, 'problem', 'be an object', shown(problem));
  const { operator, y, prox } = problem as unknown as PnpAdmmProblem;
  checkOperator(where, 'operator', operator);
  const { device, dtype, shape } = operator;
  if (typeof operator.adjoint !== 'function')
    throw refusal(where, 'operator', 'have a function adjoint', shown(operator.adjoint));
  check.tensor(where, 'y', y, { shape: [shape[0]], dtypes: [dtype], device });
  check.callable(where, 'prox', prox);
  const given = readOptions(where, options, schema);
  const { rho, relax, tol, cgTol = dtype === 'f64' ? 1e-10 : 1e-5 } = given;
  using task = new Task<PnpAdmmProgress>(device, given);
  const quiet = task as unknown as Task<never>;
  using owned = new Owned<Tensor>();
  const { queue } = task;
  const zeros = (size: number): Tensor => owned.add(Tensor.zeros(device, [size], { dtype }));
  const [m, n] = shape;
  let x = zeros(n);
  let [z, before] = [zeros(n), zeros(n)];
  const [u, mixed, side, back, image] = [zeros(n), zeros(n), zeros(n), zeros(n), zeros(m)];
  const numbers = owned.add(new Tensor(device, [3], 'f64'));
  const apply = (from: Tensor, to: Tensor): Promise<void> =>
    callback(quiet, `${where}: operator.apply`, [from, to], () => operator.apply(from, to));
  const adjoint = (from: Tensor, to: Tensor): Promise<void> =>
    callback(quiet, `${where}: operator.adjoint`, [from, to], () => operator.adjoint!(from, to));
  const normal: LinearOperator = {
    device,
    dtype,
    shape: [n, n],
    async apply(from, to) {
      try {
        await apply(from, image);
        await adjoint(image, to);
      } catch (error) {
        failure = { error };
        throw error;
      }
      vectors.axpy(queue, rho, from, to);
    },
  };
  /** An error of the operator, which must not be told as a fault of the solver's. */
  let failure: { readonly error: unknown } | undefined;
  const solve = async (side: Tensor, x0: Tensor) => {
    try {
      return await cg(normal, side, { x0, tol: cgTol, maxIterations: given.cgIterations, signal: given.signal });
    } catch (error) {
      if (failure) throw failure.error;
      if (!(error instanceof OrthokitError)) throw error;
      throw new OrthokitError(error.code, `${where}: ${error.message.replace(/^cg: /, '')}`, { cause: error });
    }
  };
  await adjoint(y, back);
  vectors.dot(queue, back, back, owned.add(numbers.rows(0, 1)));
  checkFinite(`${where}: operator.adjoint`, (await task.read(numbers))[0]!);

  const none = () => new OrthokitError('ERR_ARGUMENT', `${where}: prox must give numbers, got NaN`);
  /** The point that z and u are renewed by: relax · x + (1 − relax) · z. */
  const relaxed = (of: Tensor): void => vectors.combine(queue, mixed, [relax, x], [1 - relax, of]);
  const square = owned.add(vectors.scalar(device));
  /** Each tells whether numbers have left their range. */
  const renew = {
    async x() {
      vectors.combine(queue, side, [1, back], [rho, z], [-rho, u]);
      vectors.dot(queue, side, side, square);
      const size = (await task.read(square))[0]!;
      if (Number.isNaN(size)) throw none();
      if (size === Infinity) return true;
      const solved = await solve(side, x);
      owned.drop(x);
      x = owned.add(solved.x);
      if (solved.status !== 'breakdown') return false;
      const got = 'a product with both that is not positive';
      throw refusal(where, 'operator.adjoint', 'be the adjoint of operator.apply', got);
    },
    async z() {
      [z, before] = [before, z];
      relaxed(before);
      vectors.combine(queue, side, [1, mixed], [1, u]);
      await callback(quiet, `${where}: prox`, [side, z], () => prox(side, z));
      return false;
    },
    async u() {
      relaxed(given.order === 'xzu' ? before : z);
      vectors.combine(queue, u, [1, u], [1, mixed], [-1, z]);
      return false;
    },
  };
  const [primal, dual]: [number[], number[]] = [[], []];
  const end = (status: SolverStatus): PnpAdmmResult => ({
    x: owned.release(x),
    primal: Float64Array.from(primal),
    dual: Float64Array.from(dual),
    status,
    iterations: primal.length,
  });
  for (;;) {
    for (const which of given.order) if (await renew[which as 'x' | 'z' | 'u']()) return end('diverged');
    vectors.combine(queue, side, [1, x], [-1, z]);
    vectors.combine(queue, mixed, [1, z], [-1, before]);
    vectors.dots(queue, [[side, side], [mixed, mixed], [x, x]], numbers); // biome-ignore format: one line
    const [gap, change, size] = (await task.read(numbers)) as unknown as [number, number, number];
    if (Number.isNaN(gap) || Number.isNaN(change)) throw none();
    primal.push(Math.sqrt(gap));
    dual.push(Math.sqrt(change));
    task.report({ iterations: primal.length, primal: primal.at(-1)!, dual: dual.at(-1)! });
    if (!(gap < Infinity && change < Infinity && size < Infinity)) return end('diverged');
    if (Math.max(primal.at(-1)!, dual.at(-1)!) <= tol * Math.max(1, Math.sqrt(size))) return end('converged');
    if (primal.length >= given.iterations) return end('max-iterations');
  }
}
