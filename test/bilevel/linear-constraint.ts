// The toy of LV-HBA's authors with one linear constraint, with known optimum x = −0.3, y = (0.7, −0.4), multiplier −1:
// F = |x − y₂|² / 2 + |y₁ − 1|² / 2, and y minimizes |y₁|² / 2 − xᵀ y₁ + 1ᵀ y₂ where the sum of x, y₁ and y₂ is 0.
import type { ConstrainedBilevel } from '../../lib/bilevel/index.ts';
import { type Device, ops, Tensor } from '../../lib/index.ts';

type Dtype = 'f32' | 'f64';
type Term = readonly [number | Tensor | readonly [number, Tensor], Tensor];

/** The length of the constraint's row, where it is written with a factor of 1. */
export const rowOf = (n: number): number => Math.sqrt(3 * n);

/** The problem with n numbers in x, all of which begin at 10; the constraint is written with the factor. */
export function linearConstraint(device: Device, n: number, factor: number, dtype: Dtype = 'f64'): ConstrainedBilevel {
  const full = (size: number, value: number) => Tensor.full(device, [size], value, { dtype });
  const [x, y] = [full(n, 10), full(2 * n, 10)];
  const [ones, both, sumX, sumY, off] = [full(n, 1), full(2 * n, 1), full(1, 0), full(1, 0), full(1, 0)];
  const add = (out: Tensor, ...terms: readonly Term[]): void =>
    ops.linearCombination(device, {
      out: [out],
      terms: terms.map(([, term]) => term),
      coefficients: terms.map(([coefficient]) => coefficient) as number[],
    });
  /** Both halves of tensors like y. */
  const halves = (all: readonly Tensor[], run: (...parts: Tensor[]) => void): void => {
    const parts = all.flatMap((one) => [one.rows(0, n), one.rows(n, 2 * n)]);
    run(...parts);
    for (const part of parts) part.dispose();
  };
  const total = (scale: number, at: Tensor, of: Tensor, out: Tensor): void => {
    using rowX = at.reshape([1, n]);
    using rowY = of.reshape([1, 2 * n]);
    ops.rowReduce(device, { x: rowX, out: sumX });
    ops.rowReduce(device, { x: rowY, out: sumY });
    add(out, [scale, sumX], [scale, sumY]);
  };
  return {
    x,
    y,
    upper: {
      gradientX: (at, of, out) => halves([of], (_, second) => add(out, [1, at], [-1, second!])),
      gradientY: (at, of, out) =>
        halves([of, out], (first, second, toFirst, toSecond) => {
          add(toFirst!, [1, first!], [-1, ones]);
          add(toSecond!, [1, second!], [-1, at]);
        }),
    },
    lower: {
      gradientX: (_, of, out) => halves([of], (first) => add(out, [-1, first!])),
      gradientY: (at, of, out) =>
        halves([of, out], (first, _second, toFirst, toSecond) => {
          add(toFirst!, [1, first!], [-1, at]);
          add(toSecond!, [1, ones]);
        }),
    },
    constraint: {
      count: 1,
      kind: 'equality',
      value: (at, of, out) => total(factor, at, of, out),
      jacobianTX: (_at, _of, lambda, out) => add(out, [[factor, lambda], ones]),
      jacobianTY: (_at, _of, lambda, out) => add(out, [[factor, lambda], both]),
    },
    project(at, of) {
      total(1 / (3 * n), at, of, off);
      add(at, [1, at], [[-1, off], ones]);
      add(of, [1, of], [[-1, off], both]);
    },
  };
}
