/** Numbers of {@link cosineRate}. */
export interface CosineNumbers {
  readonly peak: number;
  readonly warmup: number;
  readonly steps: number;
  readonly floor: number;
}

/** peak · (step + 1) / warmup: the line of a warm-up, whose last step has the peak. */
export const rising = (step: number, peak: number, warmup: number): number => (peak * (step + 1)) / warmup;

/** A line up to the peak, then half a cosine down to the floor at the step `steps` (Loshchilov and Hutter 2017). */
export function cosineRate(step: number, { peak, warmup, steps, floor }: CosineNumbers): number {
  if (step < warmup) return rising(step, peak, warmup);
  if (step >= steps) return floor;
  const share = (step - warmup) / (steps - warmup);
  return floor + ((peak - floor) * (1 + Math.cos(Math.PI * share))) / 2;
}
