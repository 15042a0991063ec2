import { OrthokitError, oneOf } from '../core/errors.ts';
import { checkOptions, isRecord, shown } from '../core/options.ts';
import { isTensor, type Tensor } from '../core/tensor.ts';
import { balanced, type Penalties } from './problem/penalties.ts';

/** How a transport problem is solved; {@link sinkhorn} says when each is the right one. */
export type TransportMethod = 'auto' | 'sinkhorn' | 'sns' | 'ssns' | 'splr' | 'lbfgs';

/** The choice among potentials, which a shift from one side to the other leaves as good: equal means, or g of the last column 0. */
export type Gauge = 'balanced' | 'last';

/** How eps is lowered to its value: each level starts from the potentials of the one before. */
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

/** How far a solver is. */
export interface TransportProgress {
  /** The eps of the level that is worked on. */
  readonly eps: number;
  /** L1 error of the marginals there, as far as it is known; infinity before. */
  readonly marginalError: number;
  /** The work so far. */
  readonly iterations: Readonly<TransportIterations>;
}

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
 * Marginals that may differ from the masses, at a price: rho KL(p | q) with KL = Σ p ln(p / q) − p + q. A side without a rho
 * must have its masses.
 */
export interface UnbalancedOptions {
  /** Of the rows, in units of the cost: positive. Default: none, the rows keep their masses. */
  rhoA?: number | undefined;
  /** Of the columns. Default: none. */
  rhoB?: number | undefined;
}

/** Options of {@link sinkhorn}. */
export interface SinkhornOptions {
  /** Masses of the rows, of any equal total with `b`. Default: the total of `b` in equal parts, 1/n each where `b` is left out, too. */
  a?: Masses | undefined;
  /** Masses of the columns. Default: the total of `a` in equal parts, 1/m each where `a` is left out, too. */
  b?: Masses | undefined;
  /** Strength of the entropy, in units of the cost: positive. 1/eps is what the literature calls eta. Default: 1e-3, for costs of about 1. */
  eps?: number | undefined;
  /**
   * Default: `'auto'`; `'sinkhorn'` for unbalanced masses, and for point clouds whose matrix of costs would take more than 64 MiB in
   * their dtype.
   */
  method?: TransportMethod | undefined;
  /** L1 error of the marginals to reach, positive. Default: 1e-9. */
  tol?: number | undefined;
  /** Most sweeps in all, and most evaluations of `'lbfgs'`: whole, at least 1. Default: 1000. */
  maxSweeps?: number | undefined;
  /** Most Newton steps tried, in all: whole, at least 1. Default: 200. */
  maxNewton?: number | undefined;
  /** How eps is lowered to its value; false: not at all. Default: `{}`, with a warm start or `paper` false. */
  anneal?: AnnealOptions | false | undefined;
  /**
   * Lets marginals differ from `a` and `b`, whose totals may then differ too; with `method: 'sinkhorn'` only. Default: they
   * may not.
   */
  unbalanced?: UnbalancedOptions | undefined;
  /** With `method: 'sns'`: the published form, which stalls where costs are not random. Default: false, the safe form. */
  paper?: PaperOptions | false | undefined;
  /**
   * Which of the potentials that differ by a shift is returned: `'balanced'`, those of equal means; `'last'`, those whose g is 0 at
   * the last column with mass. Not with `unbalanced`, where a shift changes the plan. Default: `'balanced'`.
   */
  gauge?: Gauge | undefined;
  /** Potentials to start from: a result of this or another eps. Default: zeros. */
  warmStart?: Potentials | undefined;
  /** Aborting rejects with the signal's reason. Default: none. */
  signal?: AbortSignal | undefined;
  /** Called each time the error has been looked at. Default: none. */
  onProgress?: ((progress: TransportProgress) => void) | undefined;
  /** Rejects with ERR_NOT_CONVERGED, the result as its `cause`, unless the status is `'converged'`. Default: false. */
  throwUnlessConverged?: boolean | undefined;
}

