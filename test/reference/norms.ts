import { sum } from './sums.ts';

/** ‖x‖₂, scaled by the largest element so that no square overflows. */
export function norm(x: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < x.length; i++) most = Math.max(most, Math.abs(x[i]!));
  if (most === 0) return 0;
  return most * Math.sqrt(sum(x.length, (i) => (x[i]! / most) ** 2));
}

/** 1 / (scale · ‖x‖ + eps); of an exact 0, 0. */
export function inverseNorm(x: ArrayLike<number>, eps = 0, scale = 1): number {
  const value = norm(x);
  return value === 0 ? 0 : 1 / (scale * value + eps);
}
