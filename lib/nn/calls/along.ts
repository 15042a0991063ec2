// Calls along a direction: a tangent for each parameter.
import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import { runOn } from '../tape/running.ts';
import type { Tape } from '../tape/tape.ts';
import type { PerParameter, Result, Traced } from '../tape/value.ts';
import type { Plan } from './plan.ts';

/** The parameters of a model, each with its part of the direction; those that are not in it stand still. */
export function checkDirection(
  where: string,
  paths: ReadonlyMap<Tensor, string>,
  v: unknown,
): asserts v is PerParameter {
  if (!(v instanceof Map)) throw refusal(where, 'v', 'be a Map from parameters to tensors', shown(v));
  if (![...v.keys()].some((tensor) => paths.has(tensor)))
    throw refusal(where, 'v', 'have a parameter of the model', `${v.size} others`);
  for (const [parameter, path] of paths) {
    const part: unknown = v.get(parameter);
    const { dtype, shape } = parameter;
    if (part !== undefined) check.tensor(where, `v of ${path}`, part, { dtypes: [dtype], shape });
  }
}

/** A loss and the product of its curvature with a direction. */
export interface ValueAndProduct {
  /** The loss, f64[1]. */
  readonly value: Tensor;
  /** From each parameter to its part; those that do not matter are not there. */
  readonly product: PerParameter;
}

interface Along {
  readonly tape: Tape;
  readonly result: unknown;
  readonly values: readonly Result[];
}

/** Runs the function with tangents at its parameters, then `end`; buffers come back however it ends. */
export function alongDirection<M extends object, A extends unknown[], R>(
  where: string,
  plan: Plan,
  fn: (model: Traced<M>, ...args: A) => unknown,
  given: { readonly model: M; readonly v: PerParameter; readonly args: A; readonly seed: number | undefined },
  end: (along: Along) => R,
): R {
  const { model, v, args, seed } = given;
  const random = seed === undefined ? undefined : { seed, stream: 0, offset: 0 };
  return plan.run(model, { isRecording: true, random }, (tape, paths) => {
    checkDirection(where, paths, v);
    const { values, shadow } = plan.trace(tape, model, paths);
    for (const value of values) value.tangent = v.get(value.data);
    return end({ tape, values, result: runOn(tape, () => fn(shadow as Traced<M>, ...args)) });
  });
}
