import { OrthokitError } from '../core/errors.ts';
import { isRecord, shown } from '../core/options.ts';
import {
  also,
  count,
  flag,
  nested,
  type Option,
  optional,
  orFalse,
  positive,
  type Resolved,
  readOptions,
  type Schema,
  watchers,
  word,
} from '../core/schema.ts';
import type { TaskOptions } from '../core/task.ts';
import { isTensor, type Tensor } from '../core/tensor.ts';
import type { Penalties } from './problem/penalties.ts';

/** A method that solves a transport problem; {@link sinkhorn} says when each is the right one. */
export type TransportMethod = 'auto' | 'sinkhorn' | 'sns' | 'ssns' | 'splr' | 'lbfgs';

/** The choice among potentials, which a shift between the sides leaves as good: equal means, or the last g 0. */
export type Gauge = 'balanced' | 'last';

/** Options by which eps is lowered to its value: each level starts from the potentials of the one before. */
export interface AnnealOptions {
  /** The first eps, in units of the cost. Default: a tenth of the range of the finite costs. */
  start?: number | undefined;
  /** The factor of eps from one level to the next: above 0, below 1. Default: 0.5. */
  factor?: number | undefined;
  /** Sweeps in the log domain at the start of each level: whole, at least 1. Default: 2. */
  sweeps?: number | undefined;
}

/** Sinkhorn–Newton–Sparse as it was published. */
export interface PaperOptions {
  /** Sweeps before the first Newton step: whole, at least 1. Default: 20. */
  sweeps?: number | undefined;
  /** The share of the Hessian's elements that are kept: above 0, at most 1. Default: 2/n. */
  lambda?: number | undefined;
}

/** Masses of rows or columns: as many numbers as there are, none negative. */
export type Masses = Tensor | Float64Array | Float32Array | readonly number[];

/** Potentials to start from: a result, or any two tensors of its shapes. */
export interface Potentials {
  /** One element a row, in units of the cost, f32 or f64. */
  readonly f: Tensor;
  /** One element a column. */
  readonly g: Tensor;
}

/** Progress of a solver, told each time the error has been looked at. */
export interface TransportProgress {
  /** The eps of the level that is worked on. */
  readonly eps: number;
  /** L1 error of the marginals there, as far as it is known; infinity before. */
  readonly marginalError: number;
  /** The work so far. */
  readonly iterations: Readonly<TransportIterations>;
}

/**
 * The end of a solver: `'converged'`, the error is at most `tol`; `'max-iterations'`, sweeps or Newton steps ran out;
 * `'at-precision'`, the numbers of this dtype do not get nearer; `'infeasible'`, the pairs that are not forbidden
 * cannot carry the masses.
 */
export type TransportStatus = 'converged' | 'max-iterations' | 'at-precision' | 'infeasible';

/** The work of a solver, counted. */
export interface TransportIterations {
  /** Sweeps over rows and columns. */
  sweeps: number;
  /** Newton steps tried. */
  newton: number;
  /** Iterations of conjugate gradients in them. */
  cg: number;
  /** Evaluations of the semi-dual. */
  evaluations: number;
}

/**
 * Marginals that may differ from the masses, at a price: rho KL(p | q) with KL = Σ p ln(p / q) − p + q. A side without
 * a rho must have its masses.
 */
export interface UnbalancedOptions {
  /** The penalty on masses of the rows, in units of the cost: positive. Default: none, the rows keep their masses. */
  rhoA?: number | undefined;
  /** The penalty on masses of the columns. Default: none. */
  rhoB?: number | undefined;
}

/** Options of {@link sinkhorn}. */
export interface SinkhornOptions extends TaskOptions<TransportProgress> {
  /** Masses of the rows, of the total of `b`. Default: that total in equal parts, 1/n each without `b`. */
  a?: Masses | undefined;
  /** Masses of the columns. Default: the total of `a` in equal parts, 1/m each where `a` is left out, too. */
  b?: Masses | undefined;
  /**
   * Strength of the entropy, in units of the cost: positive. 1/eps is what the literature calls eta. Default: 1e-3, for
   * costs of about 1.
   */
  eps?: number | undefined;
  /**
   * Default: `'auto'`; `'sinkhorn'` for unbalanced masses, and for point clouds whose matrix of costs would take more
   * than 64 MiB in their dtype.
   */
  method?: TransportMethod | undefined;
  /** L1 error of the marginals to reach, positive. Default: 1e-9. */
  tol?: number | undefined;
  /**
   * Most sweeps in all, and most evaluations of `'lbfgs'`: whole, at least 1. Default: 1000. Below 100 sweeps or 20
   * Newton steps, `'auto'` of `sinkhorn` tries one method after the other, each within the whole bounds.
   */
  maxSweeps?: number | undefined;
  /** Most Newton steps tried, in all: whole, at least 1. Default: 200. */
  maxNewton?: number | undefined;
  /**
   * Options by which eps is lowered to its value; false: it is not lowered. Default: `{}`, with a warm start or `paper`
   * false.
   */
  anneal?: AnnealOptions | false | undefined;
  /** Lets marginals and totals differ from those of `a` and `b`; with `method: 'sinkhorn'` only. Default: not. */
  unbalanced?: UnbalancedOptions | undefined;
  /** The published form of `method: 'sns'`, which stalls where costs are not random. Default: false, a safe form. */
  paper?: PaperOptions | false | undefined;
  /**
   * The choice among potentials that differ by a shift: `'balanced'`, those of equal means; `'last'`, those whose g is
   * 0 at the last column with mass. Not with `unbalanced`, where a shift changes the plan. Default: `'balanced'`.
   */
  gauge?: Gauge | undefined;
  /** Potentials to start from: a result of this or another eps. Default: zeros. */
  warmStart?: Potentials | undefined;
  /** Rejects with ERR_NOT_CONVERGED, the result as its `cause`, unless the status is `'converged'`. Default: false. */
  throwUnlessConverged?: boolean | undefined;
}

