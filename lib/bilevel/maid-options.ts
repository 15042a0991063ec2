import { isRecord } from '../core/options.ts';
import { count, flag, fraction, notNegative, type Option, positive, required, type Schema } from '../core/schema.ts';
import type { TaskOptions } from '../core/task.ts';
import type { Tensor } from '../core/tensor.ts';
import type { SolverStatus } from '../solvers/status.ts';
import type { MaidState } from './maid-state.ts';

/** Constants with which `Maid` certifies its gradients. */
export interface MaidBounds {
  /** ‖∇²ₓθ h‖ is at most this: not negative. */
  B: number;
  /** ∇²ₓθ h is Lipschitz in x with this constant: not negative; 0 for a quadratic h. */
  LB: number;
  /** The inverse of ∇²ₓₓ h is Lipschitz in x with this constant: not negative; 0 for a quadratic h. */
  LAinv: number;
}

/** Options of `Maid`. */
export interface MaidOptions {
  /** μ: h is μ-strongly convex in x; positive. It has no default. */
  mu: number;
  /** L: ∇ₓ h is L-Lipschitz in x; from `mu` on, or a function that gives it for a θ. It has no default. */
  lipschitz: number | ((theta: Tensor) => number | Promise<number>);
  /** Constants of the error bound, or `'estimate'`: taken at the points that come by. Default: `'estimate'`. */
  bounds?: MaidBounds | 'estimate' | undefined;
  /** The first accuracy of lower solutions, a distance: positive. Default: 0.1. */
  eps0?: number | undefined;
  /** The first accuracy of linear systems, the length of a residual: positive. Default: 0.1. */
  delta0?: number | undefined;
  /** The first step size: positive. One that is far too long costs trials alone. Default: 0.1. */
  step0?: number | undefined;
  /** Share of the descent that a step must keep, and of a gradient that its error leaves: in [0, 1). Default: 1e-4. */
  eta?: number | undefined;
  /** A step that is refused is followed by one of this share: in (0, 1). Default: 0.5. */
  rho?: number | undefined;
  /** Accuracies that are too low shrink by this: in (0, 1). Default: 0.5. */
  tau?: number | undefined;
  /** Accuracies grow by this after a step: from 1 on. Default: 1.25. */
  nu?: number | undefined;
  /**
   * Steps tried before accuracies shrink, one more after each time, without those that lead up for certain: whole, from
   * 1 on. Default: 10.
   */
  maxBacktracks?: number | undefined;
  /** The length of the gradient, its error added, that is enough: not negative. Default: 1e-6. */
  gradTol?: number | undefined;
  /** Steps: whole, from 1 on. Default: 1000. */
  maxIterations?: number | undefined;
  /** Gradients of the lower problem in a run: whole, from 1 on. Default: 1,000,000. */
  maxLower?: number | undefined;
  /** Iterations of conjugate gradients in a run: whole, from 1 on. Default: 1,000,000. */
  maxCg?: number | undefined;
  /** True: accuracies stay, and gradients are taken as they come, for comparisons. Default: false. */
  fixedAccuracy?: boolean | undefined;
}

/** A step of `Maid`. */
export interface MaidIteration {
  /** Steps up to it. */
  readonly iteration: number;
  /** g where it began. */
  readonly value: number;
  /** The length of the gradient there. */
  readonly gradNorm: number;
  /** The gradient's distance from that of g(x̂(θ)): a bound where the result is certified. */
  readonly error: number;
  /** Accuracy of the lower solution. */
  readonly eps: number;
  /** Accuracy of the linear system. */
  readonly delta: number;
  /** The step size. */
  readonly step: number;
  /** Gradients of the lower problem so far. */
  readonly lowerCalls: number;
  /** Iterations of conjugate gradients so far. */
  readonly cgCalls: number;
}

/** The end of `Maid.run`. */
export interface MaidResult {
  /** The lower solution, like x0; the caller's. */
  readonly x: Tensor;
  /** g there. NaN if there was no budget for it. */
  readonly value: number;
  /** The length of the gradient there. NaN if there was no budget, or no accuracy, for it. */
  readonly gradNorm: number;
  /** Steps taken. */
  readonly iterations: number;
  /**
   * `'converged'`; `'max-iterations'`; `'budget'` once `maxLower` or `maxCg` is used up; `'at-precision'` where
   * rounding hides the accuracy that is needed; `'search-failed'` where no step leads down though accuracies are as
   * good as numbers allow, or are fixed.
   */
  readonly status: SolverStatus;
  /** True where all constants were given: errors are bounds then, and the true g(x̂(θ)) fell in each step. */
  readonly certified: boolean;
  /** Gradients of the lower problem. */
  readonly lowerCalls: number;
  /** Iterations of conjugate gradients. */
  readonly cgCalls: number;
  /** Each step. */
  readonly history: readonly MaidIteration[];
}

/** Options of `Maid.run`. */
export interface MaidRunOptions extends TaskOptions<MaidIteration> {
  /**
   * State of a run, which goes on from it bit for bit and leaves it as it is at its end. A new state is one to begin
   * with. Default: none.
   */
  state?: MaidState | undefined;
}

/** Options as they are used. */
export interface MaidSettings {
  mu: number;
  lipschitz: number | ((theta: Tensor) => number | Promise<number>);
  bounds: MaidBounds | 'estimate';
  eps0: number;
  delta0: number;
  step0: number;
  eta: number;
  rho: number;
  tau: number;
  nu: number;
  maxBacktracks: number;
  gradTol: number;
  maxIterations: number;
  maxLower: number;
  maxCg: number;
  fixedAccuracy: boolean;
}

const share = (value: number): Option<number> => ({
  default: value,
  wrong: (x) => (typeof x === 'number' && x > 0 && x < 1 ? undefined : 'must be in (0, 1)'),
});

export const maidSchema: Schema<MaidSettings> = {
  mu: required(positive(1)),
  lipschitz: {
    default: undefined as unknown as number,
    wrong: (x) =>
      typeof x === 'function' || (typeof x === 'number' && x > 0 && x < Infinity)
        ? undefined
        : 'must be a positive number or a function',
  },
  bounds: {
    default: 'estimate',
    wrong: (x) => (x === 'estimate' || isRecord(x) ? undefined : "must be 'estimate' or constants B, LB and LAinv"),
  },
  eps0: positive(0.1),
  delta0: positive(0.1),
  step0: positive(0.1),
  eta: fraction(1e-4),
  rho: share(0.5),
  tau: share(0.5),
  nu: {
    default: 1.25,
    wrong: (x) => (typeof x === 'number' && x >= 1 && x < Infinity ? undefined : 'must be finite and from 1 on'),
  },
  maxBacktracks: count(10),
  gradTol: notNegative(1e-6),
  maxIterations: count(1000),
  maxLower: count(1_000_000),
  maxCg: count(1_000_000),
  fixedAccuracy: flag(false),
};
export const boundsSchema: Schema<MaidBounds> = {
  B: required(notNegative(0)),
  LB: required(notNegative(0)),
  LAinv: required(notNegative(0)),
};
