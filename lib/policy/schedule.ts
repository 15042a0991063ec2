import { refusal, shown } from '../core/errors.ts';
import { isRecord } from '../core/options.ts';
import { type Option, positive } from '../core/schema.ts';

/** The factors of `stepSize` and `momentum`: those of the paper, powers of 2 / (t + 2); 1 always; or functions. */
export type PolicySchedule = 'paper' | 'constant' | PolicyFactors;

/** Factors of `stepSize` and `momentum`, by functions of the step, counted from 0. */
export interface PolicyFactors {
  /** A factor above 0. */
  stepSize(step: number): number;
  /** A factor with which the momentum is in (0, 1]. */
  momentum(step: number): number;
}

/** Exponents of 2 / (t + 2). */
export interface Exponents {
  readonly stepSize: number;
  readonly momentum: number;
}

/** Options that both methods have. */
export interface Lengths {
  stepSize: number;
  momentum: number;
  schedule: PolicySchedule;
}

const isSchedule = (x: unknown): boolean =>
  x === 'paper' ||
  x === 'constant' ||
  (isRecord(x) && typeof x['stepSize'] === 'function' && typeof x['momentum'] === 'function');

export const lengths: { [K in keyof Lengths]: Option<Lengths[K]> } = {
  stepSize: positive(0.1),
  momentum: positive(1, 1),
  schedule: {
    default: 'paper',
    wrong: (x) => (isSchedule(x) ? undefined : "must be 'paper', 'constant' or functions stepSize and momentum"),
  },
};

/** γ and η of a step, from 0 on. @throws ERR_ARGUMENT for functions that give others than they may */
export function lengthsAt(
  where: string,
  { stepSize, momentum, schedule }: Lengths,
  exponents: Exponents,
  step: number,
): { gamma: number; eta: number } {
  if (schedule === 'constant') return { gamma: stepSize, eta: momentum };
  if (schedule === 'paper') {
    const base = 2 / (step + 2);
    return { gamma: stepSize * base ** exponents.stepSize, eta: momentum * base ** exponents.momentum };
  }
  const gamma = stepSize * schedule.stepSize(step);
  const eta = momentum * schedule.momentum(step);
  if (!(gamma > 0 && gamma < Infinity))
    throw refusal(where, 'schedule.stepSize', 'make a positive step', `${shown(gamma)} at step ${step}`);
  if (!(eta > 0 && eta <= 1))
    throw refusal(where, 'schedule.momentum', 'make a momentum in (0, 1]', `${shown(eta)} at step ${step}`);
  return { gamma, eta };
}
