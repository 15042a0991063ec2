import type { Settings } from '../options.ts';
import type { CostRange, DenseCost } from '../problem/cost.ts';
import { measureStreaming } from '../problem/finish.ts';
import { type Marginals, marginalsOf, massTensors } from '../problem/marginals.ts';
import { PointCost } from '../problem/points.ts';
import { goalOf, honest, precision, startOf } from '../problem/start.ts';
import { TransportResult, type TransportStatus } from '../result.ts';
import { levels } from './anneal.ts';
import { Control } from './control.ts';
import { Streaming } from './streaming.ts';

async function rangeOf(
  costs: DenseCost | PointCost,
  op: string,
  marginals: Marginals,
  control: Control,
): Promise<CostRange> {
  if (costs instanceof PointCost) return await costs.range(op, control);
  const tensors = massTensors(costs.device, marginals);
  using rows = tensors.rowMass;
  using columns = tensors.columnMass;
  return await costs.range(op, { rows, columns }, control);
}

/** By sweeps that store no matrix. Costs are symmetric, and so are masses, where one potential is to serve both sides. */
export async function solveStreaming(
  costs: DenseCost | PointCost,
  settings: Settings,
  isSymmetric = false,
): Promise<TransportResult> {
  using control = new Control(costs.device, settings);
  const { op, eps, a, b, penalties } = settings;
  const isPenalized = penalties.rows < Infinity || penalties.columns < Infinity;
  const marginals = await marginalsOf(op, costs.device, costs.rows, costs.columns, a, b, isPenalized);
  const range = await rangeOf(costs, op, marginals, control);
  const start = await startOf(costs, marginals, settings, control);
  const streaming = new Streaming(costs, marginals, start, penalties, control);
  try {
    const floor = precision(op, costs, range, eps);
    const goal = goalOf(costs, settings.tol / marginals.mass, floor);
    let status: TransportStatus = 'infeasible';
    if (range.isReachable) {
      for (const level of levels(settings, range.most - range.least).slice(0, -1)) {
        const count = Math.min(settings.anneal!.sweeps, control.sweepsLeft - 1);
        if (count < 1) break;
        if (isSymmetric) await streaming.sweepSymmetric(count, level);
        else await streaming.sweep(count, level);
      }
      status = (await streaming.run(eps, goal, isSymmetric)) <= goal ? 'converged' : 'max-iterations';
    }
    const measured = await measureStreaming(
      costs,
      marginals,
      streaming.potentials,
      eps,
      penalties,
      control,
      settings.gauge,
    );
    status = honest(status, measured.marginalError, settings.tol, floor * marginals.mass);
    const { gauge } = settings;
    const { iterations } = control;
    const isStored = !(costs instanceof PointCost);
    return new TransportResult({ costs, eps, penalties, gauge, isStored, status, iterations, ...measured });
  } finally {
    streaming.dispose();
  }
}
