// The ways to run a pursuit, each as the work of one batch.

import * as check from '../core/check.ts';
import { ops } from '../core/native-ops.ts';
import type { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import type { Batch } from './batches.ts';
import type { Dictionary } from './dictionary.ts';
import type { GramRows } from './gram-rows.ts';

/** Fields that the operations of both forms take beside their tensors. */
export interface Pursuit {
  readonly squares: Tensor;
  readonly scales: Tensor | undefined;
  readonly tol: number;
  readonly relTol: number;
  readonly rounding: number;
  readonly dependence: number;
  readonly refinements: number;
  readonly onDependent: 'skip' | 'stop';
}

/** All steps at once, by the Gram matrix. */
export function byGram(dictionary: Dictionary, gram: Tensor, pursuit: Pursuit, batch: Batch, { queue }: Task): void {
  const { device, atoms, size, dtype } = dictionary;
  const { signals, energies, code } = batch;
  const { indices, coefficients, residuals, counts } = code;
  using correlations = new Tensor(device, [signals.shape[0]!, size], dtype);
  ops.correlations(queue, { x: signals, atoms, out: correlations });
  ops.gramPursuit(queue, {
    ...{ correlations, gram, atoms, signals, energies, ...pursuit },
    ...{ indices, coefficients, residualNorms: residuals, counts },
  });
}

/** So often the host looks whether all signals have ended, and an abort finds its turn. */
const stepsBetweenLooks = 4;

/** Step by step, by products of the signals' residuals and the atoms. */
export async function byProducts(dictionary: Dictionary, pursuit: Pursuit, batch: Batch, task: Task): Promise<void> {
  const { atoms } = dictionary;
  const { indices, counts } = batch.code;
  const k = indices.shape[1]!;
  await inSteps(dictionary, pursuit, batch, task, async ({ residuals, correlations, run }) => {
    for (let step = 0; step < k; ++step) {
      ops.correlations(task.queue, { x: residuals, atoms, out: correlations });
      run(step);
      if (step % stepsBetweenLooks !== stepsBetweenLooks - 1) continue;
      const taken = (await task.readAll(counts))[0];
      if (taken.every((atoms) => atoms <= step)) break;
    }
  });
}

/** Step by step, by the Gram rows of the atoms that have been chosen: where the matrix does not fit. */
export async function byRows(
  dictionary: Dictionary,
  rows: GramRows,
  pursuit: Pursuit,
  batch: Batch,
  task: Task,
): Promise<void> {
  const { device, atoms, size, dtype } = dictionary;
  const { indices, coefficients } = batch.code;
  const [count, k] = indices.shape as readonly [number, number];
  using first = new Tensor(device, [count, size], dtype);
  ops.correlations(task.queue, { x: batch.signals, atoms, out: first });
  await inSteps(dictionary, pursuit, batch, task, async ({ correlations, run }) => {
    ops.copy(task.queue, { x: [first], out: [correlations] });
    for (let step = 0; step < k; ++step) {
      run(step);
      if (step === k - 1) break;
      const [chosen] = await task.readAll(indices);
      if (forgetEnded(chosen, k, step) === count) break;
      check.alive('omp', 'dictionary', dictionary);
      using places = Tensor.from(device, rows.placesOf(dictionary.queue(), chosen, count), [count, k]);
      ops.combineRows(task.queue, { x: rows.table, indices: places, coefficients, out: correlations });
      ops.linearCombination(task.queue, { out: [correlations], terms: [first, correlations], coefficients: [1, -1] });
    }
  });
}

/** Makes the atoms of signals that took none at this step −1; answers how many signals those are. */
function forgetEnded(chosen: Int32Array, k: number, step: number): number {
  let ended = 0;
  for (let begin = 0; begin < chosen.length; begin += k) {
    if (chosen[begin + step]! >= 0) continue;
    chosen.fill(-1, begin, begin + k);
    ended += 1;
  }
  return ended;
}

interface Steps {
  /** Residuals of the signals. */
  readonly residuals: Tensor;
  /** Its correlations with the atoms: the body's to set before each step. */
  readonly correlations: Tensor;
  readonly run: (step: number) => void;
}

/** Makes the state that the steps of a batch hand on, and its results after the last step. */
async function inSteps(
  dictionary: Dictionary,
  pursuit: Pursuit,
  batch: Batch,
  { queue }: Task,
  body: (steps: Steps) => Promise<void>,
): Promise<void> {
  const { device, atoms, size, dtype } = dictionary;
  const { signals, energies, code } = batch;
  const { indices, coefficients, residuals: norms, counts } = code;
  const [count, k] = indices.shape as readonly [number, number];
  using residuals = signals.copy();
  using residualEnergies = energies.copy();
  using correlations = new Tensor(device, [count, size], dtype);
  using state = new Tensor(device, [count, k + (k * (k + 1)) / 2], 'f64');
  ops.fill(queue, { x: [indices], value: -1 });
  ops.fill(queue, { x: [coefficients, counts], value: 0 });
  const run = (step: number): void =>
    ops.pursuitStep(queue, {
      ...{ correlations, atoms, signals, energies, residuals, residualEnergies, state, step, ...pursuit },
      ...{ indices, coefficients, counts },
    });
  await body({ residuals, correlations, run });
  ops.map(queue, { x: [residualEnergies], out: [residualEnergies], function: 'sqrt' });
  ops.cast(queue, { x: [residualEnergies], out: [norms] });
}