/** Options with their defaults, checked. */
export interface Settings {
  readonly op: string;
  readonly a: Masses | undefined;
  readonly b: Masses | undefined;
  readonly eps: number;
  /** Undefined: the costs decide. */
  readonly method: TransportMethod | undefined;
  readonly tol: number;
  readonly maxSweeps: number;
  readonly maxNewton: number;
  readonly anneal: { start: number | undefined; factor: number; sweeps: number } | undefined;
  readonly penalties: Penalties;
  readonly gauge: Gauge;
  readonly paper: { sweeps: number; lambda: number | undefined } | undefined;
  readonly warmStart: Potentials | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: TransportProgress) => void) | undefined;
  readonly throwUnlessConverged: boolean;
}

/** For costs of about 1. */
export const defaultEps = 1e-3;

const methods: readonly string[] = ['auto', 'sinkhorn', 'sns', 'ssns', 'splr', 'lbfgs'] satisfies TransportMethod[];
const gauges: readonly string[] = ['balanced', 'last'] satisfies Gauge[];

/** @throws ERR_ARGUMENT unless the number is finite and above 0. */
export function positive(op: string, name: string, value: unknown): number {
  if (typeof value === 'number' && value > 0 && value < Infinity) return value;
  throw new OrthokitError('ERR_ARGUMENT', `${op}: ${name} must be a positive number, got ${shown(value)}`);
}

/** Potentials of masses that cannot be carried grow by up to 1500 eps a sweep: so they stay finite. */
const mostEps = 2 ** 996;

/** @throws ERR_ARGUMENT unless there are numbers for potentials in units of it, and its own unit */
export function epsOf(op: string, value: unknown): number {
  const eps = positive(op, 'eps', value);
  if (1 / eps === Infinity)
    throw new OrthokitError('ERR_ARGUMENT', `${op}: eps must have a finite inverse, got ${eps}`);
  if (eps > mostEps) throw new OrthokitError('ERR_ARGUMENT', `${op}: eps must be at most ${mostEps}, got ${eps}`);
  return eps;
}

export function countOf(op: string, name: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 1) return value as number;
  throw new OrthokitError('ERR_ARGUMENT', `${op}: ${name} must be a whole number from 1 on, got ${shown(value)}`);
}

/** @throws ERR_ARGUMENT for what cannot abort, or be called */
export function checkWatchers(op: string, { signal, onProgress }: { signal?: unknown; onProgress?: unknown }): void {
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new OrthokitError('ERR_ARGUMENT', `${op}: signal must be an AbortSignal, got ${shown(signal)}`);
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw new OrthokitError('ERR_ARGUMENT', `${op}: onProgress must be a function, got ${shown(onProgress)}`);
}

/** @throws ERR_ARGUMENT unless it is true or false; left out, it is false */
export function throwsUnlessConverged(op: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value === 'boolean') return value;
  throw new OrthokitError('ERR_ARGUMENT', `${op}: throwUnlessConverged must be true or false, got ${shown(value)}`);
}

export function annealOf(op: string, anneal: AnnealOptions | false): Settings['anneal'] {
  if (anneal === false) return undefined;
  if (!isRecord(anneal))
    throw new OrthokitError('ERR_ARGUMENT', `${op}: anneal must be an object or false, got ${shown(anneal)}`);
  checkOptions(`${op}: anneal`, anneal, ['start', 'factor', 'sweeps']);
  const { start, factor = 0.5, sweeps = 2 } = anneal as AnnealOptions;
  if (positive(op, 'anneal.factor', factor) >= 1)
    throw new OrthokitError('ERR_ARGUMENT', `${op}: anneal.factor must be below 1, got ${factor}`);
  return {
    start: start === undefined ? undefined : positive(op, 'anneal.start', start),
    factor,
    sweeps: countOf(op, 'anneal.sweeps', sweeps),
  };
}

