import { epsilonOf } from '../core/dtypes.ts';
import { refusal, shown } from '../core/errors.ts';
import { count, notNegative, optional, type Resolved, type Schema, watchers, word } from '../core/schema.ts';
import type { TaskOptions } from '../core/task.ts';

/** When a pursuit chooses, and when it ends. */
export interface PursuitOptions extends TaskOptions<PursuitProgress> {
  /** The most atoms of a signal: whole, 1 to N. Default: the rank that the atoms may have, the smaller of N and d. */
  k?: number | undefined;
  /** Bound on the squared norm of the residual, as in scikit-learn: a signal that reaches it ends. Default: 0. */
  tol?: number | undefined;
  /** Bound on the norm of the residual relative to the signal's. Default: 0. */
  relTol?: number | undefined;
  /**
   * `'raw'`: the atom of the largest correlation, so that long atoms are preferred. `'unit'`: as if all atoms had norm
   * 1; the coefficients are still those of the atoms as given. Default: `'raw'`.
   */
  select?: 'raw' | 'unit' | undefined;
  /**
   * An atom that depends on those chosen is passed over for this step, or ends the signal; eight in a row end it either
   * way.
   * Default: `'skip'`.
   */
  onDependent?: 'skip' | 'stop' | undefined;
}

/** Signals that are done, told after each batch. */
export interface PursuitProgress {
  /** Signals that are coded so far. */
  readonly done: number;
  /** Signals altogether. */
  readonly total: number;
}

/** Options of every pursuit with their defaults. */
export type PursuitSettings = Resolved<PursuitOptions, 'k' | 'signal' | 'onProgress'>;

export const pursuitSchema: Schema<PursuitSettings> = {
  k: optional(count(1)),
  tol: notNegative(0),
  relTol: notNegative(0),
  select: word(['raw', 'unit'], 'raw'),
  onDependent: word(['skip', 'stop'], 'skip'),
  ...watchers<PursuitProgress>(),
};

/** The most atoms of a signal. @throws ERR_ARGUMENT for more than there are */
export function atomsOf(where: string, k: number | undefined, size: number, most: number): number {
  if (k !== undefined && k > size) throw refusal(where, 'k', `be at most the number of atoms, ${size}`, shown(k));
  if (size === 0) throw refusal(where, 'atoms', 'be at least one', 'none');
  return k ?? Math.max(1, Math.min(size, most));
}

/** Distances² to the span below this share of the atom's are rounding, or nearly. */
const dependence = { f32: 1e-6, f64: 1e-12 } as const;

/** Scores below this share of the largest possible are rounding: nothing is left. */
const roundingOf = (dtype: 'f32' | 'f64', length: number): number => 4 * Math.sqrt(length) * epsilonOf(dtype);

type Limits = Pick<PursuitSettings, 'tol' | 'relTol' | 'onDependent'> & { rounding: number; dependence: number };
/** Numbers by which the operations of pursuits choose and end, for signals of a length in a dtype. */
export function limitsOf(given: PursuitSettings, dtype: 'f32' | 'f64', length: number): Limits {
  const { tol, relTol, onDependent } = given;
  return { tol, relTol, onDependent, rounding: roundingOf(dtype, length), dependence: dependence[dtype] };
}
