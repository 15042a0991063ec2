import { normalized } from './layer-norm.ts';
import { sum } from './sums.ts';

/** The gradients of layer_norm, where `grad` is that of its output. Without a weight it is 1. */
export function layerNormBackward(
  grad: Float64Array,
  x: Float64Array,
  columns: number,
  eps: number,
  weight?: ArrayLike<number>,
): { gradX: Float64Array; gradWeight: Float64Array; gradBias: Float64Array } {
  const gradX = new Float64Array(x.length);
  const gradWeight = new Float64Array(columns);
  const gradBias = new Float64Array(columns);
  for (let at = 0; at < x.length; at += columns) {
    const { normal, deviation } = normalized(x.subarray(at, at + columns), eps);
    const g = (j: number) => grad[at + j]! * (weight?.[j] ?? 1);
    const shift = sum(columns, g) / columns;
    const slope = sum(columns, (j) => g(j) * normal[j]!) / columns;
    for (let j = 0; j < columns; j++) {
      gradX[at + j] = (g(j) - shift - normal[j]! * slope) / deviation;
      gradWeight[j]! += grad[at + j]! * normal[j]!;
      gradBias[j]! += grad[at + j]!;
    }
  }
  return { gradX, gradWeight, gradBias };
}
