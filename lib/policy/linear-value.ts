import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { kind, readOptions, type Schema, word } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';

/** A value function of states, by its values and the products of their derivatives with cotangents. */
export interface ValueOracle {
  /** Its parameters, f32 or f64, on one device; `forward` and `vjp` work at what they hold while these run. */
  readonly params: readonly Tensor[];
  /** out `[b]` = the values of b states, which are in any form that the oracle takes. */
  forward(states: Tensor, out: Tensor): void | Promise<void>;
  /**
   * out `[b]` = the same function of states with other parameters, like `params`, which are only to be read. Left out,
   * `forward` is called while `params` hold those, which costs three copies of all of them. Who takes another oracle's
   * functions with a `forward` of their own has a `forwardAt` of their own as well, or none: `forwardAt: undefined`.
   */
  forwardAt?(params: readonly Tensor[], states: Tensor, out: Tensor): void | Promise<void>;
  /** grads = Σ cotangentᵢ · the derivative of the i-th value by the parameters. */
  vjp(states: Tensor, cotangent: Tensor, grads: readonly Tensor[]): void | Promise<void>;
}

/** Options of {@link linearValue}. */
export interface LinearValueOptions {
  /** It has no default. */
  device: Device;
  /** Default: `'f32'`. */
  dtype?: 'f32' | 'f64' | undefined;
}

const schema: Schema<{ device: Device | undefined; dtype: 'f32' | 'f64' }> = {
  device: kind(() => true, 'a Device'),
  dtype: word<'f32' | 'f64'>(['f32', 'f64'], 'f32'),
};

/**
 * A value function that is linear in its states, V(s) = sᵀ w: states are features `[b, features]`, and the parameter w
 * `[features]` starts with zeros. Queued.
 *
 * @param features Whole, from 1 on.
 * @example
 * const learner = new OdiceValueLearner(linearValue(36, { device }), { lambda: 0.5 });
 *
 * @throws ERR_ARGUMENT, ERR_MEMORY, ERR_DISPOSED; its functions ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
 */
export function linearValue(features: number, options: LinearValueOptions): ValueOracle {
  const where = 'linearValue';
  if (!(Number.isSafeInteger(features) && features > 0))
    throw refusal(where, 'features', 'be a whole number from 1 on', shown(features));
  const { device, dtype } = readOptions(where, options, schema);
  check.device(where, 'device', device);
  const w = Tensor.zeros(device, [features], { dtype });
  const valuesAt = (name: string, at: Tensor | undefined, states: Tensor, out: Tensor): void => {
    check.tensor(`linearValue.${name}`, 'params[0]', at, { shape: [features], dtypes: [dtype], device });
    check.tensor(`linearValue.${name}`, 'states', states, { shape: [undefined, features] });
    using b = at.reshape([features, 1]);
    using c = out.reshape([out.size, 1]);
    ops.gemm(device, { a: states, b, c });
  };
  return {
    params: [w],
    forward: (states, out) => valuesAt('forward', w, states, out),
    forwardAt: ([at], states, out) => valuesAt('forwardAt', at, states, out),
    vjp(states, cotangent, [grad]) {
      using b = cotangent.reshape([cotangent.size, 1]);
      using c = grad!.reshape([features, 1]);
      ops.gemm(device, { a: states, b, c, transA: 'transposed' });
    },
  };
}
