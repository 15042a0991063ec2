import { filled } from '../../core/all-or-none.ts';
import type { Device } from '../../core/device.ts';
import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import { type Cost, gathered, panelsOf } from '../problem/cost.ts';
import { clamp } from '../solvers/streaming.ts';

/** Numbers along rows and columns, f64. */
export interface Vectors {
  readonly rows: Float64Array;
  readonly columns: Float64Array;
}

/** Q, a cotangent of the plan: a matrix, or left rightᵀ, or both, plus so many times the costs; 0 without these. */
export interface PlanCotangent {
  readonly dense?: Tensor | undefined;
  /** `[n, k]` and `[m, k]`, f64. */
  readonly factors?: { readonly left: Tensor; readonly right: Tensor } | undefined;
  readonly cost: number;
}

/** Some rows of a problem; its tensors are f64 and go when the visit ends. */
export interface Panel {
  readonly first: number;
  readonly index: Tensor;
  /** Costs, those of forbidden pairs finite, so that products with a plan of 0 are 0. */
  readonly cost: Tensor;
  readonly plan: Tensor<'f64'>;
  /** Pᵢⱼ (αᵢ + βⱼ − Qᵢⱼ / eps) */
  readonly weighted: Tensor;
}

/** Visits a plan some rows at a time, f64, until a visit returns false. */
export type PlanRows = (visit: (first: number, plan: Tensor<'f64'>) => Promise<boolean>) => Promise<void>;

/** Pairs of numbers as rows of a matrix. */
function pairs(like: Tensor | Cost, x: ArrayLike<number> | 1, y: ArrayLike<number> | 1, size: number): Tensor {
  const both = new Float64Array(2 * size);
  for (let i = 0; i < size; ++i) {
    both[2 * i] = x === 1 ? 1 : x[i]!;
    both[2 * i + 1] = y === 1 ? 1 : y[i]!;
  }
  return Tensor.from(like.device, both, [size, 2]);
}

/** The right operand of {@link outerSum}. */
export const across = (costs: Cost, y: Float64Array): Tensor => pairs(costs, 1, y, y.length);

/** xᵢ + yⱼ, each rounded once: a product of two thin matrices. */
export function outerSum(queue: Device, x: Float64Array, y: Tensor): Tensor {
  using down = pairs(y, x, 1, x.length);
  return filled(new Tensor(y.device, [x.length, y.shape[0]!], 'f64'), (out) => {
    ops.gemm(queue, { a: down, b: y, c: out, transB: 'transposed' });
  });
}

/** The plan of a problem and what is multiplied with it, rows by rows: nothing of the size of all pairs is stored. */
export class Panels {
  readonly #costs: Cost;
  readonly #eps: number;
  readonly #cotangent: PlanCotangent;
  readonly #lane: Lane;

  constructor(costs: Cost, eps: number, cotangent: PlanCotangent, lane: Lane) {
    this.#costs = costs;
    this.#eps = eps;
    this.#cotangent = cotangent;
    this.#lane = lane;
  }

  /** Panel by panel, one in memory: the next is queued when one is done; false ends it. Shifts are α and β. */
  async walk(potentials: Vectors, shifts: Vectors, visit: (panel: Panel) => Promise<unknown>): Promise<void> {
    const costs = this.#costs;
    const { device, columns } = costs;
    const { queue } = this.#lane;
    using columnPotential = Tensor.from(device, potentials.columns, [columns]);
    using beta = across(costs, shifts.columns);
    using done = Tensor.zeros(device, [1], { dtype: 'f64' });
    for (const { first, index } of panelsOf(costs)) {
      const count = index.size;
      using rowPotential = Tensor.from(device, potentials.rows.slice(first, first + count), [count]);
      using cost = costs.panel(queue, index);
      clamp(queue, cost);
      using plan = new Tensor(device, [count, columns], 'f64');
      ops.gibbsKernel(queue, { cost, rowPotential, columnPotential, kernel: plan, eps: this.#eps });
      using weighted = outerSum(queue, shifts.rows.slice(first, first + count), beta);
      this.#subtractCotangent(weighted, index, cost);
      ops.multiply(queue, { out: [weighted], x: [weighted], y: [plan] });
      if ((await visit({ first, index, cost, plan, weighted })) === false) return;
      await this.#lane.read(done);
    }
  }

  /** Rows of a stored plan, f64. */
  storedRows(plan: Tensor): PlanRows {
    return async (visit) => {
      for (const { first, index } of panelsOf(this.#costs)) {
        using some = gathered(this.#lane.queue, plan, index);
        if (!(await visit(first, some))) return;
      }
    };
  }

  /** out −= Q / eps */
  #subtractCotangent(out: Tensor, index: Tensor, cost: Tensor): void {
    const { dense, factors, cost: ofCost } = this.#cotangent;
    const { queue } = this.#lane;
    if (factors) {
      using left = gathered(queue, factors.left, index);
      ops.gemm(queue, { a: left, b: factors.right, c: out, transB: 'transposed', alpha: -1 / this.#eps, beta: 1 });
    }
    if (dense) {
      using rows = gathered(queue, dense, index);
      ops.linearCombination(queue, { out: [out], terms: [out, rows], coefficients: [1, -1 / this.#eps] });
    }
    if (ofCost !== 0)
      ops.linearCombination(queue, { out: [out], terms: [out, cost], coefficients: [1, -ofCost / this.#eps] });
  }
}
