// Shared by all optimizer steps. Weights and state are changed in place.
import { sumOfSquares } from './sums.ts';

export type WeightDecayMode = 'decoupled' | 'independent' | 'l2' | 'palm' | 'cautious';

export interface Decay {
  lr: number;
  weightDecay?: number;
  weightDecayMode?: WeightDecayMode;
}

/** One parameter: its weights, its gradient and its shape. */
export interface Parameter {
  shape: readonly number[];
  weights: Float64Array;
  grads: Float64Array;
}

/** Σg², Σ(rate·u)², and the method's own number. */
export type Statistics = [number, number, number];

/** g, or g + decay·w in the mode l2. */
export function decayed({ weights, grads }: Parameter, { weightDecay = 0, weightDecayMode }: Decay): Float64Array {
  if (weightDecayMode !== 'l2') return grads;
  return grads.map((g, i) => g + weightDecay * weights[i]!);
}

/** Decays, then w ← w − rate·u. */
export function apply(p: Parameter, update: Float64Array, rate: number, decay: Decay, own = 0): Statistics {
  const { lr, weightDecay = 0, weightDecayMode = 'decoupled' } = decay;
  for (let i = 0; i < update.length; i++) {
    const [w, u] = [p.weights[i]!, update[i]!];
    let kept = w;
    if (weightDecayMode === 'decoupled') kept = w - lr * weightDecay * w;
    if (weightDecayMode === 'independent') kept = w - weightDecay * w;
    if (weightDecayMode === 'palm') kept = w - weightDecay * lr ** 2 * w;
    if (weightDecayMode === 'cautious' && w * u >= 0) kept = w - lr * weightDecay * w;
    p.weights[i] = kept - rate * u;
  }
  return [sumOfSquares(p.grads), rate ** 2 * sumOfSquares(update), own];
}

/** Matrices of a shape: rank 3 is a batch, rank 4 and 5 one matrix of shape[0] rows, a vector one column. */
export function matricesOf(shape: readonly number[]): { batch: number; rows: number; columns: number } {
  const [a = 1, b = 1, ...rest] = shape;
  if (shape.length === 3) return { batch: a, rows: b, columns: rest[0]! };
  return { batch: 1, rows: a, columns: rest.reduce((x, y) => x * y, b) };
}
