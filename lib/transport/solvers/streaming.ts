import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Costs, Pair, Side } from '../problem/cost.ts';
import type { Marginals } from '../problem/marginals.ts';
import type { Penalties } from '../problem/penalties.ts';
import type { Control } from './control.ts';

/** ln 0, and as far away as a sum may be: products with it stay finite. */
export const farthest = 1e200;

/** Sweeps between looks at the error. */
const sweepsAtOnce = 10;

/**
 * Sweeps in the log domain that store no matrix: each half a smooth minimum over rows or columns. With penalties rho the
 * updates are damped by rho / (rho + eps), and the marginals are a exp(−f / rho) at the optimum.
 */
export class Streaming {
  readonly costs: Costs;
  readonly control: Control;
  readonly potentials: Pair;
  readonly #penalties: Penalties;
  readonly #logMasses: Pair;
  readonly #logSums: Pair;
  readonly #sums: Pair;
  readonly #targets: Pair;
  readonly #error: Tensor;
  readonly #owned: Tensor[] = [];

  /** Takes the potentials over. */
  constructor(costs: Costs, marginals: Marginals, potentials: Pair, penalties: Penalties, control: Control) {
    const { device, rows, columns } = costs;
    this.costs = costs;
    this.control = control;
    this.#penalties = penalties;
    this.potentials = potentials;
    this.#owned.push(potentials.rows, potentials.columns);
    const logs = (masses: Float64Array) => this.#own(Tensor.from(device, masses.map(logOf), [masses.length]));
    try {
      this.#logMasses = { rows: logs(marginals.a), columns: logs(marginals.b) };
      this.#logSums = this.#pair(rows, columns);
      this.#sums = this.#pair(rows, columns);
      this.#targets = this.#pair(rows, columns);
      this.#error = this.#own(new Tensor(device, [1], 'f64'));
      ops.map(control.queue, {
        out: [potentials.rows, potentials.columns],
        x: [potentials.rows, potentials.columns],
        function: 'clamp',
        parameters: [-farthest, farthest],
      });
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  #own(tensor: Tensor): Tensor {
    this.#owned.push(tensor);
    return tensor;
  }
  #pair(rows: number, columns: number): Pair {
    const { device } = this.costs;
    return {
      rows: this.#own(new Tensor(device, [rows], 'f64')),
      columns: this.#own(new Tensor(device, [columns], 'f64')),
    };
  }

  /** logSums of a side, from the other side's potential. */
  #look(side: Side, eps: number): Tensor {
    const logSums = this.#logSums[side];
    const { queue } = this.control;
    this.costs.softmin(queue, side, this.potentials[side === 'rows' ? 'columns' : 'rows'], eps, { logSums });
    ops.map(queue, { out: [logSums], x: [logSums], function: 'clamp', parameters: [-farthest, farthest] });
    return logSums;
  }

  /** f ← share · f + (1 − share) · damping · eps (ln r − logSums). */
  #update(side: Side, eps: number, share = 0): void {
    const damping = 1 / (1 + eps / this.#penalties[side]);
    const step = (1 - share) * damping * eps;
    const out = this.potentials[side];
    const terms = [this.#logMasses[side], this.#logSums[side], out];
    ops.linearCombination(this.control.queue, {
      out: [out],
      terms: share === 0 ? terms.slice(0, 2) : terms,
      coefficients: share === 0 ? [step, -step] : [step, -step, share],
    });
  }

  /** Compares the sums of a side, at its potential and the logSums there are, with those it should have; L1 error. */
  #compare(side: Side, eps: number): void {
    const { queue } = this.control;
    const [sums, targets] = [this.#sums[side], this.#targets[side]];
    const own = this.potentials[side];
    ops.linearCombination(queue, { out: [sums], terms: [this.#logSums[side], own], coefficients: [1, 1 / eps] });
    ops.linearCombination(queue, {
      out: [targets],
      terms: [this.#logMasses[side], own],
      coefficients: [1, -1 / this.#penalties[side]],
    });
    ops.map(queue, { out: [sums, targets], x: [sums, targets], function: 'exp' });
    ops.linearCombination(queue, { out: [sums], terms: [sums, targets], coefficients: [1, -1] });
    ops.map(queue, { out: [sums], x: [sums], function: 'abs' });
    using row = sums.reshape([1, sums.size]);
    ops.rowReduce(queue, { x: row, out: this.#error, reduction: 'sum' });
  }

  /** Sweeps; the error of the columns before the last update stays on the device. */
  async sweep(count: number, eps: number): Promise<void> {
    const { control, costs } = this;
    for (let k = 1; k <= count; k++) {
      this.#look('rows', eps);
      this.#update('rows', eps);
      await control.pace(costs.work);
      this.#look('columns', eps);
      await control.pace(costs.work);
      if (k === count) this.#compare('columns', eps);
      this.#update('columns', eps);
    }
    this.control.iterations.sweeps += count;
  }

  /** The same for costs that are symmetric, with one potential, f ← (f + Tf) / 2; both potentials are it in the end. */
  async sweepSymmetric(count: number, eps: number): Promise<void> {
    const { control } = this;
    for (let k = 1; k <= count; k++) {
      this.#look('rows', eps);
      await control.pace(this.costs.work);
      if (k === count) this.#compare('rows', eps);
      this.#update('rows', eps, 0.5);
      ops.copy(control.queue, { out: [this.potentials.columns], x: [this.potentials.rows] });
    }
    control.iterations.sweeps += count;
  }

  async error(): Promise<number> {
    return (await this.control.read(this.#error))[0]!;
  }

  /** Sweeps until the error is at most `tol` or sweeps run out; returns the error. */
  async run(eps: number, tol: number, isSymmetric = false): Promise<number> {
    const { control } = this;
    let error = Infinity;
    while (!(error <= tol) && control.sweepsLeft > 0) {
      const count = Math.min(sweepsAtOnce, control.sweepsLeft);
      if (isSymmetric) await this.sweepSymmetric(count, eps);
      else await this.sweep(count, eps);
      error = await this.error();
      control.report(eps, error);
    }
    return error;
  }

  dispose(): void {
    for (const tensor of this.#owned) tensor.dispose();
  }
}

export const logOf = (mass: number): number => (mass > 0 ? Math.log(mass) : -farthest);

/** Sums of the plan of two potentials over rows and columns, and ⟨C, P⟩. */
export interface PlanTotals {
  readonly rows: Float64Array;
  readonly columns: Float64Array;
  readonly linear: number;
}

export async function totalsOf(costs: Costs, potentials: Pair, eps: number, lane: Lane): Promise<PlanTotals> {
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
  return { rows: sums(f!, ofRows!), columns: sums(g!, ofColumns!), linear: costsOfRows!.reduce((a, b) => a + b, 0) };
}
