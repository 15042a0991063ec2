import { OrthokitError } from '../core/errors.ts';
import { checkOptions, shown } from '../core/options.ts';
import { checkValues, flag, type Option, optional, resolve, type Schema, word } from '../core/schema.ts';

/** When a pursuit chooses, and when it ends. */
export interface PursuitOptions {
  /** The most atoms of a signal: whole, 1 to N. Default: the rank that the atoms may have, the smaller of N and d. */
  k?: number | undefined;
  /** Bound on the squared norm of the residual, as in scikit-learn: a signal that reaches it ends. Default: 0. */
  tol?: number | undefined;
  /** Bound on the norm of the residual relative to the signal's. Default: 0. */
  relTol?: number | undefined;
  /**
   * `'raw'`: the atom of the largest correlation, so that long atoms are preferred. `'unit'`: as if all atoms had norm 1; the
   * coefficients are still those of the atoms as given. Default: `'raw'`.
   */
  select?: 'raw' | 'unit' | undefined;
  /**
   * An atom that depends on those chosen is passed over for this step, or ends the signal; eight in a row end it either way.
   * Default: `'skip'`.
   */
  onDependent?: 'skip' | 'stop' | undefined;
  /** Aborting rejects with the signal's reason, and nothing has changed. Default: none. */
  signal?: AbortSignal | undefined;
  /** Called after each batch, with signals. Default: none. */
  onProgress?: ((progress: PursuitProgress) => void) | undefined;
}

/** How many signals are done. */
export interface PursuitProgress {
  /** Signals that are coded so far. */
  readonly done: number;
  /** Signals altogether. */
  readonly total: number;
}

const notNegative: Option<number> = {
  default: 0,
  wrong: (x) => (typeof x === 'number' && x >= 0 && x < Infinity ? undefined : 'must be finite and not negative'),
};
export const count: Option<number | undefined> = optional({
  default: 1,
  wrong: (x) => (Number.isSafeInteger(x) && x >= 1 ? undefined : 'must be a whole number from 1 on'),
});

/** What the schema's types leave open: an option of every pursuit has its default here. */
export interface Resolved {
  k: number | undefined;
  tol: number;
  relTol: number;
  select: 'raw' | 'unit';
  onDependent: 'skip' | 'stop';
  signal: AbortSignal | undefined;
  onProgress: ((progress: PursuitProgress) => void) | undefined;
}

export const pursuitSchema: Schema<Resolved> = {
  k: count,
  tol: notNegative,
  relTol: notNegative,
  select: word(['raw', 'unit'], 'raw'),
  onDependent: word(['skip', 'stop'], 'skip'),
  signal: {
    default: undefined,
    wrong: (x) => (x === undefined || x instanceof AbortSignal ? undefined : 'must be an AbortSignal'),
  },
  onProgress: {
    default: undefined,
    wrong: (x) => (x === undefined || typeof x === 'function' ? undefined : 'must be a function'),
  },
};

export interface ResolvedOmp extends Resolved {
  algorithm: 'auto' | 'gram' | 'gemm';
  polish: boolean | undefined;
  batchSize: number | undefined;
}

export const ompSchema: Schema<ResolvedOmp> = {
  ...pursuitSchema,
  algorithm: word(['auto', 'gram', 'gemm'], 'auto'),
  polish: optional(flag(true)),
  batchSize: count,
};

/** Defaults and what was given. @throws ERR_ARGUMENT for unknown names and wrong values */
export function pursuitOptions<O extends Resolved>(where: string, given: object, schema: Schema<O>): O {
  checkOptions(where, given, Object.keys(schema));
  const options = resolve(schema, given);
  checkValues(where, options, schema);
  return options;
}

/** The most atoms of a signal. @throws ERR_ARGUMENT for more than there are */
export function atomsOf(where: string, k: number | undefined, size: number, most: number): number {
  if (k !== undefined && k > size)
    throw new OrthokitError(
      'ERR_ARGUMENT',
      `${where}: k must be at most the number of atoms, ${size}, got ${shown(k)}`,
    );
  if (size === 0) throw new OrthokitError('ERR_ARGUMENT', `${where}: atoms must be at least one, got none`);
  return k ?? Math.max(1, Math.min(size, most));
}

/** Distances² to the span below this share of the atom's are rounding, or nearly. */
export const dependence = { f32: 1e-6, f64: 1e-12 } as const;

/** Scores below this share of the largest possible are rounding: nothing is left. */
export const floorOf = (dtype: 'f32' | 'f64', length: number): number =>
  4 * Math.sqrt(length) * (dtype === 'f32' ? 2 ** -23 : 2 ** -52);
