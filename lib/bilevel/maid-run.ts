import { allOrNone } from '../core/all-or-none.ts';
import { called, checkFinite } from '../core/callbacks.ts';
import { epsilonOf } from '../core/dtypes.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import type { LinearOperator } from '../core/operator.ts';
import type { Owned } from '../core/owned.ts';
import type { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { cg } from '../solvers/cg.ts';
import { gradientRounding, StronglyConvexDescent } from '../solvers/fista-strongly-convex.ts';
import type { SolverStatus } from '../solvers/status.ts';
import { type Constants, MaidConstants } from './maid-constants.ts';
import type { MaidIteration, MaidResult, MaidSettings } from './maid-options.ts';
import type { MaidProblem } from './maid-problem.ts';
import type { MaidKept, MaidNumbers } from './maid-state.ts';

/** After a step that was taken the next one is tried so many times longer. */
const growth = 10 / 9;
/** Times that accuracies shrink in vain before a search is given up. */
const mostRetries = 60;
/** Rounding of a value, relative to it: so many times that of the dtype. */
const roundings = 4;

/** A lower solution, and what the upper function is there. */
interface Point {
  theta: Tensor;
  x: Tensor;
  gradient: Tensor;
  value: number;
  gradNorm: number;
  /** L of its θ. */
  lipschitz: number;
  /** x is at most this far from the solution. */
  eps: number;
}

/** The reason why a run ends before it is at its end; thrown within it. */
class Ended {
  readonly status: SolverStatus;
  constructor(status: SolverStatus) {
    this.status = status;
  }
}

/** The place from which another run goes on. */
interface MaidNext {
  readonly x: Tensor;
  readonly q: Tensor;
  readonly numbers: MaidNumbers;
}

/** One run of MAID. */
export class MaidRun {
  readonly #where: string;
  readonly #task: Task<MaidIteration>;
  readonly #problem: MaidProblem;
  readonly #settings: MaidSettings;
  /** The caller's, which no function may dispose of. */
  readonly #lent: readonly Tensor[];
  readonly #owned: Owned<Tensor>;
  readonly #descent: StronglyConvexDescent;
  readonly #constants: MaidConstants;
  #here: Point;
  #there: Point;
  #q: Tensor;
  readonly #p: Tensor;
  /** The value of the upper function, and a square: views of both. */
  readonly #numbers: Tensor<'f64'>;
  readonly #value: Tensor<'f64'>;
  readonly #square: Tensor<'f64'>;
  /** Accuracies asked for, which those of the present point are no worse than. */
  #eps: number;
  #delta: number;
  /** Accuracies before they shrank last, at the present point. */
  #coarser: readonly [eps: number, delta: number] = [Infinity, Infinity];
  #gradNorm = NaN;
  #lowerCalls = 0;
  #cgCalls = 0;
  readonly #history: MaidIteration[] = [];
  /** The place from which another run goes on, as it was after the last step. */
  readonly #next: { readonly x: Tensor; readonly q: Tensor; numbers?: MaidNumbers } | undefined;
  /** Numbers with which this one goes on. */
  readonly #from: MaidNumbers | undefined;

  constructor(
    where: string,
    task: Task<MaidIteration>,
    problem: MaidProblem,
    settings: MaidSettings,
    theta: Tensor,
    x0: Tensor,
    owned: Owned<Tensor>,
    kept?: MaidKept,
  ) {
    [this.#where, this.#task, this.#problem, this.#settings] = [where, task, problem, settings];
    [this.#lent, this.#owned, this.#eps, this.#delta] = [[theta, x0], owned, settings.eps0, settings.delta0];
    const like = (one: Tensor): Tensor => vectors.like(one, owned)[0]!;
    const point = (): Point => ({
      theta: like(theta),
      x: like(x0),
      gradient: like(x0),
      value: NaN,
      gradNorm: NaN,
      lipschitz: NaN,
      eps: NaN,
    });
    [this.#here, this.#there] = [point(), point()];
    this.#q = owned.add(Tensor.zeros(x0.device, [x0.size], { dtype: x0.dtype as 'f32' | 'f64' }));
    this.#p = like(theta);
    this.#numbers = owned.add(new Tensor(task.device, [2], 'f64'));
    this.#value = owned.add(this.#numbers.rows(0, 1));
    this.#square = owned.add(this.#numbers.rows(1, 2));
    this.#descent = new StronglyConvexDescent(task, [x0], owned);
    this.#constants = new MaidConstants(settings, problem.upper.lipschitz, {
      task,
      owned,
      like: { x: x0, theta },
      ask: (name, lent, run) => this.#ask(name, lent, run),
      problem,
    });
    vectors.copy(task.queue, [theta, x0], [this.#here.theta, this.#here.x]);
    if (!kept) return;
    this.#next = { x: like(x0), q: vectors.like(this.#q, owned)[0]! };
    const { numbers } = kept;
    if (!numbers) return;
    vectors.copy(task.queue, [kept.x, kept.q], [this.#here.x, this.#q]);
    this.#from = numbers;
    [this.#eps, this.#delta, this.#here.eps] = [numbers.eps, numbers.delta, numbers.pointEps];
    this.#constants.goOn(numbers);
  }

  async run(): Promise<MaidResult & { theta: Tensor; next: MaidNext | undefined }> {
    let status: SolverStatus;
    try {
      status = await this.#descend();
    } catch (ended) {
      if (!(ended instanceof Ended)) throw ended;
      ({ status } = ended);
    }
    const { theta, x, value } = this.#here;
    const [gradNorm, lowerCalls, cgCalls, history] = [this.#gradNorm, this.#lowerCalls, this.#cgCalls, this.#history];
    const { certified } = this.#constants;
    const next = this.#next?.numbers && (this.#next as MaidNext);
    const counts = { iterations: history.length, status, certified, lowerCalls, cgCalls, history };
    return { theta, x, next, value, gradNorm, ...counts };
  }

  async #descend(): Promise<SolverStatus> {
    const { eta, rho, tau, nu, gradTol, maxIterations, fixedAccuracy } = this.#settings;
    let { step0: first, maxBacktracks } = this.#settings;
    if (this.#from) ({ first, maxBacktracks } = this.#from);
    let retries = 0;
    this.#here.lipschitz = await this.#lipschitzAt(this.#here.theta);
    if (!this.#from) await this.#solve(this.#here);
    await this.#look(this.#here);
    this.#keep(first, maxBacktracks);
    for (;;) {
      const error = await this.#gradient();
      if (this.#gradNorm + error <= gradTol) return 'converged';
      if (this.#history.length >= maxIterations) return 'max-iterations';
      const accepted = await this.#search(first, rho, maxBacktracks, eta);
      if (accepted === undefined) {
        retries += 1;
        if (fixedAccuracy || retries > mostRetries) return 'search-failed';
        maxBacktracks += 1;
        await this.#sharpen(tau);
        continue;
      }
      const { value } = this.#here;
      const [gradNorm, eps, delta] = [this.#gradNorm, this.#eps, this.#delta];
      [this.#here, this.#there] = [this.#there, this.#here];
      // That of the new point is not known before it is taken.
      this.#gradNorm = NaN;
      retries = 0;
      first = growth * accepted;
      const grow = fixedAccuracy ? 1 : nu;
      [this.#eps, this.#delta] = [Math.max(grow * eps, this.#here.eps), grow * delta];
      this.#coarser = [Infinity, Infinity];
      this.#keep(first, maxBacktracks);
      const [iteration, lowerCalls, cgCalls] = [this.#history.length + 1, this.#lowerCalls, this.#cgCalls];
      const told = { iteration, value, gradNorm, error, eps, delta, step: accepted, lowerCalls, cgCalls };
      this.#history.push(told);
      this.#task.report(told);
    }
  }

  /** Notes where another run goes on from. */
  #keep(first: number, maxBacktracks: number): void {
    const next = this.#next;
    if (!next) return;
    vectors.copy(this.#task.queue, [this.#here.x, this.#q], [next.x, next.q]);
    const [eps, delta, pointEps] = [this.#eps, this.#delta, this.#here.eps];
    next.numbers = { eps, delta, pointEps, first, maxBacktracks, ...this.#constants.state() };
  }

  /**
   * Takes the first step that leads down, to `there`; its size, or nothing where there is none among `most`. Steps that
   * lead up for certain are too long at any accuracy, and do not count.
   */
  async #search(first: number, rho: number, most: number, eta: number): Promise<number | undefined> {
    const [here, there, { queue }] = [this.#here, this.#there, this.#task];
    for (let tried = 0, step = first; tried < most && step > 0; step *= rho) {
      tried += 1;
      vectors.combine(queue, there.theta, [1, here.theta], [-step, this.#p]);
      vectors.copy(queue, here.x, there.x);
      there.lipschitz = await this.#lipschitzAt(there.theta, true);
      if (!(await this.#solve(there, true))) continue;
      await this.#look(there, true);
      const { Lg } = this.#constants.of();
      const slope = this.#gradNorm ** 2;
      const inexact = (gradNorm: number, eps: number): number =>
        here.gradNorm * this.#eps + gradNorm * eps + (Lg * (this.#eps * this.#eps + eps * eps)) / 2;
      const rounding = (value: number): number =>
        roundings * epsilonOf(here.x.dtype) * (Math.abs(here.value) + Math.abs(value));
      const change = there.value - here.value;
      const unsure = inexact(there.gradNorm, there.eps) + rounding(there.value);
      if (change + unsure <= -eta * step * slope) return step;
      if (change > unsure) tried -= 1;
      // No step that is shorter can be seen to lead down: those are of points whose values are like that of this one.
      const least = rounding(here.value);
      if (least > step * slope) {
        if (this.#isFinest || inexact(here.gradNorm, this.#eps) <= least) throw new Ended('at-precision');
        break;
      }
    }
    return undefined;
  }

  /** p, the gradient where the run is, as well as its own length asks for; resolves to the bound on its error. */
  async #gradient(): Promise<number> {
    const { eta, tau, gradTol, fixedAccuracy } = this.#settings;
    for (let isFirst = true; ; isFirst = false) {
      await this.#adjoint();
      const here = this.#here;
      const lent = [here.x, here.theta, this.#q, this.#p];
      using q = this.#q.reshape(here.x.shape);
      await this.#ask('lower.jacobianTransposed', lent, () =>
        this.#problem.lower.jacobianTransposed(here.x, here.theta, q, this.#p),
      );
      vectors.dot(this.#task.queue, this.#p, this.#p, this.#square);
      const norm = Math.sqrt((await this.#task.read(this.#square))[0]!);
      checkFinite(this.#named('lower.jacobianTransposed'), norm);
      this.#gradNorm = norm;
      // p is the gradient with the other sign up to here.
      vectors.scale(this.#task.queue, -1, this.#p);
      if (isFirst) await this.#constants.estimate(here, q, norm, this.#eps);
      const error = this.#errorOf(this.#constants.of());
      if (norm + error <= gradTol || fixedAccuracy || error <= (1 - eta) * norm) return error;
      if (this.#isFinest) throw new Ended('at-precision');
      await this.#sharpen(tau);
    }
  }

  /** Bound of the distance of p from the gradient of g(x̂(θ)). */
  #errorOf({ B, LB, LAinv, Lg }: Constants): number {
    const { mu } = this.#settings;
    const { gradNorm, x } = this.#here;
    const [eps, delta] = [this.#eps, this.#delta];
    const ofX = (B * Lg) / mu + B * LAinv * gradNorm + (LB * gradNorm) / mu;
    // The last term is the rounding of the product with q, which is no longer than this.
    const sizeOfQ = (gradNorm + delta) / mu;
    const rounded = roundings * epsilonOf(x.dtype) * B * sizeOfQ;
    return ofX * eps + (B / mu) * delta + ((LB * Lg) / mu) * eps * eps + rounded;
  }

  /** True once accuracies that were to shrink have not, as rounding lets them get no better. */
  get #isFinest(): boolean {
    const least = Math.sqrt(this.#settings.tau);
    const [eps, delta] = this.#coarser;
    return this.#eps > least * eps && this.#delta > least * delta;
  }

  /** Higher accuracies, and the lower solution to them. */
  async #sharpen(tau: number): Promise<void> {
    this.#coarser = [this.#eps, this.#delta];
    [this.#eps, this.#delta] = [tau * this.#eps, tau * this.#delta];
    await this.#solve(this.#here);
    await this.#look(this.#here);
  }

  /** Brings a point's x within eps of the solution for its θ; false for a trial where that cannot be. */
  async #solve(point: Point, isTrial = false): Promise<boolean> {
    const { mu, maxLower } = this.#settings;
    const { x, theta, lipschitz } = point;
    if (!Number.isFinite(lipschitz)) return false;
    const left = maxLower - this.#lowerCalls;
    if (left <= 0) throw new Ended('budget');
    const named = this.#named('lower.gradient');
    const { status, error } = await this.#descent.run({
      params: [x],
      named,
      gradient: ([out]) => {
        this.#lowerCalls += 1;
        return this.#ask('lower.gradient', [x, theta, out!], () => this.#problem.lower.gradient(x, theta, out!));
      },
      mu,
      lipschitz,
      accuracy: this.#eps,
      maxIterations: left - 1,
      mayLeave: isTrial,
    });
    // A solution at precision is as near as can be: the bounds tell whether it is enough.
    point.eps = status === 'at-precision' ? Math.max(this.#eps, error) : this.#eps;
    if (!isTrial) this.#eps = point.eps;
    if (status === 'converged' || status === 'at-precision') return true;
    if (isTrial && status !== 'max-iterations') return false;
    if (status === 'diverged') {
      const words = `be of a function that is ${mu}-strongly convex, with ${lipschitz} for the Lipschitz constant`;
      throw new OrthokitError('ERR_ARGUMENT', `${named} must ${words}, got gradients that grow`);
    }
    throw new Ended('budget');
  }

  /** The upper function at a point. Where a trial lands, its numbers need not be finite: no step leads there. */
  async #look(point: Point, isTrial = false): Promise<void> {
    const { upper } = this.#problem;
    const { x, gradient } = point;
    await this.#ask('upper.value', [x, this.#value], () => upper.value(x, this.#value));
    await this.#ask('upper.gradient', [x, gradient], () => upper.gradient(x, gradient));
    vectors.dot(this.#task.queue, gradient, gradient, this.#square);
    const [value, squared] = (await this.#task.read(this.#numbers)) as unknown as [number, number];
    point.value = value;
    point.gradNorm = Math.sqrt(squared);
    if (isTrial) return;
    checkFinite(this.#named('upper.value'), value);
    checkFinite(this.#named('upper.gradient'), squared);
  }

  /** q with a residual of at most delta: the solution of ∇²ₓₓ h q = ∇g. */
  async #adjoint(): Promise<void> {
    const { mu, maxCg } = this.#settings;
    const { x, theta, gradient, gradNorm, lipschitz } = this.#here;
    const { device, dtype, size: n } = x;
    // Rounding of a product with q, which is no longer than (|∇g| + delta) / mu, is to be at most half of delta.
    const rounded = gradientRounding(dtype, lipschitz, 1 / mu);
    const least = rounded < 0.25 ? (2 * rounded * gradNorm) / (1 - 2 * rounded) : Infinity;
    this.#delta = Math.max(this.#delta, Math.min(least, gradNorm));
    if (gradNorm <= this.#delta) {
      // A q of 0 is near enough.
      vectors.scale(this.#task.queue, 0, this.#q);
      return;
    }
    const rounding = rounded * (gradNorm + this.#delta);
    const left = maxCg - this.#cgCalls;
    if (left <= 0) throw new Ended('budget');
    let failure: unknown;
    const apply = (v: Tensor, out: Tensor): Promise<void> | undefined => {
      const [direction, product] = allOrNone(() => v.reshape(x.shape), () => out.reshape(x.shape)); // biome-ignore format: one line
      const end = (): void => {
        direction.dispose();
        product.dispose();
      };
      const fail = (error: unknown): never => {
        failure = error;
        throw error;
      };
      let wait: Promise<void> | undefined;
      try {
        wait = this.#ask('lower.hessianProduct', [x, theta, v, out, direction, product], () =>
          this.#problem.lower.hessianProduct(x, theta, direction, product),
        );
      } catch (error) {
        end();
        fail(error);
      }
      if (wait) return wait.catch(fail).finally(end);
      end();
      return undefined;
    };
    const operator: LinearOperator = { device, dtype, shape: [n, n], apply };
    using b = gradient.reshape([n]);
    const { signal } = this.#task;
    try {
      const tol = (this.#delta - rounding) / gradNorm;
      const result = await cg(operator, b, { x0: this.#q, tol, maxIterations: left, ...(signal && { signal }) });
      this.#owned.drop(this.#q);
      this.#q = this.#owned.add(result.x);
      this.#cgCalls += result.iterations;
      if (result.status === 'converged') return;
      if (result.status === 'breakdown') {
        const named = this.#named('lower.hessianProduct');
        throw new OrthokitError('ERR_ARGUMENT', `${named} must be of a strongly convex function, got a curvature of 0 or less`); // biome-ignore format: one line
      }
      throw new Ended(result.status === 'max-iterations' ? 'budget' : 'at-precision');
    } catch (error) {
      if (failure) throw failure;
      if (error instanceof Ended || !(error instanceof OrthokitError) || !error.message.startsWith('cg: ')) throw error;
      throw new OrthokitError(
        error.code,
        `${this.#named('lower.hessianProduct')} must give finite numbers, got others`,
        {
          cause: error,
        },
      );
    }
  }

  /** L at a θ; for a trial it need not be finite. */
  async #lipschitzAt(theta: Tensor, isTrial = false): Promise<number> {
    const { lipschitz, mu } = this.#settings;
    if (typeof lipschitz === 'number') return lipschitz;
    let value: unknown;
    await this.#ask('lipschitz', [theta], async () => {
      value = await lipschitz(theta);
    });
    if (typeof value === 'number' && value >= mu && value < Infinity) return value;
    if (isTrial && (value === Infinity || Number.isNaN(value))) return value as number;
    throw refusal(this.#named('lipschitz'), 'the constant', `be finite and at least mu, ${mu}`, shown(value));
  }

  #named(name: string): string {
    return `${this.#where}: ${name} of iteration ${this.#history.length + 1}`;
  }

  /** Undefined where the function gives no promise. */
  #ask(name: string, lent: readonly Tensor[], run: () => void | Promise<void>): Promise<void> | undefined {
    return called(this.#named(name), [...this.#lent, ...lent], run, this.#task as Task<never>);
  }
}
