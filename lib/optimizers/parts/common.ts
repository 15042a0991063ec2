import type { Dtype } from '../../core/dtypes.ts';
import { notNegative, optional, word } from '../../core/schema.ts';
import type { CommonOptions, WeightDecayMode } from '../base/common-options.ts';
import type { Part } from '../base/part.ts';

type Rate = Pick<CommonOptions, 'lr' | 'weightDecay' | 'weightDecayMode'>;

/** The options of every optimizer: rate and decay, and what the base does by. */
export const common = (rate: number, decay: number, mode: WeightDecayMode): Part<CommonOptions, never, Rate> => ({
  schema: {
    lr: notNegative(rate),
    weightDecay: notNegative(decay),
    weightDecayMode: word(['decoupled', 'independent', 'l2', 'palm', 'cautious'], mode),
    missingGrad: word(['skip', 'zero'], 'skip'),
    stateDtype: optional(word<Dtype>(['f32', 'f64', 'f16', 'bf16'], 'f32', true)),
    masterWeights: word(['none', 'fp32', 'split16'], 'none', true),
  },
  fields: ({ lr, weightDecay, weightDecayMode }) => ({ lr, weightDecay, weightDecayMode }),
});
