import { refusal, shown } from '../../core/errors.ts';
import { kind, optional, type Resolved, type Schema, whole } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { Arena } from '../tape/arena.ts';
import { isLoss, isResult, type PerParameter, type Result } from '../tape/value.ts';

/** A function of the caller's that is called again and again. It owns buffers. */
export interface Call {
  /** Gives all buffers back; results are gone, and the next call makes new ones. */
  dispose(): void;
  /** Disposes: `using step = nn.valueAndGrad(loss)`. */
  [Symbol.dispose](): void;
}

/** Options of all calls. */
export interface CallOptions {
  /** Buffers to share with other calls: then results hold until the next call of any of them. Default: its own. */
  arena?: Arena | undefined;
  /**
   * For functions that draw numbers, such as dropout: every call draws its own, and `recompute` the same again. Whole,
   * 0 to 2^53. Default: none, and a function that draws throws in a gradient.
   */
  seed?: number | undefined;
}

/** A loss and the product of its curvature with a direction. */
export interface ValueAndProduct {
  /** The loss, f64[1]. */
  readonly value: Tensor;
  /** Map from each parameter to its part; those that do not matter are not there. */
  readonly product: PerParameter;
}

/** Options that have been read. */
export type ReadOptions = Resolved<CallOptions, 'arena' | 'seed'>;

export const callSchema: Schema<ReadOptions> = {
  arena: kind((value): value is Arena => value instanceof Arena, 'an nn.Arena'),
  seed: optional(whole(0, 0, 2 ** 53)),
};

/** @throws ERR_ARGUMENT unless the function has given a loss in which a parameter matters */
export function checkLoss(where: string, loss: unknown): asserts loss is Result {
  const got = isResult(loss) ? `${loss.leaf?.path ?? 'a value'}, ${loss.dtype}[${loss.shape}]` : shown(loss);
  if (!isLoss(loss)) throw refusal(where, 'the function', 'return a loss of one element, such as nn.sum gives', got);
  if (!loss.isTracked) throw refusal(where, 'a parameter of the model', 'matter for the loss', 'none');
}

/** The result of a function, a value or a list or record of them, with others in place of the values. */
export function mapped(given: unknown, f: (value: Result) => unknown): unknown {
  if (isResult(given)) return f(given);
  if (Array.isArray(given)) return given.map((one) => mapped(one, f));
  if (typeof given !== 'object' || given === null || Object.getPrototypeOf(given) !== Object.prototype) return given;
  return Object.fromEntries(Object.entries(given).map(([key, one]) => [key, mapped(one, f)]));
}
