import { Device } from '../core/device.ts';
import { checkEntries, type MatrixEntries } from '../core/entries.ts';
import { refusal } from '../core/errors.ts';
import { Owned } from '../core/owned.ts';
import {
  count,
  flag,
  fraction,
  kind,
  notNegative,
  optional,
  positive,
  readOptions,
  required,
  type Schema,
  watchers,
  whole,
  word,
} from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import type { Tensor } from '../core/tensor.ts';
import type { SolverStatus } from '../solvers/status.ts';
import { Alternation } from './completion/alternation.ts';
import { type Data, dataOf, type SparseLines } from './completion/data.ts';
import { shortLines } from './completion/lines.ts';
import { byNormalEquations } from './completion/regression.ts';
import { Sketch } from './completion/sketch.ts';
import { cutLongRows, spectralStart } from './completion/start.ts';

/** Progress of {@link completeMatrix}, told after each round. */
export interface CompletionProgress {
  /** Rounds done. */
  readonly iterations: number;
  /** Root mean square error of the entries that are fitted. */
  readonly trainRmse: number;
  /** Root mean square error of the entries held out; NaN if there are none. */
  readonly heldOutRmse: number;
}

/** Options of {@link completeMatrix}. */
export interface CompletionOptions extends TaskOptions<CompletionProgress> {
  /** Columns of the factors: whole, from 1 to the smaller side of the matrix. It has no default. */
  rank: number;
  /** The device of the work and its results. It has no default. */
  device: Device;
  /** Rounds at most: whole, from 1 on. Default: 20. */
  maxIterations?: number | undefined;
  /** Relative change of the training error in a round at which it ends: finite, not negative. Default: 1e-6. */
  tol?: number | undefined;
  /**
   * `'direct'`: normal equations of each row and column, up to rank 64. `'sketch'`: conjugate gradients,
   * preconditioned by a sketch. `'auto'`: `direct` up to rank 64. Default: `'auto'`.
   */
  solver?: 'auto' | 'direct' | 'sketch' | undefined;
  /** The relative gradient that ends a regression, for `'sketch'`: in (0, 1]. Default: 1e-10 in f64, 1e-5 in f32. */
  solverTol?: number | undefined;
  /** Factor of |u|² + |v|² beside the squared errors, of the biases too: finite, not negative. Default: 0. */
  ridge?: number | undefined;
  /** True: a mean, and a number for each row and column, beside the product. Default: false. */
  bias?: boolean | undefined;
  /** The share of entries that are not fitted, but told the error of, in [0, 1). Default: 0. */
  heldOut?: number | undefined;
  /** Incoherence: rows of the start longer than 2 · mu · √(rank / rows) are 0. Above 0. Default: none are. */
  mu?: number | undefined;
  /** Seed of the start, of what is held out, and of sketches: whole, from 0 to 2⁵³ − 1. Default: 0. */
  seed?: number | undefined;
}

/** Lines of a matrix whose part of a factor is not determined. */
export interface UnderdeterminedLines {
  /** Rows, ascending. */
  readonly rows: Int32Array;
  /** Columns, ascending. */
  readonly columns: Int32Array;
}

/** The result of {@link completeMatrix}; the tensors are the caller's. */
export interface CompletionResult {
  /** `[m, rank]`; with a bias `[m, rank + 2]`: then come the bias of the row, and 1. Rows without entries are 0. */
  readonly u: Tensor;
  /** `[n, rank]`; with a bias `[n, rank + 2]`: then come 1, and mean plus bias of the column. */
  readonly v: Tensor;
  /** Root mean square error of u·vᵀ over the entries that were fitted. */
  readonly trainRmse: number;
  /** Root mean square error over the entries held out; NaN if there are none. */
  readonly heldOutRmse: number;
  /** The training error after each round. */
  readonly history: Float64Array;
  /** The error of the entries held out after each round. */
  readonly heldOutHistory: Float64Array;
  /**
   * `'converged'` by `tol`; `'at-precision'` where the error is rounding of the values; `'max-iterations'`;
   * `'diverged'` where numbers have left their range.
   */
  readonly status: SolverStatus;
  /** Rounds done. */
  readonly iterations: number;
  /** The solver that was used. */
  readonly solver: 'direct' | 'sketch';
  /** Steps of conjugate gradients of all regressions; 0 where the solver is direct. */
  readonly innerIterations: number;
  /**
   * Rows and columns whose entries do not determine their part of a factor: fewer than it has columns, of which the
   * bias is one, or, by `'direct'` alone, dependent. None where there is a ridge, which determines all.
   */
  readonly underdetermined: UnderdeterminedLines;
}

interface Given {
  rank: number;
  device: Device | undefined;
  maxIterations: number;
  tol: number;
  solver: 'auto' | 'direct' | 'sketch';
  solverTol: number | undefined;
  ridge: number;
  bias: boolean;
  heldOut: number;
  mu: number | undefined;
  seed: number;
  signal: AbortSignal | undefined;
  onProgress: ((progress: CompletionProgress) => void) | undefined;
}
const schema: Schema<Given> = {
  rank: required(count(1)),
  device: kind((x) => x instanceof Device, 'a Device'),
  maxIterations: count(20),
  tol: notNegative(1e-6),
  solver: word(['auto', 'direct', 'sketch'], 'auto'),
  solverTol: optional(positive(1, 1)),
  ridge: notNegative(0),
  bias: flag(false),
  heldOut: fraction(0),
  mu: optional(positive(1)),
  seed: whole(0, 0, Number.MAX_SAFE_INTEGER),
  ...watchers<CompletionProgress>(),
};

