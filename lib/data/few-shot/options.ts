// Options and results that both forms of clustering with a neighbour graph share.
import { count, notNegative, type Option, optional, positive, type Schema, word } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';

/** Progress of a clustering, told after each outer iteration. */
export interface ClusterProgress {
  /** Outer iterations of the tasks at work. */
  readonly iterations: number;
  /** Tasks that are done. */
  readonly tasks: number;
}

/** Options of every clustering with a neighbour graph. */
export interface ClusterOptions {
  /** λ, the weight of the graph: 0 is none of it. Not negative. Default: 0.7. */
  lambda?: number | undefined;
  /** Nearest rows that a row is tied to, itself counted: from 1 on, at most the rows. Default: 3. */
  neighbours?: number | undefined;
  /** The factor of distances to centers: the larger, the harder are assignments. Positive. Default: 1. */
  temperature?: number | undefined;
  /** σ of mean shift and of its costs, positive. Default: the root of Σ distances² to neighbours / (5 · rows). */
  sigma?: number | undefined;
  /**
   * `'psd'`: the graph made symmetric, with the sums of its rows on its diagonal, so that no inner step raises the
   * energy; `'raw'`: one way and without a diagonal, as the authors' programs have it. Default: `'psd'`.
   */
  graph?: 'psd' | 'raw' | undefined;
  /**
   * `'hard'`: centers of the rows with their label, each outer iteration from assignments by distances alone; `'soft'`:
   * means of all rows by their probabilities, from the assignments that there are, so that the energy never rises from
   * the first step to the last; not for `'modes'`. Default: `'hard'`.
   */
  assignments?: 'hard' | 'soft' | undefined;
  /** Outer iterations at most. Default: 100. */
  maxIterations?: number | undefined;
  /** Relative change of the energy at which outer iterations end, not negative. Default: 1e-4. */
  tol?: number | undefined;
  /** Steps of an outer iteration at most. Default: 600. */
  maxInnerSteps?: number | undefined;
  /** Relative change of the energy at which inner steps end, not negative. Default: 1e-7. */
  innerTol?: number | undefined;
}

/** The options that the rounds need, as they were given or by default. */
export interface ClusterSettings {
  lambda: number;
  neighbours: number;
  temperature: number;
  sigma: number | undefined;
  graph: 'psd' | 'raw';
  assignments: 'hard' | 'soft';
  maxIterations: number;
  tol: number;
  maxInnerSteps: number;
  innerTol: number;
}

/** Inner steps whose energies are kept. */
const mostInnerSteps: Option<number> = {
  default: 600,
  wrong: (x) => (Number.isInteger(x) && x >= 1 && x <= 100_000 ? undefined : 'must be a whole number from 1 to 100000'),
};

export const clusterSchema: Schema<ClusterSettings> = {
  lambda: notNegative(0.7),
  neighbours: count(3),
  temperature: positive(1),
  sigma: optional(positive(1)),
  graph: word<'psd' | 'raw'>(['psd', 'raw'], 'psd'),
  assignments: word<'hard' | 'soft'>(['hard', 'soft'], 'hard'),
  maxIterations: count(100),
  tol: notNegative(1e-4),
  maxInnerSteps: mostInnerSteps,
  innerTol: notNegative(1e-7),
};

/** The result of a clustering; the tensors are the caller's. */
export interface ClusterResult {
  /** The label of each row, `[tasks · rows]`. */
  readonly labels: Int32Array;
  /** Probabilities of labels, `[tasks, rows, classes]`, or without an axis of tasks as the rows were given. */
  readonly probabilities: Tensor;
  /** Centers, `[tasks, classes, d]` likewise, of the rows as they were normalized. */
  readonly prototypes: Tensor;
  /**
   * The energy Σ z ln z + a z − λ/2 Σ z W z: of one task after each inner step, of several the last of each. Another
   * outer iteration has other centers, and with hard assignments another start.
   */
  readonly energy: Float64Array;
  /** The inner steps: of one task those of each outer iteration, of several all those of each task. */
  readonly innerSteps: Int32Array;
  /** Outer iterations, the most of any task. */
  readonly iterations: number;
  /**
   * `'converged'`; `'max-iterations'` where a task reached them, or an only outer iteration its inner ones;
   * `'breakdown'` where one ended because a cluster lost its last row, with what was there before: no energy, step or
   * iteration is of that round, unless it is the first.
   */
  readonly status: 'converged' | 'max-iterations' | 'breakdown';
}
