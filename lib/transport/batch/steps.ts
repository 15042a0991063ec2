import type { Lane } from '../../core/lane.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Settings } from '../options.ts';
import { DenseCost, gathered } from '../problem/cost.ts';
import { balanced } from '../problem/penalties.ts';
import { solveCosts } from '../sinkhorn.ts';
import type { BatchOnHost } from './costs.ts';

/** The problems of a batch under way. */
export interface BatchState {
  readonly cost: Tensor;
  readonly host: Omit<BatchOnHost, 'costs'>;
  /** Potentials, `[B, n]` and `[B, m]`, f64. */
  readonly f: Tensor;
  readonly g: Tensor;
  /** Of each problem: [sweeps of the last operation, L1 error, ⟨cost, P⟩, value]. */
  readonly statistics: Float64Array;
  readonly sweeps: Int32Array;
}

export type StepSettings = Pick<Settings, 'op' | 'eps' | 'tol' | 'maxSweeps' | 'maxNewton' | 'anneal' | 'signal'>;

/** Solves some problems one by one, as {@link sinkhorn} does by default; each ends where it is less wrong. */
export async function stepThrough(
  state: BatchState,
  problems: readonly number[],
  settings: StepSettings,
  lane: Lane,
): Promise<void> {
  const { cost, host, statistics, sweeps } = state;
  const { sizes, a, b } = host;
  const [n, m] = host.widths;
  const [f, g] = await Promise.all([lane.read(state.f), lane.read(state.g)]);
  using rows = cost.reshape([sizes.length * n, m]);
  for (const k of problems) {
    const [count, width] = sizes[k]!;
    const index = Int32Array.from({ length: count }, (_, i) => k * n + i);
    using own = Tensor.from(cost.device, index, [count]);
    using matrix = gathered(lane.queue, rows, own);
    // Columns beyond a smaller problem have no mass.
    using result = await solveCosts(new DenseCost(settings.op, matrix), {
      ...settings,
      a: a.subarray(k * n, k * n + count),
      b: b.subarray(k * m, (k + 1) * m),
      method: 'auto',
      penalties: balanced,
      gauge: 'balanced',
      paper: undefined,
      warmStart: undefined,
      onProgress: undefined,
      throwUnlessConverged: false,
    });
    sweeps[k]! += result.iterations.sweeps;
    if (!(result.marginalError < statistics[4 * k + 1]!)) continue;
    statistics.set([result.marginalError, result.cost, result.value], 4 * k + 1);
    const [ofRows, ofColumns] = await Promise.all([lane.read(result.f), lane.read(result.g)]);
    f.set(ofRows, k * n);
    g.set(ofColumns.subarray(0, width), k * m);
  }
  state.f.write(f);
  state.g.write(g);
}
