// Learning rates as plain functions of the step, which counts from 0.
import { checkedRate, checkFloor, cosineRate, rising } from '../core/cosine-rate.ts';
import { refusal } from '../core/errors.ts';
import { count, notNegative, positive, type Resolved, readOptions, required, type Schema } from '../core/schema.ts';

/** A rate, or a factor of one, for the step: finite and from 0 on. Steps count from 0. */
export type Schedule = (step: number) => number;

/** Options of {@link constant}. */
export interface ConstantScheduleOptions {
  /** The rate: positive. Default 1, which makes the schedule a factor. */
  peak?: number | undefined;
}

/** Options of {@link linearWarmup}. */
export interface WarmupScheduleOptions extends ConstantScheduleOptions {
  /** Steps in which the rate rises in a line; the last of them has the peak: whole, from 0 on. It has no default. */
  warmup: number;
}

/** Options of {@link cosine}. */
export interface CosineScheduleOptions extends ConstantScheduleOptions {
  /** The step at which the floor is reached: whole, from 0 on, not less than `warmup`. It has no default. */
  steps: number;
  /** Steps in which the rate rises in a line; the last of them has the peak: whole, from 0 on. Default 0. */
  warmup?: number | undefined;
  /** The rate at the end and from then on: not negative, at most the peak. Default 0. */
  floor?: number | undefined;
}

/** Options of {@link trapezoid}. */
export interface TrapezoidScheduleOptions extends CosineScheduleOptions {
  /**
   * Steps in which the rate falls in a line, the last ones before `steps`: whole, from 0 on; together with `warmup` at
   * most `steps`. It has no default.
   */
  decay: number;
}

const peak = positive(1);
const ofConstant: Schema<Resolved<ConstantScheduleOptions>> = { peak };
const ofWarmup: Schema<Resolved<WarmupScheduleOptions>> = { peak, warmup: required(count(0, 0)) };
const ofCosine: Schema<Resolved<CosineScheduleOptions>> = {
  peak,
  steps: required(count(0, 0)),
  warmup: count(0, 0),
  floor: notNegative(0),
};
const ofTrapezoid: Schema<Resolved<TrapezoidScheduleOptions>> = { ...ofCosine, decay: required(count(0, 0)) };

/**
 * The same rate in every step.
 *
 * @example
 * const schedule = schedules.constant({ peak: 0.02 });
 *
 * @throws ERR_ARGUMENT for options out of range; the function for a step that is not finite or negative
 */
export function constant(options: ConstantScheduleOptions = {}): Schedule {
  const where = 'schedules.constant';
  const numbers = readOptions(where, options, ofConstant);
  return checkedRate(where, () => numbers.peak);
}

/**
 * A line up to the peak, peak · (step + 1) / warmup, and the peak from then on.
 *
 * @example
 * const schedule = schedules.linearWarmup({ peak: 0.02, warmup: 100 });
 *
 * @throws ERR_ARGUMENT for options out of range; the function for a step that is not finite or negative
 */
export function linearWarmup(options: WarmupScheduleOptions): Schedule {
  const where = 'schedules.linearWarmup';
  const numbers = readOptions(where, options, ofWarmup);
  return checkedRate(where, (step) =>
    step < numbers.warmup ? rising(step, numbers.peak, numbers.warmup) : numbers.peak,
  );
}

/**
 * A line up to the peak, then half a cosine from the peak down to the floor (Loshchilov and Hutter 2017), which stays.
 *
 * @example
 * const schedule = schedules.cosine({ peak: 0.02, warmup: 100, steps: 5000 });
 * for (let step = 0; step < 5000; ++step) optimizer.groups[0].lr = schedule(step);
 *
 * @throws ERR_ARGUMENT for options out of range, for fewer `steps` than `warmup` and for a floor above the peak; the
 * function for a step that is not finite or negative
 */
export function cosine(options: CosineScheduleOptions): Schedule {
  const where = 'schedules.cosine';
  return cosineRate(where, readOptions(where, options, ofCosine));
}

/**
 * A line up to the peak, the peak, and a line down to the floor, which stays: warmup, stable, decay (Hu et al. 2024).
 *
 * @example
 * const schedule = schedules.trapezoid({ peak: 0.02, warmup: 100, decay: 1000, steps: 5000 });
 *
 * @throws ERR_ARGUMENT for options out of range, for fewer `steps` than `warmup` and `decay` together and for a floor
 * above the peak; the function for a step that is not finite or negative
 */
export function trapezoid(options: TrapezoidScheduleOptions): Schedule {
  const where = 'schedules.trapezoid';
  const numbers = readOptions(where, options, ofTrapezoid);
  const { warmup, steps, decay, floor } = numbers;
  checkFloor(where, numbers);
  if (steps < warmup + decay)
    throw refusal(where, 'steps', `be at least warmup and decay together, ${warmup + decay}`, steps);
  return checkedRate(where, (step) => {
    if (step < warmup) return rising(step, numbers.peak, warmup);
    if (step >= steps) return floor;
    const share = (steps - step) / decay;
    return share < 1 ? floor + (numbers.peak - floor) * share : numbers.peak;
  });
}
