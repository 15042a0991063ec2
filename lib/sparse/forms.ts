// The two ways to run a pursuit, each as the work of one batch.

import { abortable } from '../abortable.ts';
import { ops } from '../native-ops.ts';
import { Tensor } from '../tensor.ts';
import type { Batch } from './batches.ts';
import type { Dictionary } from './dictionary.ts';

/** What the operations of both forms take beside their tensors. */
export interface Pursuit {
  readonly squares: Tensor;
  readonly scales: Tensor | undefined;
  readonly tol: number;
  readonly relTol: number;
  readonly floor: number;
  readonly dependence: number;
  readonly refinements: number;
  readonly onDependent: 'skip' | 'stop';
}

/** All steps at once, by the Gram matrix. */
export function byGram(dictionary: Dictionary, gram: Tensor, pursuit: Pursuit, batch: Batch): void {
  const { device, atoms, size, dtype } = dictionary;
  const { signals, energies, code } = batch;
  const { indices, coefficients, residuals, counts } = code;
  using correlations = new Tensor(device, [signals.shape[0]!, size], dtype);
  ops.correlations(device, { x: signals, atoms, out: correlations });
  ops.gramPursuit(device, {
    ...{ correlations, gram, atoms, signals, energies, ...pursuit },
    ...{ indices, coefficients, residuals, counts },
  });
}

/** So often the host looks whether all signals have ended, and an abort finds its turn. */
const stepsBetweenLooks = 4;

/** Step by step, by products of what is left of the signals and the atoms. */
export async function byProducts(
  dictionary: Dictionary,
  pursuit: Pursuit,
  batch: Batch,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { device, atoms, size, dtype } = dictionary;
  const { signals, energies, code } = batch;
  const { indices, coefficients, residuals, counts } = code;
  const [count, k] = [signals.shape[0]!, indices.shape[1]!];
  using rests = signals.copy();
  using left = energies.copy();
  using correlations = new Tensor(device, [count, size], dtype);
  using state = new Tensor(device, [count, k + (k * (k + 1)) / 2], 'f64');
  ops.fill(device, { x: [indices], value: -1 });
  ops.fill(device, { x: [coefficients, counts], value: 0 });
  for (let step = 0; step < k; step++) {
    ops.correlations(device, { x: rests, atoms, out: correlations });
    ops.pursuitStep(device, {
      ...{ correlations, atoms, signals, energies, rests, left, state, step, ...pursuit },
      ...{ indices, coefficients, counts },
    });
    if (step % stepsBetweenLooks !== stepsBetweenLooks - 1) continue;
    const taken = await abortable(counts.read(), signal);
    if (taken.every((atoms) => atoms <= step)) break;
  }
  ops.map(device, { x: [left], out: [left], function: 'sqrt' });
  ops.cast(device, { x: [left], out: [residuals] });
}
