import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import { combine, copy } from '../../core/vectors.ts';
import { massFields, type Pair, type StoredCost, scaleFields } from '../problem/cost.ts';
import type { Problem } from '../problem/problem.ts';
import { type Control, mostQueued } from './control.ts';
import { clamp } from './streaming.ts';

/** Scales of a kernel so large, as |ln|, go into the potentials while entries lost to underflow count for nothing. */
const largestLog = { f32: 20, f64: 150 } as const;

/** A sweep reads the kernel at some 3e9 elements a second: so many take about ten milliseconds. */
const elementsAtOnce = 3e7;

/** The outcome of `scalingSweeps`. */
export interface Swept {
  readonly done: number;
  /** L1 error of the columns before their last update. */
  readonly error: number;
  /** A sum vanished or overflowed: the kernel does not carry the plan. */
  readonly failed: boolean;
}

const both = ({ rows, columns }: Pair): Tensor[] => [rows, columns];

/**
 * A plan under way: P = diag(u) K diag(v) with the Gibbs kernel K = exp((f + g − C) / eps) of potentials that the
 * scales u and v are put into from time to time. All its tensors are its own.
 */
export class ScaledPlan {
  readonly problem: Problem<StoredCost>;
  readonly cost: StoredCost;
  readonly masses: Pair;
  readonly control: Control;
  readonly limit: number;
  readonly #potentials: Pair;
  readonly #statistics: Tensor<'f64'>;
  readonly #sweepStatistics: Tensor<'f64'>;
  #scales: Pair;
  #kernel: Tensor | undefined;
  #isKernelRight = false;
  #eps: number;

  constructor(problem: Problem<StoredCost>) {
    const { cost, masses, control, settings, start } = problem;
    this.problem = problem;
    this.cost = cost;
    this.masses = masses;
    this.control = control;
    this.limit = largestLog[cost.dtype];
    this.#eps = settings.eps;
    this.#potentials = start;
    this.#scales = this.pair();
    this.#statistics = this.vector(1);
    this.#sweepStatistics = this.vector(4);
  }

  /** An f64 vector that lives as long as the plan. */
  vector(size: number): Tensor<'f64'> {
    return this.own(new Tensor(this.cost.device, [size], 'f64'));
  }
  /** The same, one for the rows and one for the columns. */
  pair(): Pair {
    return { rows: this.vector(this.cost.rows), columns: this.vector(this.cost.columns) };
  }
  /** Another tensor that is to go with the plan. */
  own<T extends Tensor>(tensor: T): T {
    return this.problem.owned.add(tensor);
  }

  get eps(): number {
    return this.#eps;
  }

  /** Goes to another eps, at the same potentials. */
  enter(eps: number): void {
    this.absorb();
    this.#eps = eps;
  }

