import { refusal, shown } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import { isResult, type PerParameter, type Traced, type Value } from '../tape/value.ts';
import type { Call, CallOptions } from './call.ts';
import { Runner } from './runner.ts';

/** A result and its derivative. */
export interface ValueAndTangent {
  /** The result. */
  readonly value: Tensor;
  /** Its derivative along the direction. */
  readonly tangent: Tensor;
}

/**
 * J v, the derivative of a function's result along a direction v of the parameters. Both hold until the next call.
 *
 * @example
 * using slope = nn.jvp((mlp: nn.Traced<Mlp>, x: Tensor) => mlp.forward(x));
 * const { value, tangent } = slope(model, direction, x);
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE for a direction that is none; ERR_UNSUPPORTED for a function without a
 * tangent, such as a loss; what its functions throw
 */
export function jvp<M extends object, A extends unknown[]>(
  fn: (model: Traced<M>, ...args: A) => Value,
  options: CallOptions = {},
): Call & ((model: M, v: PerParameter, ...args: A) => ValueAndTangent) {
  const where = 'nn.jvp';
  const runner = new Runner(where, fn, options);
  return runner.callable((model: M, v: PerParameter, ...args: A) =>
    runner.record(model, args, { along: v }, ({ tape, result }) => {
      if (!isResult(result)) throw refusal(where, 'the function', 'return a value', shown(result));
      tape.forth();
      if (!result.tangent) throw refusal(where, 'v', 'have a parameter that matters', 'none');
      return { value: result.data, tangent: result.tangent };
    }),
  );
}
