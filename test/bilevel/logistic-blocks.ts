// Logistic regressions of three weights each, one a block, whose penalties are to be found: gᵢ is the mean loss over eight
// samples plus exp(x of the block's kind) |y|² / 2, fᵢ the mean loss over eight others. Neither is quadratic in y.
import type { BlockOracles } from '../../lib/bilevel/index.ts';
import { type Device, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';

export const [count, dim, kinds] = [6, 3, 2];
const samples = 8;
type Row = readonly number[];

/** Rows of samples times their labels, which follow a hidden direction with much noise. */
const dataOf = (seed: number): Row[] => {
  const [rows, noise] = [normal(samples * dim, seed), normal(samples, 1000 + seed)];
  return Array.from({ length: samples }, (_, j) => {
    const row = [...rows.slice(j * dim, (j + 1) * dim)];
    const label = Math.sign(row[0]! - 0.5 * row[1]! + 1.5 * noise[j]!);
    return row.map((one) => label * one);
  });
};
const training = Array.from({ length: count }, (_, i) => dataOf(1 + i));
const held = Array.from({ length: count }, (_, i) => dataOf(101 + i));
const along = (row: Row, y: Row) => row.reduce((sum, one, k) => sum + one * y[k]!, 0);
/** Minus the slope of the loss of a margin. */
const slope = (margin: number) => 1 / (1 + Math.exp(margin));
const lossAt = (rows: readonly Row[], y: Row): number =>
  rows.reduce((sum, row) => sum + Math.log1p(Math.exp(-along(row, y))) / samples, 0);
const gradientAt = (rows: readonly Row[], y: Row): number[] =>
  y.map((_, k) => rows.reduce((sum, row) => sum - (slope(along(row, y)) * row[k]!) / samples, 0));
const hessianAt = (rows: readonly Row[], y: Row, penalty: number): number[][] =>
  y.map((_, a) =>
    y.map((__, b) =>
      rows.reduce(
        (sum, row) => {
          const p = slope(along(row, y));
          return sum + (p * (1 - p) * row[a]! * row[b]!) / samples;
        },
        a === b ? penalty : 0,
      ),
    ),
  );

/** The solution of a system of three, by Cramer's rule. */
function solved(a: readonly Row[], r: Row): number[] {
  const det = (m: readonly Row[]) =>
    m[0]![0]! * (m[1]![1]! * m[2]![2]! - m[1]![2]! * m[2]![1]!) -
    m[0]![1]! * (m[1]![0]! * m[2]![2]! - m[1]![2]! * m[2]![0]!) +
    m[0]![2]! * (m[1]![0]! * m[2]![1]! - m[1]![1]! * m[2]![0]!);
  const whole = det(a);
  return r.map((_, k) => det(a.map((row, i) => row.map((one, j) => (j === k ? r[i]! : one)))) / whole);
}

/** The weights of a block for an x of its kind, by Newton's method. */
export function weightsOf(i: number, x: number): number[] {
  let y: number[] = [0, 0, 0];
  const penalty = Math.exp(x);
  for (let k = 0; k < 12; ++k) {
    const g = gradientAt(training[i]!, y).map((one, a) => one + penalty * y[a]!);
    const step = solved(hessianAt(training[i]!, y, penalty), g);
    y = y.map((one, a) => one - step[a]!);
  }
  return y;
}

/** Φ's share of the blocks of one kind, and the x at which it is least, by search alone. */
const valueAt = (kind: number, x: number): number => {
  let sum = 0.005 * x * x;
  for (let i = kind; i < count; i += kinds) sum += lossAt(held[i]!, weightsOf(i, x)) / count;
  return sum;
};
export function optimum(): number[] {
  return Array.from({ length: kinds }, (_, kind) => {
    // A grid for the valley, thirds for its bottom.
    const grid = Array.from({ length: 81 }, (__, k) => -6 + 0.15 * k);
    const values = grid.map((x) => valueAt(kind, x));
    const least = grid[values.indexOf(Math.min(...values))]!;
    let [low, high] = [least - 0.15, least + 0.15];
    for (let k = 0; k < 40; ++k) {
      const [a, b] = [low + (high - low) / 3, high - (high - low) / 3];
      if (valueAt(kind, a) < valueAt(kind, b)) high = b;
      else low = a;
    }
    return (low + high) / 2;
  });
}

/** The problem on a device, f64; its functions reckon on the host. */
export function logisticBlocks(device: Device): Required<BlockOracles> {
  const rowsOf = async (y: Tensor): Promise<number[][]> => {
    const all = [...(await y.read())].map(Number);
    return Array.from({ length: all.length / dim }, (_, k) => all.slice(k * dim, (k + 1) * dim));
  };
  const numbers = async (x: Tensor) => [...(await x.read())].map(Number);
  const write = (out: Tensor, list: readonly number[]) => out.write(Float64Array.from(list));
  return {
    count,
    dim,
    x: Tensor.zeros(device, [kinds], { dtype: 'f64' }),
    y: Tensor.zeros(device, [count, dim], { dtype: 'f64' }),
    async lowerGradientY(ids, x, y, out) {
      const [at, rows] = await Promise.all([numbers(x), rowsOf(y)]);
      write(out, rows.flatMap((row, k) => gradientAt(training[ids[k]!]!, row).map((one, a) => one + Math.exp(at[ids[k]! % kinds]!) * row[a]!))); // biome-ignore format: one line
    },
    async upperGradientY(ids, _x, y, out) {
      write(out, (await rowsOf(y)).flatMap((row, k) => gradientAt(held[ids[k]!]!, row))); // biome-ignore format: one line
    },
    async upperGradientX(ids, x, _y, out) {
      // 0.005 |x|² is of all blocks, so that each has a share of it.
      write(out, (await numbers(x)).map((one) => 0.01 * one * ids.length)); // biome-ignore format: one line
    },
    async lowerHessianYY(ids, x, y, v, out) {
      const [at, rows, vs] = await Promise.all([numbers(x), rowsOf(y), rowsOf(v)]);
      write(out, rows.flatMap((row, k) => hessianAt(training[ids[k]!]!, row, Math.exp(at[ids[k]! % kinds]!)).map((line) => along(line, vs[k]!)))); // biome-ignore format: one line
    },
    async lowerHessian(ids, x, y, out) {
      const [at, rows] = await Promise.all([numbers(x), rowsOf(y)]);
      write(out, rows.flatMap((row, k) => hessianAt(training[ids[k]!]!, row, Math.exp(at[ids[k]! % kinds]!)).flat())); // biome-ignore format: one line
    },
    async lowerJacobianXY(ids, x, y, v, out) {
      const [at, rows, vs] = await Promise.all([numbers(x), rowsOf(y), rowsOf(v)]);
      const sums = at.map(() => 0);
      for (const [k, row] of rows.entries())
        sums[ids[k]! % kinds]! += Math.exp(at[ids[k]! % kinds]!) * along(row, vs[k]!);
      write(out, sums);
    },
  };
}
