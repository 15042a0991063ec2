import { runOn } from '../tape/running.ts';
import type { Plain } from '../tape/value.ts';
import { type Call, type CallOptions, callable, plain, readCall } from './call.ts';
import { Plan } from './plan.ts';

/**
 * A function without gradients: evaluation, generation. Its result, a value or a list or record of them, comes as
 * tensors, which hold until the next call. Nothing of it depends on a mode: there is no eval().
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
  const { arena: given, seed } = readCall('nn.forward', options);
  const plan = new Plan('nn.forward', fn, given);
  let calls = 0;
  return callable((model: M, ...args: A) => {
    const random = seed === undefined ? undefined : { seed, stream: calls, offset: 0 };
    calls += 1;
    return plan.run(model, { isRecording: false, random }, (tape) =>
      plain(runOn(tape, () => fn(model, ...args))),
    ) as Plain<R>;
  }, plan);
}