/** The largest rank whose normal equations are solved. */
const mostDirect = 64;
const solverTols = { f32: 1e-5, f64: 1e-10 } as const;
/** An error of so many roundings of the values is rounding. */
const roundings = { f32: 4 * 2 ** -24, f64: 4 * 2 ** -53 } as const;

/**
 * Completes a matrix of low rank from some of its entries: u·vᵀ with the least squared error there, by alternating
 * minimization from the largest singular directions of the entries. Each round finds the columns' factor from the
 * rows', and the rows' from that, each row and column by a regression of its own. `values` say the dtype, f32 or f64.
 *
 * Memory on the device: the entries by rows and by columns, 16 bytes an entry in f32 and 24 in f64, and some tensors
 * like the factors; `'sketch'` 20 bytes an entry and 4 times the factors' elements times the rank more.
 *
 * Source: Gu, Song, Yin and Zhang, arXiv 2302.11068, which has no program. From it: alternating regressions that may be
 * solved by sketches, and the cut of long rows of the start. Ours: the same entries serve all rounds; how sketch and
 * start are computed; ridge, bias and what is held out.
 *
 * @param entries At least one, none twice
 * @example
 * const { u, v, trainRmse } = await completeMatrix({ rows, cols, values, shape: [200, 150] }, { rank: 5, device });
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE for entries outside the matrix, that stand twice or are not finite, for
 * a rank above the smaller side, and for options; ERR_MEMORY; the signal's reason when aborted
 */
export async function completeMatrix(entries: MatrixEntries, options: CompletionOptions): Promise<CompletionResult> {
  const where = 'completeMatrix';
  checkEntries(where, 'entries', entries);
  const given = readOptions<Given>(where, options, schema);
  const { rank, device, bias, heldOut, seed, ridge, mu, signal, onProgress } = given;
  if (!device) throw refusal(where, 'device', 'be a Device', 'none');
  const smaller = Math.min(...entries.shape);
  if (rank > smaller) throw refusal(where, 'rank', `be at most the smaller side, ${smaller}`, rank);
  if (given.solver === 'direct' && rank > mostDirect)
    throw refusal(where, 'rank', `be at most ${mostDirect} for the solver 'direct'`, rank);
  const solver = given.solver === 'auto' ? (rank <= mostDirect ? 'direct' : 'sketch') : given.solver;
  if (solver === 'direct' && given.solverTol !== undefined)
    throw refusal(where, 'solverTol', "be left out where the solver is 'direct'", given.solverTol);

  using task = new Task<CompletionProgress>(device, { signal, onProgress });
  const quiet = task as unknown as Task<never>;
  using owned = new Owned<Tensor>();
  const layout = { device, isCentred: bias, isScaled: ridge === 0, heldOut, seed, hasLines: solver === 'sketch' };
  const data = await dataOf(where, quiet, entries, layout, owned);
  const tol = given.solverTol ?? solverTols[data.dtype];
  const sketch = solver === 'sketch' ? new Sketch(quiet, owned, { ridge, tol, seed }) : undefined;
  const start = owned.add(await spectralStart(quiet, data, rank, seed));
  if (mu !== undefined) await cutLongRows(quiet, start, mu);
  const own = { rank, hasBias: bias, isOrthonormal: ridge === 0 };
  const regress = sketch?.regress ?? byNormalEquations(task.queue, ridge);
  const alternation = new Alternation(quiet, data, regress, own, start, owned);
  owned.drop(start);

  const ended = await iterate(task, alternation, data, given);
  const width = rank + (bias ? 1 : 0);
  const short = ({ places }: SparseLines) => task.run(shortLines(places, width));
  let underdetermined: UnderdeterminedLines = { rows: Int32Array.of(), columns: Int32Array.of() };
  if (ridge === 0)
    underdetermined = sketch
      ? { rows: await short(data.byRow), columns: await short(data.byColumn) }
      : await alternation.singular();
  const { u, v } = alternation.factors(owned);
  return {
    u: owned.release(u),
    v: owned.release(v),
    ...ended,
    solver,
    innerIterations: sketch?.steps ?? 0,
    underdetermined,
  };
}

type Ended = Pick<
  CompletionResult,
  'trainRmse' | 'heldOutRmse' | 'history' | 'heldOutHistory' | 'status' | 'iterations'
>;

async function iterate(
  task: Task<CompletionProgress>,
  alternation: Alternation,
  { size, dtype, unit }: Data,
  { maxIterations, tol }: Given,
): Promise<Ended> {
  const [history, heldOutHistory]: [number[], number[]] = [[], []];
  const end = (status: SolverStatus): Ended => ({
    trainRmse: history.at(-1)!,
    heldOutRmse: heldOutHistory.at(-1)!,
    history: Float64Array.from(history),
    heldOutHistory: Float64Array.from(heldOutHistory),
    status,
    iterations: history.length,
  });
  for (;;) {
    const { train, heldOut } = await alternation.round();
    const last = history.at(-1) ?? Infinity;
    history.push(train);
    heldOutHistory.push(heldOut);
    task.report({ iterations: history.length, trainRmse: train, heldOutRmse: heldOut });
    if (!Number.isFinite(train)) return end('diverged');
    if (train <= roundings[dtype] * size * unit) return end('at-precision');
    if (last < Infinity && Math.abs(last - train) <= tol * last) return end('converged');
    if (history.length >= maxIterations) return end('max-iterations');
  }
}
