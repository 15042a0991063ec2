import type { Dtype } from '../../core/dtypes.ts';
import { notNegative, optional, word } from '../../core/schema.ts';
import type { CommonOptions, WeightDecayMode } from '../base/common-options.ts';
import type { Part } from '../base/part.ts';

interface Rate extends Pick<CommonOptions, 'lr' | 'weightDecay'> {
  readonly weightDecayMode: PlainDecay;
}
const modes = ['decoupled', 'independent', 'l2', 'palm', 'cautious'] as const;

/** Modes of decay that every optimizer has. */
export type PlainDecay = (typeof modes)[number];

/** The options of every optimizer: rate and decay, and what the base does by. */
export const common = (rate: number, decay: number, mode: PlainDecay): Part<CommonOptions, never, Rate> => ({
  schema: {
    lr: notNegative(rate),
    weightDecay: notNegative(decay),
    weightDecayMode: word<WeightDecayMode>(modes, mode),
    missingGrad: word(['skip', 'zero'], 'skip'),
    stateDtype: optional(word<Dtype>(['f32', 'f64', 'f16', 'bf16'], 'f32', true)),
    masterWeights: word(['none', 'fp32', 'split16'], 'none', true),
  },
  conversions: {
    stateDtype: () => ({}),
    masterWeights: () => 'masters hold what rounding took from the weights, which are not in the file',
  },
  fields: ({ lr, weightDecay, weightDecayMode }) => ({
    lr,
    weightDecay,
    weightDecayMode: weightDecayMode as PlainDecay,
  }),
});

/** Decay may also join the gradient as its sign: the mode `shrink`, for methods that multiply weights. */
export const shrinking: Part<
  Pick<CommonOptions, 'weightDecay' | 'weightDecayMode'>,
  never,
  { readonly weightDecay: number; readonly weightDecayMode: PlainDecay; readonly shrink: number }
> = {
  schema: { weightDecayMode: word<WeightDecayMode>([...modes, 'shrink'], 'shrink') },
  fields: ({ weightDecay, weightDecayMode: mode }) =>
    mode === 'shrink'
      ? { weightDecay: 0, weightDecayMode: 'decoupled', shrink: weightDecay }
      : { weightDecay, weightDecayMode: mode, shrink: 0 },
};
