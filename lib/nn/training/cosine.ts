import { cosineRate } from '../../core/cosine-rate.ts';
import { count, notNegative, positive, type Resolved, readOptions, required, type Schema } from '../../core/schema.ts';

/** Options of {@link cosine}. */
export interface CosineOptions {
  /** The rate after the warm-up: positive. It has no default. */
  peak: number;
  /** Steps in which the rate rises in a line; the last of them has the peak: whole, from 0 on. It has no default. */
  warmup: number;
  /** The step at which the floor is reached: whole, from 0 on, not less than `warmup`. It has no default. */
  steps: number;
  /** The rate at the end and from then on: not negative, at most the peak. Default: 0. */
  floor?: number | undefined;
}

const schema: Schema<Resolved<CosineOptions>> = {
  peak: required(positive(1)),
  warmup: required(count(0, 0)),
  steps: required(count(0, 0)),
  floor: notNegative(0),
};

/**
 * A learning rate as a function of the step, from 0: peak · (step + 1) / warmup before the step `warmup`, then half a
 * cosine from the peak down to the floor (Loshchilov and Hutter 2017).
 *
 * @example
 * const rate = nn.cosine({ peak: 3e-4, warmup: 100, steps: 5000 });
 * for (const group of optimizer.groups) group.lr = rate(step);
 *
 * @throws ERR_ARGUMENT for numbers that are missing or out of range, for fewer `steps` than `warmup` and for a floor
 * above the peak; the function for a step that is not finite or negative
 */
export function cosine(options: CosineOptions): (step: number) => number {
  const where = 'nn.cosine';
  return cosineRate(where, readOptions(where, options, schema));
}
