import type { Tensor } from '../../core/tensor.ts';
import type { CommonOptions } from '../base/common-options.ts';
import type { Part } from '../base/part.ts';
import type { Slot } from '../base/state.ts';

/** Tensors that are kept beside every parameter, by the names that the op has for them. */
export const state = <S extends string, O = CommonOptions>(
  slots: Readonly<Record<S, (weight: Tensor, options: O) => Slot>>,
): Part<O, S> => ({
  slots: (weight, options) => {
    const made: { [K in S]?: Slot } = {};
    for (const name of Object.keys(slots) as S[]) made[name] = slots[name](weight, options);
    return made;
  },
});

/** Like the weight, in the dtype of moments. */
export const moment = (weight: Tensor, options: CommonOptions, start = 0): Slot => ({
  shape: weight.shape,
  dtype: options.stateDtype ?? (weight.dtype === 'f64' ? 'f64' : 'f32'),
  start,
});

/** Counts steps on the device, where a step that was held back does not count. */
export const counter = (): Slot => ({ shape: [1], dtype: 'i32', start: 0 });
