// Seeded transport problems, and the golden ones.
import { loadDigits, pixels } from '../../examples/digits/data.mjs';
import { type Device, type Dtype, Tensor } from '../../lib/index.ts';
import { uniform } from './data.ts';
import { rounded } from './dtypes.ts';
import { splitmix } from './splitmix.ts';

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

/** Uniform numbers of the stream that golden values are computed from. */
export const splitMix = (size: number, seed: bigint): Float64Array =>
  Float64Array.from({ length: size }, splitmix(seed));

export interface Problem {
  readonly cost: Float64Array;
  readonly a: Float64Array;
  readonly b: Float64Array;
}

export type GridMetric = 'sqeuclidean' | 'euclidean' | 'l1';

/** Costs between the pixels of a square picture whose side is 1. */
function gridCosts(side: number, metric: GridMetric): Float64Array {
  const points = pixelsOf(side);
  return Float64Array.from({ length: points.length ** 2 }, (_, at) => {
    const [from, to] = [points[Math.floor(at / points.length)]!, points[at % points.length]!];
    const [x, y] = [from[0] - to[0], from[1] - to[1]];
    return metric === 'l1' ? Math.abs(x) + Math.abs(y) : metric === 'euclidean' ? Math.hypot(x, y) : x * x + y * y;
  });
}

const pixelsOf = (side: number): (readonly [number, number])[] =>
  Array.from({ length: side * side }, (_, k) => [Math.floor(k / side) / side, (k % side) / side]);

/** Numbers as masses of total 1. */
export function normalized(x: ArrayLike<number>): Float64Array {
  let total = 0;
  for (let i = 0; i < x.length; i++) total += x[i]!;
  return Float64Array.from(x, (y) => y / total);
}

/** A ring and a bar on 28 × 28 pixels, as masses. */
export function ringAndBar(metric: GridMetric): Problem {
  const points = pixelsOf(28);
  const bump = (distance: number): number => Math.exp(-(distance ** 2) / (2 * 0.05 ** 2)) + 0.01;
  const toSegment = ([p, q]: readonly [number, number]): number => {
    const [x, y, dx, dy] = [0.15, 0.55, 0.7, -0.1];
    const t = Math.max(0, Math.min(1, ((p - x) * dx + (q - y) * dy) / (dx * dx + dy * dy)));
    return Math.hypot(p - x - t * dx, q - y - t * dy);
  };
  return {
    cost: gridCosts(28, metric),
    a: normalized(points.map(([p, q]) => bump(Math.hypot(p - 0.5, q - 0.5) - 0.28))),
    b: normalized(points.map((point) => bump(toSegment(point)))),
  };
}

/** A handwritten 0 and a 1 of 28 × 28 pixels, a hundredth of full ink everywhere. */
export function digitPair(metric: GridMetric): Problem {
  const { images, labels } = loadDigits().train;
  const ink = (digit: number): Float64Array => {
    const first = labels.indexOf(digit) * pixels;
    return normalized(images.subarray(first, first + pixels).map((x) => x + 0.01));
  };
  return { cost: gridCosts(28, metric), a: ink(0), b: ink(1) };
}

// The first two of scikit-learn's handwritten digits, 8 × 8 pixels of 0 to 16 as hexadecimal digits but g for 16.
const smallDigits = [
  '005d9100 00dfaf50 03f20b80 04c00880 05800980 04b01c70 02e5ac00 006da000',
  '000cd500 000bg900 003fg600 07fgg200 001gg300 001gg600 001gg600 000bga00',
].map((rows) => Array.from(rows.replaceAll(' ', ''), (ink) => Number.parseInt(ink, 17) / 16));

/** A 0 and a 1 of 8 × 8 pixels, upsampled bilinearly to 28 × 28 pixels, a hundredth of full ink everywhere. */
export function smallDigitPair(metric: GridMetric): Problem {
  const upsampled = (ink: readonly number[]): Float64Array => {
    const at = (k: number) => {
      const place = Math.max(0, Math.min(7, ((k + 0.5) * 8) / 28 - 0.5));
      const from = Math.min(6, Math.floor(place));
      return { from, share: place - from };
    };
    const pixel = (_: unknown, k: number) => {
      const [row, column] = [at(Math.floor(k / 28)), at(k % 28)];
      const between = (y: number) =>
        ink[8 * y + column.from]! * (1 - column.share) + ink[8 * y + column.from + 1]! * column.share;
      return between(row.from) * (1 - row.share) + between(row.from + 1) * row.share + 0.01;
    };
    return normalized(Array.from({ length: 28 * 28 }, pixel));
  };
  return { cost: gridCosts(28, metric), a: upsampled(smallDigits[0]!), b: upsampled(smallDigits[1]!) };
}

/** Squared distances of `size` points in the unit square to as many others. */
export function plane(size: number): Float64Array {
  const points = splitMix(4 * size, 1n);
  return Float64Array.from({ length: size * size }, (_, at) => {
    const [i, j] = [Math.floor(at / size), size + (at % size)];
    return (points[2 * i]! - points[2 * j]!) ** 2 + (points[2 * i + 1]! - points[2 * j + 1]!) ** 2;
  });
}
