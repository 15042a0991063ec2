import { abortable } from '../core/abortable.ts';
import type { Device } from '../core/device.ts';
import { ops } from '../core/native-ops.ts';
import { Tensor } from '../core/tensor.ts';
import { SparseCode } from './code.ts';
import type { PursuitProgress } from './options.ts';

/** Some signals, and where their code goes. */
export interface Batch {
  /** What the work with them is queued on. */
  readonly queue: Device;
  readonly signals: Tensor;
  readonly energies: Tensor;
  readonly code: SparseCode;
}

type Queue = (batch: Batch) => void | Promise<void>;

interface Work extends Batch {
  readonly batchSize: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: PursuitProgress) => void) | undefined;
  /** Hears that all that was queued has been done. */
  readonly onDone?: () => void;
}

/** Runs `queue` for each batch, and waits for one before it queues the next. The code is disposed if anything fails. */
export async function inBatches(work: Work, queue: Queue): Promise<SparseCode> {
  const { code, signals, batchSize, signal, onProgress, onDone } = work;
  const total = signals.shape[0]!;
  try {
    for (let first = 0; first < total; first += batchSize) {
      const last = Math.min(total, first + batchSize);
      if (last - first === total) await queue(work);
      else await queuePart(work, first, last, queue);
      await abortable(signals.device.synchronize(), signal);
      onDone?.();
      onProgress?.({ done: last, total });
      signal?.throwIfAborted();
    }
    return code;
  } catch (error) {
    code.dispose();
    throw error;
  }
}

async function queuePart(work: Work, first: number, last: number, queue: Queue): Promise<void> {
  const { queue: lane, signals, energies, code } = work;
  const { device } = signals;
  const count = last - first;
  using index = Tensor.from(
    device,
    Int32Array.from({ length: count }, (_, i) => first + i),
    [count],
  );
  using rows = new Tensor(device, [count, signals.shape[1]!], signals.dtype);
  using some = new Tensor(device, [count], 'f64');
  using part = new SparseCode(device, count, code.indices.shape[1]!, code.atoms, signals.dtype as 'f32' | 'f64');
  ops.gatherRows(lane, { x: signals, index, out: rows });
  ops.gatherRows(lane, { x: energies, index, out: some });
  await queue({ queue: lane, signals: rows, energies: some, code: part });
  for (const name of ['indices', 'coefficients', 'residuals', 'counts'] as const)
    ops.scatterRows(lane, { out: code[name], index, x: part[name], mode: 'set' });
}
