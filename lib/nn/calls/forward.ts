import { refusal } from '../../core/errors.ts';
import type { Plain } from '../tape/value.ts';
import { type Call, type CallOptions, mapped } from './call.ts';
import { Runner } from './runner.ts';

/**
 * A function without gradients: evaluation, generation. Its result, a value or a list or record of them, comes as
 * tensors, which hold until the next call. Nothing of it depends on a mode: there is no eval(). Memory: all results of
 * its functions until it ends, but those inside a {@link scope}.
 *
 * @param fn Takes a model and whatever else, and must not await.
 * @example
 * using logits = nn.forward((gpt: Gpt, ids: Tensor) => gpt.forward(ids));
 * const probabilities = await logits(model, ids).read();
 *
 * @throws ERR_ARGUMENT for what is no function or option. Of the call: ERR_ARGUMENT for a model without tensors and a
 * function that awaits; what its functions throw
 */
export function forward<M extends object, A extends unknown[], R>(
  fn: (model: M, ...args: A) => R,
  options: CallOptions = {},
): Call & ((model: M, ...args: A) => Plain<R>) {
  const runner = new Runner('nn.forward', fn, options);
  let stream = 0;
  return runner.callable((model: M, ...args: A) => {
    stream += 1;
    return runner.run(model, { stream: stream - 1 }, ({ tape }) =>
      mapped(runner.apply(tape, model, args), (value) => {
        if (tape.holds(value)) return value.data;
        throw refusal('nn.forward', 'a result', 'be of this call', 'a value of another, or of a scope that has ended');
      }),
    ) as Plain<R>;
  });
}
