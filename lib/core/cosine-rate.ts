import { refusal, shown } from './errors.ts';

/** Numbers of {@link cosineRate}. */
export interface CosineNumbers {
  readonly peak: number;
  readonly warmup: number;
  readonly steps: number;
  readonly floor: number;
}

/** peak · (step + 1) / warmup: the line of a warm-up, whose last step has the peak. */
export const rising = (step: number, peak: number, warmup: number): number => (peak * (step + 1)) / warmup;

/** The function with its step checked. */
export const checkedRate =
  (where: string, rate: (step: number) => number): ((step: number) => number) =>
  (step) => {
    if (typeof step === 'number' && step >= 0 && step < Infinity) return rate(step);
    throw refusal(where, 'step', 'be finite and not negative', shown(step));
  };

/** @throws ERR_ARGUMENT for a floor above the peak */
export function checkFloor(where: string, { peak, floor }: Pick<CosineNumbers, 'peak' | 'floor'>): void {
  if (floor > peak) throw refusal(where, 'floor', `be at most peak, ${peak}`, floor);
}

/** A line up to the peak, then half a cosine down to the floor at the step `steps` (Loshchilov and Hutter 2017). */
function rateAt(step: number, { peak, warmup, steps, floor }: CosineNumbers): number {
  if (step < warmup) return rising(step, peak, warmup);
  if (step >= steps) return floor;
  const share = (step - warmup) / (steps - warmup);
  return floor + ((peak - floor) * (1 + Math.cos(Math.PI * share))) / 2;
}

/** @throws ERR_ARGUMENT for a floor above the peak and fewer steps than warmup; the function for a step that is none */
export function cosineRate(where: string, numbers: CosineNumbers): (step: number) => number {
  const { warmup, steps } = numbers;
  checkFloor(where, numbers);
  if (steps < warmup) throw refusal(where, 'steps', `be at least warmup, ${warmup}`, steps);
  return checkedRate(where, (step) => rateAt(step, numbers));
}
