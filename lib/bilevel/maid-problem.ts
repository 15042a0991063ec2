import { refusal, shown } from '../core/errors.ts';
import { isRecord } from '../core/options.ts';
import type { Tensor } from '../core/tensor.ts';

/**
 * The lower problem of MAID, the smallest h(x, θ) over x, strongly convex in it. Each function writes into `out`, is
 * queued on the device, and leaves all else as it is.
 */
export interface MaidLower {
  /** out = ∇ₓ h, like x. */
  gradient(x: Tensor, theta: Tensor, out: Tensor): void | Promise<void>;
  /** out = ∇²ₓₓ h · v, all like x. */
  hessianProduct(x: Tensor, theta: Tensor, v: Tensor, out: Tensor): void | Promise<void>;
  /** out = (∇²ₓθ h)ᵀ v, the derivative by θ of ⟨∇ₓ h, v⟩: v like x, out like θ. */
  jacobianTransposed(x: Tensor, theta: Tensor, v: Tensor, out: Tensor): void | Promise<void>;
}

/** The upper function of MAID, g of the lower problem's solution. */
export interface MaidUpper {
  /** out = g, f64 of one element. */
  value(x: Tensor, out: Tensor): void | Promise<void>;
  /** out = ∇g, like x. */
  gradient(x: Tensor, out: Tensor): void | Promise<void>;
  /** ∇g is Lipschitz with this constant: positive. Default: an estimate, with which nothing is certified. */
  readonly lipschitz?: number | undefined;
}

/** A problem of two levels as {@link Maid} takes it: the smallest g(x̂(θ)), where h(·, θ) is least at x̂(θ). */
export interface MaidProblem {
  /** The lower problem. */
  readonly lower: MaidLower;
  /** The upper function. */
  readonly upper: MaidUpper;
}

/** @throws ERR_ARGUMENT for what is no problem; ERR_UNSUPPORTED for one without second derivatives */
export function checkMaidProblem(where: string, problem: unknown): asserts problem is MaidProblem {
  if (!isRecord(problem)) throw refusal(where, 'problem', 'be a problem of two levels', shown(problem));
  const { lower, upper } = problem as Record<string, unknown>;
  if (!isRecord(lower)) throw refusal(where, 'lower', 'be an object', shown(lower));
  if (!isRecord(upper)) throw refusal(where, 'upper', 'be an object', shown(upper));
  const demand = (name: string, one: unknown, code: 'ERR_ARGUMENT' | 'ERR_UNSUPPORTED' = 'ERR_ARGUMENT'): void => {
    if (typeof one !== 'function') throw refusal(where, name, 'be a function', shown(one), code);
  };
  demand('lower.gradient', lower['gradient']);
  for (const name of ['hessianProduct', 'jacobianTransposed'] as const)
    demand(`lower.${name}`, lower[name], lower[name] === undefined ? 'ERR_UNSUPPORTED' : 'ERR_ARGUMENT');
  for (const name of ['value', 'gradient'] as const) demand(`upper.${name}`, upper[name]);
  const { lipschitz } = upper;
  if (lipschitz !== undefined && !(typeof lipschitz === 'number' && lipschitz > 0 && lipschitz < Infinity))
    throw refusal(where, 'upper.lipschitz', 'be a positive number', shown(lipschitz));
}
