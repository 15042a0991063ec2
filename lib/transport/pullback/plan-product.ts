import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Cost, Pair, Side } from '../problem/cost.ts';

/** out = P x for a number a column of the plan; of the columns, Pᵀ x. Both are f64 vectors. */
export type PlanProduct = (side: Side, x: Tensor, out: Tensor) => void;

/** Products with a plan that is stored, f64. */
export function storedProduct(queue: Device, plan: Tensor): PlanProduct {
  return (side, x, out) => {
    using b = x.reshape([x.size, 1]);
    using c = out.reshape([out.size, 1]);
    ops.gemm(queue, { a: plan, b, c, transA: side === 'rows' ? 'none' : 'transposed' });
  };
}

/** Products with a plan that is computed each time. */
export function streamedProduct(queue: Device, costs: Cost, potentials: Pair, eps: number): PlanProduct {
  return (side, x, out) => {
    using values = x.reshape([x.size, 1]);
    using averages = out.reshape([out.size, 1]);
    using logSums = new Tensor(costs.device, [out.size], 'f64');
    const other = potentials[side === 'rows' ? 'columns' : 'rows'];
    costs.softmin(queue, side, other, eps, { logSums, ownPotential: potentials[side], values, averages });
  };
}
