// Problems with equality constraints whose solutions are known.
import type { EqualityProblem } from '../../../lib/constrained/index.ts';
import { normal } from '../../support/data.ts';

/** x₀ + x₁ on the circle of radius √2: (−1, −1) with λ = 1/2. */
export const circle: EqualityProblem = {
  variables: 2,
  constraints: 1,
  value: ([a, b]: Float64Array) => a! + b!,
  gradient: (_: Float64Array, out: Float64Array) => out.set([1, 1]),
  hessian: (_: Float64Array, [l]: Float64Array, out: Float64Array) => out.set([2 * l!, 0, 0, 2 * l!]),
  constraint: ([a, b]: Float64Array, out: Float64Array) => out.set([a! ** 2 + b! ** 2 - 2]),
  jacobian: ([a, b]: Float64Array, out: Float64Array) => out.set([2 * a!, 2 * b!]),
};

/** Hock and Schittkowski's problem 6: (1, 1). */
export const hs6: EqualityProblem = {
  variables: 2,
  constraints: 1,
  value: ([a]: Float64Array) => (1 - a!) ** 2,
  gradient: ([a]: Float64Array, out: Float64Array) => out.set([-2 * (1 - a!), 0]),
  hessian: (_: Float64Array, [l]: Float64Array, out: Float64Array) => out.set([2 - 20 * l!, 0, 0, 0]),
  constraint: ([a, b]: Float64Array, out: Float64Array) => out.set([10 * (b! - a! ** 2)]),
  jacobian: ([a]: Float64Array, out: Float64Array) => out.set([-20 * a!, 10]),
};

/** Problem 7: (0, √3), −√3. */
export const hs7: EqualityProblem = {
  variables: 2,
  constraints: 1,
  value: ([a, b]: Float64Array) => Math.log(1 + a! ** 2) - b!,
  gradient: ([a]: Float64Array, out: Float64Array) => out.set([(2 * a!) / (1 + a! ** 2), -1]),
  hessian: ([a]: Float64Array, [l]: Float64Array, out: Float64Array) =>
    out.set([(2 - 2 * a! ** 2) / (1 + a! ** 2) ** 2 + l! * (4 + 12 * a! ** 2), 0, 0, 2 * l!]),
  constraint: ([a, b]: Float64Array, out: Float64Array) => out.set([(1 + a! ** 2) ** 2 + b! ** 2 - 4]),
  jacobian: ([a, b]: Float64Array, out: Float64Array) => out.set([4 * a! * (1 + a! ** 2), 2 * b!]),
};

/** Problem 28: (1/2, −1/2, 1/2), 0. */
export const hs28: EqualityProblem = {
  variables: 3,
  constraints: 1,
  value: ([a, b, c]: Float64Array) => (a! + b!) ** 2 + (b! + c!) ** 2,
  gradient: ([a, b, c]: Float64Array, out: Float64Array) =>
    out.set([2 * (a! + b!), 2 * (a! + 2 * b! + c!), 2 * (b! + c!)]),
  hessian: (_: Float64Array, __: Float64Array, out: Float64Array) => out.set([2, 2, 0, 2, 4, 2, 0, 2, 2]),
  constraint: ([a, b, c]: Float64Array, out: Float64Array) => out.set([a! + 2 * b! + 3 * c! - 1]),
  jacobian: (_: Float64Array, out: Float64Array) => out.set([1, 2, 3]),
};

/** −|x|²/2 where a sum is 1: no minimum. */
export const falling: EqualityProblem = {
  variables: 2,
  constraints: 1,
  value: ([a, b]: Float64Array) => -(a! ** 2 + b! ** 2) / 2,
  gradient: ([a, b]: Float64Array, out: Float64Array) => out.set([-a!, -b!]),
  hessian: (_: Float64Array, __: Float64Array, out: Float64Array) => out.set([-1, 0, 0, -1]),
  constraint: ([a, b]: Float64Array, out: Float64Array) => out.set([a! + b! - 1]),
  jacobian: (_: Float64Array, out: Float64Array) => out.set([1, 1]),
};

/** A logistic loss of n variables with linear constraints and a sphere. */
export const logistic = (samples: number, n: number): EqualityProblem => {
  const [a, rows] = [normal(samples * n, 1), normal(4 * n, 3)];
  const y = normal(samples, 4).map(Math.sign);
  const dot = (x: Float64Array, of: Float64Array, from: number) => {
    let sum = 0;
    for (let j = 0; j < n; ++j) sum += of[from + j]! * x[j]!;
    return sum;
  };
  return {
    variables: n,
    constraints: 5,
    value: (x) => y.reduce((sum, sign, i) => sum + Math.log1p(Math.exp(-sign * dot(x, a, i * n))), 0) / samples,
    gradient(x, out) {
      out.fill(0);
      for (const [i, sign] of y.entries()) {
        const share = -sign / (1 + Math.exp(sign * dot(x, a, i * n))) / samples;
        for (let j = 0; j < n; ++j) out[j]! += share * a[i * n + j]!;
      }
    },
    hessian(x, lambda, out) {
      out.fill(0);
      for (let i = 0; i < samples; ++i) {
        const s = 1 / (1 + Math.exp(-dot(x, a, i * n)));
        for (let j = 0; j < n; ++j)
          for (let k = 0; k < n; ++k) out[j * n + k]! += ((s * (1 - s)) / samples) * a[i * n + j]! * a[i * n + k]!;
      }
      for (let j = 0; j < n; ++j) out[j * n + j]! += 2 * lambda[4]!;
    },
    constraint(x, out) {
      for (let k = 0; k < 4; ++k) out[k] = dot(x, rows, k * n) - 0.1;
      out[4] = dot(x, x, 0) - 1;
    },
    jacobian(x, out) {
      out.set(rows);
      for (let j = 0; j < n; ++j) out[4 * n + j] = 2 * x[j]!;
    },
  };
};
