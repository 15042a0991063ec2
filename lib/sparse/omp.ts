import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { count, flag, optional, type Resolved, readOptions, type Schema, word } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import type { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { type Batch, inBatches } from './batches.ts';
import { SparseCode } from './code.ts';
import { checkNorms, Dictionary } from './dictionary.ts';
import { byGram, byProducts, byRows, type Pursuit } from './forms.ts';
import { atomsOf, limitsOf, type PursuitOptions, type PursuitProgress, pursuitSchema } from './options.ts';
import { type Strategy, strategyOf } from './strategy.ts';

/** Options of {@link omp}. */
export interface OmpOptions extends PursuitOptions {
  /**
   * The source of correlations at each step: `'gram'`, from the Gram matrix of the dictionary, which is computed once
   * and kept, or where the dictionary's memory limit does not hold it from its rows, of which those used last are kept;
   * `'gemm'`, from products of residuals and atoms. `'auto'`: what the sizes let expect to be faster. The results agree
   * to rounding. Default: `'auto'`.
   */
  algorithm?: 'auto' | 'gram' | 'gemm' | undefined;
  /** A step of iterative refinement of the coefficients, its residual in f64. Default: true for f32, false for f64. */
  polish?: boolean | undefined;
  /** Signals at once: whole, from 1 on. Results do not depend on it. Default: chosen from sizes and memory limit. */
  batchSize?: number | undefined;
}

const schema: Schema<Resolved<OmpOptions, 'k' | 'signal' | 'onProgress' | 'polish' | 'batchSize'>> = {
  ...pursuitSchema,
  algorithm: word(['auto', 'gram', 'gemm'], 'auto'),
  polish: optional(flag(true)),
  batchSize: optional(count(1)),
};

/**
 * Orthogonal matching pursuit of each signal, a row of `signals` `[B, d]`: at most k atoms, one chosen after the other
 * for the largest correlation with what is left, the coefficients always those of least squares. The lowest index wins
 * ties; atoms of zeros are never chosen, nor two that are the same. The bits of a signal's code do not depend on the
 * other signals, the batch size or the number of threads.
 *
 * Memory beside atoms, signals and code: the Gram matrix (N² elements) and N + 2 d + 3 k elements a signal of a batch;
 * or what the dictionary's memory limit leaves of both, and 64 MB of scratch.
 *
 * Source: Batch-OMP (Rubinstein, Zibulevsky and Elad 2008).
 *
 * @example
 * const dictionary = new Dictionary(atoms);
 * using code = await omp(dictionary, signals, { k: 64, relTol: 0.1 });
 * console.log(await code.indices.read(), await code.residuals.read());
 *
 * @throws ERR_ARGUMENT for options, k < 1 or k > N, and numbers that are not finite in atoms or signals; ERR_SHAPE,
 * ERR_DTYPE and ERR_DEVICE for signals that do not fit the atoms; ERR_MEMORY; ERR_DISPOSED; the signal's reason when
 * aborted
 */
export async function omp(dictionary: Dictionary, signals: Tensor, options: OmpOptions = {}): Promise<SparseCode> {
  const where = 'omp';
  check.instance(where, 'dictionary', dictionary, Dictionary);
  check.alive(where, 'dictionary', dictionary);
  const given = readOptions(where, options, schema);
  const { device, dtype, size, length } = dictionary;
  check.tensor(where, 'signals', signals, {
    dtypes: check.floating,
    device,
    shape: [undefined, length],
    shapeIs: `be as long as atoms, ${length}`,
  });
  const halves = signals.dtype === 'f16' || signals.dtype === 'bf16';
  if ((halves ? 'f32' : signals.dtype) !== dtype)
    throw refusal(where, 'signals', `fit atoms of ${dtype}`, signals.dtype, 'ERR_DTYPE');
  const k = atomsOf(where, given.k, size, length);

  using task = new Task<PursuitProgress>(device, given);
  using _use = dictionary.use(given.signal);
  using widened = halves ? signals.cast('f32') : undefined;
  const x = widened ?? signals;
  const rows = signals.shape[0]!;
  using energies = vectors.rowSquares(task.queue, x);
  const { squares, inverses } = await task.wait(dictionary.norms());
  checkNorms(where, 'signals', await task.read(energies), dtype);
  check.alive(where, 'dictionary', dictionary);

  const pursuit: Pursuit = {
    squares,
    scales: given.select === 'unit' ? inverses : undefined,
    ...limitsOf(given, dtype, length),
    refinements: (given.polish ?? dtype === 'f32') ? 1 : 0,
  };
  const strategy = strategyOf(dictionary, rows, k, given.algorithm);
  // Rows of a batch have to be there together.
  const most = strategy.form === 'rows' ? strategy.batchSize : Infinity;
  const batchSize = Math.min(given.batchSize ?? strategy.batchSize, most);
  const run = formOf(dictionary, strategy, pursuit, task);
  const code = new SparseCode(device, rows, k, size, dtype);
  return await inBatches(task, { signals: x, energies, code, batchSize, onDone: () => dictionary.done() }, run);
}

function formOf(dictionary: Dictionary, { form }: Strategy, pursuit: Pursuit, task: Task) {
  if (form === 'gemm') return (batch: Batch) => byProducts(dictionary, pursuit, batch, task);
  if (form === 'rows') {
    const rows = dictionary.gramRows();
    return (batch: Batch) => byRows(dictionary, rows, pursuit, batch, task);
  }
  const gram = dictionary.gram();
  return (batch: Batch) => byGram(dictionary, gram, pursuit, batch, task);
}
