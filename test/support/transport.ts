// Seeded transport problems, and the golden ones.
import { type Device, type Dtype, Tensor } from '../../lib/index.ts';
import { uniform } from './data.ts';
import { rounded } from './dtypes.ts';

/** Rows and columns: around panels of rows (64) and lanes (8), long and wide. */
export const transportShapes = [
  [1, 1],
  [1, 33],
  [33, 1],
  [3, 3],
  [7, 130],
  [65, 31],
  [130, 17],
  [521, 24],
  [20, 2049],
] as const;

/** Uniform numbers in [low, high), each rounded to the dtype. */
export function numbers(size: number, seed: number, low = 0, high = 1, dtype: Dtype = 'f64'): Float64Array {
  const next = uniform(seed);
  return Float64Array.from({ length: size }, () => rounded(low + (high - low) * next(), dtype));
}

/** Positive masses of total 1; every seventh is 0 where there are more. */
export function massesOf(size: number, seed: number): Float64Array {
  const masses = numbers(size, seed, 0.1, 1).map((x, i) => (i % 7 === 6 ? 0 : x));
  const total = masses.reduce((a, b) => a + b, 0);
  return masses.map((x) => x / total);
}

export const vector = (device: Device, x: Float64Array): Tensor => Tensor.from(device, x, [x.length]);
export const empty = (device: Device, size: number): Tensor => Tensor.full(device, [size], NaN, { dtype: 'f64' });

/** Uniform numbers of the stream that golden values are computed from (SplitMix64). */
export function splitMix(size: number, seed: bigint): Float64Array {
  const mask = (1n << 64n) - 1n;
  let state = seed;
  return Float64Array.from({ length: size }, () => {
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    z ^= z >> 31n;
    return Number(z >> 11n) * 2 ** -53;
  });
}

export interface Problem {
  readonly cost: Float64Array;
  readonly a: Float64Array;
  readonly b: Float64Array;
}

/** A ring and a bar on 28 × 28 pixels, as masses. */
export function ringAndBar(metric: 'sqeuclidean' | 'euclidean' | 'l1'): Problem {
  const side = 28;
  const size = side * side;
  const points = Array.from({ length: size }, (_, k) => [Math.floor(k / side) / side, (k % side) / side] as const);
  const normalized = (x: number[]): Float64Array => {
    const total = x.reduce((a, b) => a + b, 0);
    return Float64Array.from(x, (y) => y / total);
  };
  const bump = (distance: number): number => Math.exp(-(distance ** 2) / (2 * 0.05 ** 2)) + 0.01;
  const toSegment = ([p, q]: readonly [number, number]): number => {
    const [x, y, dx, dy] = [0.15, 0.55, 0.7, -0.1];
    const t = Math.max(0, Math.min(1, ((p - x) * dx + (q - y) * dy) / (dx * dx + dy * dy)));
    return Math.hypot(p - x - t * dx, q - y - t * dy);
  };
  const cost = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) {
      const [x, y] = [points[i]![0] - points[j]![0], points[i]![1] - points[j]![1]];
      cost[i * size + j] =
        metric === 'l1' ? Math.abs(x) + Math.abs(y) : metric === 'euclidean' ? Math.hypot(x, y) : x * x + y * y;
    }
  return {
    cost,
    a: normalized(points.map(([p, q]) => bump(Math.hypot(p - 0.5, q - 0.5) - 0.28))),
    b: normalized(points.map((point) => bump(toSegment(point)))),
  };
}