  /** The kernel, queued where it is not there, and its scales. */
  ensureKernel(): { readonly kernel: Tensor; readonly scales: Pair } {
    const kernel = this.#room();
    if (!this.#isKernelRight) {
      this.cost.gibbsKernel(this.control.queue, this.#potentials, this.#eps, kernel);
      ops.fill(this.control.queue, { x: both(this.#scales), value: 1 });
      this.#isKernelRight = true;
    }
    return { kernel, scales: this.#scales };
  }

  #room(): Tensor {
    this.#kernel ??= this.own(new Tensor(this.cost.device, [this.cost.rows, this.cost.columns], this.cost.dtype));
    return this.#kernel;
  }

  /** The plan moves to other scales of its kernel; those that it had. */
  exchangeScales(scales: Pair): Pair {
    const left = this.#scales;
    this.#scales = scales;
    return left;
  }

  /** A copy of the potentials, which lives as long as the plan. */
  remember(into: Pair = this.pair()): Pair {
    copy(this.control.queue, both(this.absorb()), both(into));
    return into;
  }

  /** Goes to potentials that were remembered. */
  recall(from: Pair): void {
    copy(this.control.queue, both(from), both(this.absorb()));
  }

  /** Goes on as far as `share` of the way from potentials that were remembered to here. */
  extrapolate(from: Pair, share: number): void {
    const { queue } = this.control;
    const [here, before] = [both(this.absorb()), both(from)];
    // Potentials of masses of 0 stay where they are: the difference of infinities is no number.
    clamp(queue, ...here, ...before);
    combine(queue, here, [1 + share, here], [-share, before]);
  }

  /** Puts the scales into the potentials, and returns these. */
  absorb(): Pair {
    if (!this.#isKernelRight) return this.#potentials;
    this.#isKernelRight = false;
    const { queue } = this.control;
    const [potentials, logs] = [both(this.#potentials), both(this.#scales)];
    ops.map(queue, { out: logs, x: logs, function: 'log' });
    combine(queue, potentials, [1, potentials], [this.#eps, logs]);
    return this.#potentials;
  }

  /** Sweeps in the log domain, which no plan is too extreme for. */
  async logSweeps(count: number): Promise<void> {
    this.absorb();
    const { cost, control } = this;
    const atOnce = Math.max(1, Math.floor(mostQueued / cost.work));
    for (let left = count; left > 0; left -= atOnce) {
      const now = Math.min(atOnce, left);
      cost.logSweeps(control.queue, this.masses, this.#potentials, this.#eps, now, this.#statistics);
      control.iterations.sweeps += now;
      await control.pace(now * cost.work);
    }
  }

  /** Makes as many sweeps at another eps. */
  async sweepAt(count: number, eps: number): Promise<void> {
    this.enter(eps);
    await this.logSweeps(count);
  }

  /** Makes as many sweeps from potentials of 0. */
  async restart(count: number): Promise<void> {
    ops.fill(this.control.queue, { x: both(this.absorb()), value: 0 });
    await this.logSweeps(count);
  }

  /** Sweeps in the log domain, the last one of which leaves the kernel behind: its exponentials serve both. */
  async kernelSweeps(count: number): Promise<void> {
    await this.logSweeps(count - 1);
    const stored = { kernel: this.#room(), columnScale: this.#scales.columns };
    const { cost, control } = this;
    cost.logSweeps(control.queue, this.masses, this.#potentials, this.#eps, 1, this.#statistics, stored);
    ops.fill(control.queue, { x: [this.#scales.rows], value: 1 });
    this.#isKernelRight = true;
    control.iterations.sweeps += 1;
    await control.pace(cost.work);
  }

  /** L1 error of the columns before the last update in the log domain. */
  async logError(): Promise<number> {
    return (await this.control.read(this.#statistics))[0]!;
  }

  /** Number of sweeps to ask for at once. */
  get sweepsAtOnce(): number {
    const count = Math.round(elementsAtOnce / (this.cost.rows * this.cost.columns));
    return Math.min(100, Math.max(1, count));
  }

  /** Sweeps on the kernel until the error is at most `tol`, `count` are done, or scales must be absorbed, and are. */
  async scalingSweeps(count: number, tol: number): Promise<Swept> {
    this.#queueSweeps(count, tol);
    const [done, error, largest, failed] = await this.control.read(this.#sweepStatistics);
    this.control.iterations.sweeps += done!;
    if (largest! > this.limit / 2) this.absorb();
    return { done: done!, error: error!, failed: failed === 1 };
  }

  /** Makes as many sweeps on the kernel, whose outcome the next evaluation will show. */
  blindSweeps(count: number): void {
    this.#queueSweeps(count, 0);
    this.control.iterations.sweeps += count;
  }

  #queueSweeps(count: number, tol: number): void {
    const { kernel, scales } = this.ensureKernel();
    ops.scalingSweeps(this.control.queue, {
      kernel,
      ...massFields(this.masses),
      ...scaleFields(scales),
      statistics: this.#sweepStatistics,
      maxSweeps: count,
      tol,
      maxScale: Math.exp(this.limit / 2),
    });
  }
}
