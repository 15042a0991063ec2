import { refusal } from '../../core/errors.ts';
import { readOptions } from '../../core/schema.ts';
import { ContinualAttention } from '../attention.ts';
import { type ContinualAttentionOptions, windowSchema } from '../options.ts';

/**
 * Attention in a window that moves by one place with each step, without a mask and scaled by 1 / √(channels of a
 * head). `'single'` gives the newest place's result, from the keys and values of the window. `'retroactive'` gives
 * those of all places: the sums of older ones gain the new place and lose the oldest, at a cost in proportion to the
 * window. Sums that this leaves inexact are made anew: where a new score lies far above the others, where most of what
 * was summed has gone, and as long as there is NaN or infinity in the window.
 *
 * Source: Hedegaard et al., "Continual Transformers: Redundancy-Free Attention for Online Inference" (2022), whose sums
 * have neither an offset nor such a rule, and leave f32 where scores have a deviation of 16.
 *
 * @example
 * using attention = continual.attention({ heads: 4, length: 64, mode: 'retroactive' });
 *
 * @throws ERR_ARGUMENT for options out of range, and for `refreshEvery` and `exact` of a single output or both
 */
export function attention(options: ContinualAttentionOptions): ContinualAttention {
  const where = 'continual.attention';
  const window = readOptions(where, options, windowSchema);
  const { mode, refreshEvery, exact } = window;
  if (mode === 'single' && refreshEvery !== undefined)
    throw refusal(where, 'refreshEvery', "be left out where mode is 'single'", refreshEvery);
  if (mode === 'single' && exact) throw refusal(where, 'exact', "be left out where mode is 'single'", exact);
  if (exact && refreshEvery !== undefined)
    throw refusal(where, 'refreshEvery', 'be left out where exact is true', refreshEvery);
  return new ContinualAttention(window);
}
