import type { Device } from '../../core/device.ts';
import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { combine, copy } from '../../core/vectors.ts';
import type { Cost, Pair, PlanSums, Side } from '../problem/cost.ts';
import type { Penalties } from '../problem/penalties.ts';
import { sumOf } from '../problem/potentials.ts';
import type { Control } from './control.ts';

/** ln 0, and as far away as a sum may be: products with it stay finite. */
export const farthest = 1e200;

/** Takes numbers no farther than that from 0. */
export const clamp = (queue: Device, ...x: readonly Tensor[]): void =>
  ops.map(queue, { out: x, x, function: 'clamp', parameters: [-farthest, farthest] });

/** Sweeps between looks at the error. */
const sweepsAtOnce = 10;

export const opposite = (side: Side): Side => (side === 'rows' ? 'columns' : 'rows');

/** The potentials of a plan without its matrix. */
interface Half {
  readonly cost: Cost;
  readonly owned: Owned;
  /** Changed by sweeps. */
  readonly potentials: Pair;
  readonly logMasses: Pair;
  readonly penalties: Penalties;
}

/**
 * Sweeps in the log domain that store no matrix: each half a smooth minimum over rows or columns. With penalties rho
 * the updates are damped by rho / (rho + eps), and the marginals are a exp(−f / rho) at the optimum.
 */
export class Streaming<P> {
  readonly potentials: Pair;
  /** L1 error of a side when it was last compared. */
  readonly error: Tensor<'f64'>;
  /** Logarithms of sums by the other side's potential, where it was last looked at. */
  readonly logSums: Pair;
  readonly #cost: Cost;
  readonly #control: Control<P>;
  readonly #logMasses: Pair;
  readonly #penalties: Penalties;
  readonly #sums: Pair;
  readonly #targets: Pair;

  constructor(control: Control<P>, { cost, owned, potentials, logMasses, penalties }: Half) {
    const vector = (size: number) => owned.add(new Tensor(cost.device, [size], 'f64'));
    const pair = (): Pair => ({ rows: vector(cost.rows), columns: vector(cost.columns) });
    this.#cost = cost;
    this.#control = control;
    this.#penalties = penalties;
    this.#logMasses = logMasses;
    this.potentials = potentials;
    this.logSums = pair();
    this.#sums = pair();
    this.#targets = pair();
    this.error = vector(1);
    clamp(control.queue, potentials.rows, potentials.columns);
  }

  /** The sums of a side. */
  async look(side: Side, eps: number): Promise<void> {
    const { queue } = this.#control;
    const logSums = this.logSums[side];
    this.#cost.softmin(queue, side, this.potentials[opposite(side)], eps, { logSums });
    clamp(queue, logSums);
    await this.#control.pace(this.#cost.work);
  }

  /** f ← share · f + (1 − share) · damping · eps (ln r − logSums). */
  update(side: Side, eps: number, share = 0): void {
    const damping = 1 / (1 + eps / this.#penalties[side]);
    const step = (1 - share) * damping * eps;
    const out = this.potentials[side];
    const kept = share === 0 ? [] : [[share, out] as const];
    combine(this.#control.queue, out, [step, this.#logMasses[side]], [-step, this.logSums[side]], ...kept);
  }

  /** Compares the sums of a side, at its potential and the logSums there are, with those it should have; L1 error. */
  compare(side: Side, eps: number): void {
    const { queue } = this.#control;
    const [sums, targets] = [this.#sums[side], this.#targets[side]];
    const own = this.potentials[side];
    combine(queue, sums, [1, this.logSums[side]], [1 / eps, own]);
    combine(queue, targets, [1, this.#logMasses[side]], [-1 / this.#penalties[side], own]);
    ops.map(queue, { out: [sums, targets], x: [sums, targets], function: 'exp' });
    combine(queue, sums, [1, sums], [-1, targets]);
    ops.map(queue, { out: [sums], x: [sums], function: 'abs' });
    using row = sums.reshape([1, sums.size]);
    ops.rowReduce(queue, { x: row, out: this.error, reduction: 'sum' });
  }

  /** Sweeps; the error of the columns before the last update stays on the device. */
  async sweep(count: number, eps: number): Promise<void> {
    for (let k = 1; k <= count; ++k) {
      await this.look('rows', eps);
      this.update('rows', eps);
      await this.look('columns', eps);
      if (k === count) this.compare('columns', eps);
      this.update('columns', eps);
    }
  }

  /** The same for costs that are symmetric, with one potential, f ← (f + Tf) / 2; both potentials are it in the end. */
  async sweepSymmetric(count: number, eps: number): Promise<void> {
    for (let k = 1; k <= count; ++k) {
      await this.look('rows', eps);
      if (k === count) this.compare('rows', eps);
      this.update('rows', eps, 0.5);
      copy(this.#control.queue, this.potentials.rows, this.potentials.columns);
    }
  }
}

/** Sweeps, ten at a time, until the error is at most `tol` or sweeps run out; returns the error. */
export async function sweepInTens<P>(
  control: Control<P>,
  tol: number,
  error: Tensor,
  sweep: (count: number) => Promise<void>,
  report: (error: number) => void,
): Promise<number> {
  let last = Infinity;
  while (!(last <= tol) && control.sweepsLeft > 0) {
    const count = Math.min(sweepsAtOnce, control.sweepsLeft);
    await sweep(count);
    last = (await control.read(error))[0]!;
    report(last);
  }
  return last;
}

export const logOf = (mass: number): number => (mass > 0 ? Math.log(mass) : -farthest);

/** Sums of the plan of two potentials, which is not stored. */
export async function streamedSums(costs: Cost, potentials: Pair, eps: number, lane: Lane): Promise<PlanSums> {
  const { device, rows, columns } = costs;
  using rowLogs = new Tensor(device, [rows], 'f64');
  using columnLogs = new Tensor(device, [columns], 'f64');
  using linear = new Tensor(device, [rows], 'f64');
  costs.softmin(lane.queue, 'rows', potentials.columns, eps, {
    logSums: rowLogs,
    ownPotential: potentials.rows,
    meanCosts: linear,
  });
  const [f, g, ofRows, costsOfRows] = await Promise.all(
    [potentials.rows, potentials.columns, rowLogs, linear].map((x) => lane.read(x)),
  );
  costs.softmin(lane.queue, 'columns', potentials.rows, eps, { logSums: columnLogs });
  const ofColumns = await lane.read(columnLogs);
  const sums = (own: Float64Array, logs: Float64Array) =>
    own.map((x, i) => (x === -Infinity || logs[i] === -Infinity ? 0 : Math.exp(x / eps + logs[i]!)));
  return { rows: sums(f!, ofRows!), columns: sums(g!, ofColumns!), linear: sumOf(costsOfRows!) };
}
