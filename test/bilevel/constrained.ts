// Problems of two levels whose lower one has a constraint, with optima in closed form.
import type { ConstrainedBilevel } from '../../lib/bilevel/index.ts';
import { type Device, ops, Tensor } from '../../lib/index.ts';
import { project } from '../../lib/solvers/index.ts';

type Dtype = 'f32' | 'f64';
const from = (device: Device, numbers: readonly number[], dtype: Dtype) =>
  Tensor.from(device, dtype === 'f64' ? Float64Array.from(numbers) : Float32Array.from(numbers), [numbers.length]);
const sum = (device: Device, out: Tensor, a: number, left: Tensor, b: number, right: Tensor): void =>
  ops.linearCombination(device, { out: [out], terms: [left, right], coefficients: [a, b] });

/** F = (x − 2)² / 2 + (y − 3)² / 2, and y minimizes (y − x)² / 2 in y ≤ 1: the optimum is (2, 1), the multiplier 1. */
export function bounded(device: Device, dtype: Dtype = 'f64'): ConstrainedBilevel {
  const [two, three, one] = [from(device, [2], dtype), from(device, [3], dtype), from(device, [1], dtype)];
  return {
    x: from(device, [0], dtype),
    y: from(device, [0], dtype),
    upper: {
      gradientX: (x, _, out) => sum(device, out, 1, x, -1, two),
      gradientY: (_, y, out) => sum(device, out, 1, y, -1, three),
    },
    lower: {
      gradientX: (x, y, out) => sum(device, out, 1, x, -1, y),
      gradientY: (x, y, out) => sum(device, out, -1, x, 1, y),
    },
    constraint: {
      count: 1,
      kind: 'inequality',
      value: (_, y, out) => sum(device, out, 1, y, -1, one),
      jacobianTX: (_x, _y, _lambda, out) => ops.fill(device, { x: [out], value: 0 }),
      jacobianTY: (_x, _y, lambda, out) => ops.copy(device, { x: [lambda], out: [out] }),
    },
    project: (_, y) => project.box(y, -Infinity, 1),
  };
}

/**
 * F = (x − 2)² / 2 + (y₁ − 1)² / 2, and y minimizes |y|² / 2 in y₁ + y₂ = x: the optimum is 2 and (1, 1), λ = −1. The
 * constraint may be written with a factor.
 */
export function tied(device: Device, dtype: Dtype = 'f64', factor = 1): ConstrainedBilevel {
  const [two, goal] = [from(device, [2], dtype), from(device, [1, 0], dtype)];
  const [first, ones] = [from(device, [1, 0], dtype), from(device, [1, 1], dtype)];
  const scaled = (out: Tensor, by: Tensor) => {
    using b = by.reshape([1, 1]);
    using a = ones.reshape([2, 1]);
    using c = out.reshape([2, 1]);
    ops.gemm(device, { a, b, c, alpha: factor });
  };
  const value = (x: Tensor, y: Tensor, out: Tensor) => {
    using row = y.reshape([1, 2]);
    ops.rowReduce(device, { x: row, out });
    sum(device, out, factor, out, -factor, x);
  };
  return {
    x: from(device, [10], dtype),
    y: from(device, [10, 10], dtype),
    upper: {
      gradientX: (x, _, out) => sum(device, out, 1, x, -1, two),
      gradientY: (_, y, out) => {
        sum(device, out, 1, y, -1, goal);
        ops.multiply(device, { x: [out], y: [first], out: [out] });
      },
    },
    lower: {
      gradientX: (_x, _y, out) => ops.fill(device, { x: [out], value: 0 }),
      gradientY: (_, y, out) => ops.copy(device, { x: [y], out: [out] }),
    },
    constraint: {
      count: 1,
      kind: 'equality',
      value,
      jacobianTX: (_x, _y, lambda, out) => sum(device, out, -factor, lambda, 0, lambda),
      jacobianTY: (_x, _y, lambda, out) => scaled(out, lambda),
    },
    project(x, y) {
      using off = new Tensor(device, [1], dtype);
      using both = new Tensor(device, [2], dtype);
      value(x, y, off);
      scaled(both, off);
      sum(device, x, 1, x, 1 / (3 * factor), off);
      sum(device, y, 1, y, -1 / (3 * factor * factor), both);
    },
  };
}
