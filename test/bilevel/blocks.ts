// Twelve lower problems of three numbers each under one upper problem of four, with known optimum:
// gᵢ = yᵀ Aᵢ y / 2 − yᵀ (Bᵢ x + bᵢ), fᵢ = |y − tᵢ|² / 2 + 0.05 |x|².

import type { BlockOracles } from '../../lib/bilevel/index.ts';
import { type Device, ops, Tensor } from '../../lib/index.ts';

export const [count, dim, dx] = [12, 3, 4];
const blocks = Array.from({ length: count }, (_, i) => i);
const three = [0, 1, 2];
const four = [0, 1, 2, 3];
const root = (i: number) => three.map((r) => three.map((c) => Math.sin(i + 1.3 * r + 0.7 * c)));
export const hessians = blocks.map((i) => {
  const m = root(i);
  return three.map((r) =>
    three.map((c) => three.reduce((sum, k) => sum + (m[r]![k]! * m[c]![k]!) / 3, 0) + Number(r === c)),
  );
});
export const couplings = blocks.map((i) => three.map((r) => four.map((c) => Math.sin(2 * i + 5 + 1.3 * r + 0.7 * c))));
export const offsets = blocks.map((i) => three.map((r) => Math.sin(0.5 * i + 1.3 * r)));
export const targets = blocks.map((i) => three.map((r) => Math.sin(0.9 * i + 1 + 1.3 * r)));
export const optimum = { x: [-0.07445561, -0.032791, 0.02429574, 0.06995581], value: 1.284742963963208 };

export const times = (a: readonly (readonly number[])[], x: readonly number[]): number[] =>
  a.map((row) => row.reduce((sum, value, j) => sum + value * x[j]!, 0));
export const timesTransposed = (a: readonly (readonly number[])[], v: readonly number[]): number[] =>
  a[0]!.map((_, j) => a.reduce((sum, row, i) => sum + row[j]! * v[i]!, 0));
/** Gauss's elimination. */
export function solved(a: readonly (readonly number[])[], r: readonly number[]): number[] {
  const rows = a.map((row, i) => [...row, r[i]!]);
  for (const i of rows.keys())
    for (const k of rows.keys())
      if (k !== i) {
        const factor = rows[k]![i]! / rows[i]![i]!;
        rows[k] = rows[k]!.map((value, j) => value - factor * rows[i]![j]!);
      }
  return rows.map((row, i) => row[rows.length]! / row[i]!);
}
/** Φ and its gradient. */
export function upperAt(x: readonly number[]): { value: number; gradient: number[] } {
  let value = 0.05 * x.reduce((sum, one) => sum + one * one, 0);
  let gradient = x.map((one) => 0.1 * one);
  for (const i of blocks) {
    const y = solved(hessians[i]!, times(couplings[i]!, x).map((one, r) => one + offsets[i]![r]!)); // biome-ignore format: one line
    const off = y.map((one, r) => one - targets[i]![r]!);
    value += off.reduce((sum, one) => sum + (one * one) / 2, 0) / count;
    const back = timesTransposed(couplings[i]!, solved(hessians[i]!, off));
    gradient = gradient.map((one, j) => one + back[j]! / count);
  }
  return { value, gradient };
}

/** The problem on a device. With `noise`, all gradients have normal noise of that deviation, the same for a sample. */
export function blocksOf(device: Device, dtype: 'f32' | 'f64' = 'f64', noise = 0): Required<BlockOracles> {
  const from = (numbers: readonly number[], shape: number[]) =>
    Tensor.from(device, dtype === 'f64' ? Float64Array.from(numbers) : Float32Array.from(numbers), shape);
  const A = from(hessians.flat(2), [count, dim, dim]);
  const B = from(couplings.flat(2), [count, dim, dx]);
  const b = from(offsets.flat(), [count, dim]);
  const t = from(targets.flat(), [count, dim]);
  const x = Tensor.full(device, [dx, 1], 1, { dtype });
  const y = Tensor.zeros(device, [count, dim], { dtype });
  const gathered = (table: Tensor, ids: Int32Array) => {
    using index = Tensor.from(device, Int32Array.from(ids), [ids.length]);
    const out = Tensor.zeros(device, [ids.length, ...table.shape.slice(1)], { dtype });
    ops.gatherRows(device, { x: table, index, out });
    return out;
  };
  const noisy = (out: Tensor, sample: number, stream: number): void => {
    if (noise === 0) return;
    using draw = Tensor.randn(device, out.shape, { seed: 100 + stream, offset: 64 * sample, dtype });
    ops.linearCombination(device, { out: [out], terms: [out, draw], coefficients: [1, noise] });
  };
  const product = (ids: Int32Array, v: Tensor, out: Tensor): void => {
    using some = gathered(A, ids);
    using columns = v.reshape([ids.length, dim, 1]);
    using outs = out.reshape([ids.length, dim, 1]);
    ops.gemm(device, { a: some, b: columns, c: outs });
  };
  return {
    count,
    dim,
    x,
    y,
    lowerGradientY(ids, at, rows, out, sample) {
      product(ids, rows, out);
      using some = gathered(B, ids);
      using matrix = some.reshape([ids.length * dim, dx]);
      using column = out.reshape([ids.length * dim, 1]);
      ops.gemm(device, { a: matrix, b: at, c: column, alpha: -1, beta: 1 });
      using offset = gathered(b, ids);
      ops.linearCombination(device, { out: [out], terms: [out, offset], coefficients: [1, -1] });
      noisy(out, sample, 0);
    },
    upperGradientY(ids, _x, rows, out, sample) {
      using target = gathered(t, ids);
      ops.linearCombination(device, { out: [out], terms: [rows, target], coefficients: [1, -1] });
      noisy(out, sample, 1);
    },
    upperGradientX(ids, at, _y, out) {
      ops.linearCombination(device, { out: [out], terms: [at], coefficients: [0.1 * ids.length] });
    },
    lowerHessianYY: (ids, _x, _y, v, out) => product(ids, v, out),
    lowerHessian(ids, _x, _y, out) {
      using index = Tensor.from(device, Int32Array.from(ids), [ids.length]);
      ops.gatherRows(device, { x: A, index, out });
    },
    lowerJacobianXY(ids, _x, _y, v, out) {
      using some = gathered(B, ids);
      using matrix = some.reshape([ids.length * dim, dx]);
      using column = v.reshape([ids.length * dim, 1]);
      ops.gemm(device, { a: matrix, b: column, c: out, transA: 'transposed', alpha: -1 });
    },
  };
}
