// Problems with equality constraints whose solutions are known.
import type { EqualityProblem } from '../../../lib/constrained/index.ts';

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