type Open = 'a' | 'b' | 'method' | 'unbalanced' | 'gauge' | 'warmStart' | 'signal' | 'onProgress';
type Annealing = Resolved<AnnealOptions, 'start'>;
type Published = Resolved<PaperOptions, 'lambda'>;

/** Options as they were given, checked, with the defaults that depend on no other one. */
export interface CheckedOptions extends Resolved<Omit<SinkhornOptions, 'anneal' | 'paper'>, Open> {
  anneal: Annealing | false;
  paper: Published | false;
}

/** Options with all their defaults. */
export interface Settings extends Omit<CheckedOptions, 'anneal' | 'paper' | 'gauge' | 'unbalanced'> {
  op: string;
  /** Undefined: at its value from the start. */
  anneal: Annealing | undefined;
  penalties: Penalties;
  /** Undefined: the safe form. */
  paper: Published | undefined;
  gauge: Gauge;
}

/** Potentials of masses that cannot be carried grow by up to 1500 eps a sweep: so they stay finite. */
const mostEps = 2 ** 996;

/** For costs of about 1, by default. There are numbers for potentials in units of it, and for its own unit. */
export const epsOption: Option<number> = also(positive(1e-3), (x) => {
  if (1 / x === Infinity) return 'must have a finite inverse';
  return x > mostEps ? `must be at most ${mostEps}` : undefined;
});

/** An option that the costs must be known for, to be checked. */
export const unchecked = <T>(): Option<T | undefined> => ({ default: undefined, wrong: () => undefined });

type SolverOptions = 'eps' | 'tol' | 'maxSweeps' | 'maxNewton' | 'anneal' | 'throwUnlessConverged';

/** Options of solvers of one problem or many. */
export const solverSchema: Schema<Pick<CheckedOptions, SolverOptions>> = {
  eps: epsOption,
  tol: positive(1e-9),
  maxSweeps: count(1000),
  maxNewton: count(200),
  anneal: orFalse(
    nested<Annealing>({
      start: optional(positive(1)),
      factor: also(positive(0.5), (x) => (x < 1 ? undefined : 'must be below 1')),
      sweeps: count(2),
    }),
  ),
  throwUnlessConverged: flag(false),
};

/** Options of {@link sinkhornDivergence}. */
export const divergenceSchema: Schema<Omit<CheckedOptions, 'unbalanced' | 'paper' | 'gauge' | 'warmStart'>> = {
  ...solverSchema,
  a: unchecked(),
  b: unchecked(),
  method: optional(word(['auto', 'sinkhorn', 'sns', 'ssns', 'splr', 'lbfgs'], 'auto')),
  ...watchers<TransportProgress>(),
};

const schema: Schema<CheckedOptions> = {
  ...divergenceSchema,
  unbalanced: optional(nested<UnbalancedOptions>({ rhoA: optional(positive(1)), rhoB: optional(positive(1)) })),
  paper: {
    ...orFalse(
      nested<Published>({
        sweeps: count(20),
        lambda: optional(also(positive(1), (x) => (x <= 1 ? undefined : 'must be at most 1'))),
      }),
    ),
    default: false,
  },
  gauge: optional(word<Gauge>(['balanced', 'last'], 'balanced')),
  warmStart: {
    default: undefined,
    wrong: (x) => (x === undefined || arePotentials(x) ? undefined : 'must have tensors f and g'),
  },
};

const arePotentials = (x: unknown): boolean => isRecord(x) && isTensor(x['f']) && isTensor(x['g']);

/**
 * @internal
 * @throws ERR_ARGUMENT for what is no option or out of range; ERR_UNSUPPORTED for methods that keep the masses
 */
export function settingsOf(op: string, options: SinkhornOptions): Settings {
  const { unbalanced, gauge, paper, anneal, ...given } = readOptions(op, options, schema);
  const refuse = (code: 'ERR_ARGUMENT' | 'ERR_UNSUPPORTED', text: string, got: unknown) => {
    throw new OrthokitError(code, `${op}: ${text}, got ${got}`);
  };
  const method = given.method ?? (unbalanced ? 'sinkhorn' : undefined);
  if (paper && method !== 'sns') refuse('ERR_ARGUMENT', 'paper must go with method sns', shown(method));
  if (unbalanced) {
    const { rhoA, rhoB } = unbalanced;
    if (rhoA === undefined && rhoB === undefined)
      refuse('ERR_ARGUMENT', 'unbalanced must have rhoA or rhoB', 'neither');
    if (method !== 'sinkhorn') refuse('ERR_UNSUPPORTED', 'unbalanced must go with method sinkhorn', method);
    if (gauge !== undefined) refuse('ERR_UNSUPPORTED', 'gauge must not go with unbalanced', gauge);
  }
  const isAnnealed = options.anneal !== undefined || !(given.warmStart || paper);
  return {
    ...given,
    op,
    method,
    gauge: gauge ?? 'balanced',
    anneal: isAnnealed && anneal ? anneal : undefined,
    penalties: { rows: unbalanced?.rhoA ?? Infinity, columns: unbalanced?.rhoB ?? Infinity },
    paper: paper || undefined,
  };
}
