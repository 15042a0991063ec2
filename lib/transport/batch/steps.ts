import * as vectors from '../../core/vectors.ts';
import type { Settings } from '../options.ts';
import { gathered, StoredCost } from '../problem/cost.ts';
import { balanced } from '../problem/penalties.ts';
import { solveCosts } from '../sinkhorn.ts';
import type { Batch } from './costs.ts';

/** Numbers of each problem. */
interface BatchNumbers {
  /** [sweeps of the last operation, L1 error, ⟨cost, P⟩, value] */
  readonly statistics: Float64Array;
  readonly sweeps: Int32Array;
}

/** Solves some problems one by one, as {@link sinkhorn} does by default; each ends where it is less wrong. */
export async function stepThrough(
  batch: Batch,
  problems: readonly number[],
  settings: Pick<Settings, 'op' | 'eps' | 'tol' | 'maxSweeps' | 'maxNewton' | 'anneal' | 'signal'>,
  { statistics, sweeps }: BatchNumbers,
): Promise<void> {
  const { control, cost, sizes, a, b } = batch;
  const [count, n, m] = cost.shape as [number, number, number];
  const [f, g] = await control.readAll(batch.f, batch.g);
  using all = cost.reshape([count * n, m]);
  for (const k of problems) {
    const [rows, columns] = sizes[k]!;
    using own = vectors.index(cost.device, rows, (i) => k * n + i);
    using matrix = gathered(control.queue, all, own);
    // Columns beyond a smaller problem have no mass.
    using result = await solveCosts(new StoredCost(settings.op, matrix), {
      ...settings,
      a: a.subarray(k * n, k * n + rows),
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
    const [ofRows, ofColumns] = await Promise.all([control.read(result.f), control.read(result.g)]);
    f.set(ofRows, k * n);
    g.set(ofColumns.subarray(0, columns), k * m);
  }
  batch.f.write(f);
  batch.g.write(g);
}