function penaltiesOf(op: string, unbalanced: UnbalancedOptions | undefined): Penalties {
  if (unbalanced === undefined) return balanced;
  if (!isRecord(unbalanced))
    throw new OrthokitError('ERR_ARGUMENT', `${op}: unbalanced must be an object, got ${shown(unbalanced)}`);
  checkOptions(`${op}: unbalanced`, unbalanced, ['rhoA', 'rhoB']);
  const { rhoA, rhoB } = unbalanced;
  if (rhoA === undefined && rhoB === undefined)
    throw new OrthokitError('ERR_ARGUMENT', `${op}: unbalanced must have rhoA or rhoB, got neither`);
  const rho = (name: string, value: unknown): number =>
    value === undefined ? Infinity : positive(op, `unbalanced.${name}`, value);
  return { rows: rho('rhoA', rhoA), columns: rho('rhoB', rhoB) };
}

function paperOf(op: string, paper: PaperOptions | false, method: unknown): Settings['paper'] {
  if (paper === false) return undefined;
  if (!isRecord(paper))
    throw new OrthokitError('ERR_ARGUMENT', `${op}: paper must be an object or false, got ${shown(paper)}`);
  checkOptions(`${op}: paper`, paper, ['sweeps', 'lambda']);
  if (method !== 'sns')
    throw new OrthokitError('ERR_ARGUMENT', `${op}: paper must go with method sns, got ${shown(method)}`);
  const { sweeps = 20, lambda } = paper as PaperOptions;
  if (lambda !== undefined && positive(op, 'paper.lambda', lambda) > 1)
    throw new OrthokitError('ERR_ARGUMENT', `${op}: paper.lambda must be at most 1, got ${lambda}`);
  return { sweeps: countOf(op, 'paper.sweeps', sweeps), lambda };
}

const known = [
  ...['a', 'b', 'eps', 'method', 'tol', 'maxSweeps', 'maxNewton', 'anneal', 'paper', 'unbalanced', 'warmStart'],
  ...['gauge', 'signal', 'onProgress', 'throwUnlessConverged'],
];

/**
 * @internal
 * @throws ERR_ARGUMENT for what is no option or out of range; ERR_UNSUPPORTED for methods that keep the masses
 */
export function settingsOf(op: string, options: SinkhornOptions): Settings {
  checkOptions(op, options, known);
  const {
    a,
    b,
    method = options.unbalanced ? 'sinkhorn' : undefined,
    tol = 1e-9,
    maxSweeps = 1000,
    maxNewton = 200,
    warmStart,
    signal,
    onProgress,
  } = options;
  const eps = epsOf(op, options.eps ?? defaultEps);
  if (method !== undefined && !methods.includes(method))
    throw new OrthokitError('ERR_ARGUMENT', `${op}: method must be ${oneOf(methods)}, got ${shown(method)}`);
  if (options.unbalanced && method !== 'sinkhorn')
    throw new OrthokitError('ERR_UNSUPPORTED', `${op}: unbalanced must go with method sinkhorn, got ${method}`);
  if (warmStart !== undefined && !(isRecord(warmStart) && isTensor(warmStart.f) && isTensor(warmStart.g)))
    throw new OrthokitError('ERR_ARGUMENT', `${op}: warmStart must have tensors f and g, got ${shown(warmStart)}`);
  checkWatchers(op, options);
  const paper = paperOf(op, options.paper ?? false, method);
  const gauge = options.gauge ?? 'balanced';
  if (!gauges.includes(gauge))
    throw new OrthokitError('ERR_ARGUMENT', `${op}: gauge must be ${oneOf(gauges)}, got ${shown(gauge)}`);
  if (options.unbalanced && options.gauge !== undefined)
    throw new OrthokitError('ERR_UNSUPPORTED', `${op}: gauge must not go with unbalanced, got ${gauge}`);
  const anneal = options.anneal ?? (warmStart || paper ? false : {});
  return {
    op,
    a,
    b,
    eps,
    method,
    tol: positive(op, 'tol', tol),
    maxSweeps: countOf(op, 'maxSweeps', maxSweeps),
    maxNewton: countOf(op, 'maxNewton', maxNewton),
    anneal: annealOf(op, anneal),
    penalties: penaltiesOf(op, options.unbalanced),
    gauge,
    paper,
    warmStart,
    signal,
    onProgress,
    throwUnlessConverged: throwsUnlessConverged(op, options.throwUnlessConverged),
  };
}
