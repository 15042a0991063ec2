import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import type { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { SparseCode } from './code.ts';
import type { PursuitProgress } from './options.ts';

/** Some signals, and where their code goes. */
export interface Batch {
  readonly signals: Tensor;
  readonly energies: Tensor;
  readonly code: SparseCode;
}

interface Work extends Batch {
  readonly batchSize: number;
  /** Hears that all that was queued has been done. */
  readonly onDone?: () => void;
}

type Run = (batch: Batch) => void | Promise<void>;

/** Queues each batch, and waits for one before the next. The code is disposed if anything fails. */
export async function inBatches(task: Task<PursuitProgress>, work: Work, run: Run): Promise<SparseCode> {
  const { signals, batchSize, onDone } = work;
  using owned = new Owned();
  const code = owned.add(work.code);
  const total = signals.shape[0]!;
  for (let first = 0; first < total; first += batchSize) {
    const last = Math.min(total, first + batchSize);
    if (last - first === total) await run(work);
    else await runPart(task, work, first, last, run);
    await task.synchronize();
    onDone?.();
    task.report({ done: last, total });
  }
  return owned.release(code);
}

async function runPart(task: Task, work: Work, first: number, last: number, run: Run): Promise<void> {
  const { queue } = task;
  const { signals, energies, code } = work;
  const { device } = signals;
  const count = last - first;
  using index = vectors.index(device, count, (i) => first + i);
  using rows = new Tensor(device, [count, signals.shape[1]!], signals.dtype);
  using some = new Tensor(device, [count], 'f64');
  using part = new SparseCode(device, count, code.indices.shape[1]!, code.atoms, signals.dtype as 'f32' | 'f64');
  ops.gatherRows(queue, { x: signals, index, out: rows });
  ops.gatherRows(queue, { x: energies, index, out: some });
  await run({ signals: rows, energies: some, code: part });
  for (const name of ['indices', 'coefficients', 'residuals', 'counts'] as const)
    ops.scatterRows(queue, { out: code[name], index, x: part[name], mode: 'set' });
}
