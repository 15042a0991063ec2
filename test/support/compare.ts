import { type Floating, spacing } from './dtypes.ts';

export interface Tolerance {
  dtype: Floating;
  /** Allowed distance, in units in the last place of the expected number, or of `magnitude` where that is larger. */
  ulps: number;
  /** The unit of rounding errors where terms cancel: one number, or one an element. */
  magnitude?: number | ArrayLike<number>;
}

/** Throws, naming the worst element, unless every number is as near as allowed. NaN equals NaN. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: Tolerance): void {
  if (actual.length !== expected.length) throw new Error(`expected ${expected.length} elements, got ${actual.length}`);
  const { dtype, ulps, magnitude = 0 } = tolerance;
  let worst = 0;
  let at = -1;
  for (let i = 0; i < expected.length; i++) {
    const [x, y] = [actual[i]!, expected[i]!];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    const size = Math.max(Math.abs(y), typeof magnitude === 'number' ? magnitude : magnitude[i]!);
    const error = Number.isFinite(x) && Number.isFinite(y) ? Math.abs(x - y) / spacing(size, dtype) : Infinity;
    if (error > worst) [worst, at] = [error, i];
  }
  if (worst > ulps)
    throw new Error(
      `element ${at}: expected ${expected[at]}, got ${actual[at]}: ${worst} ulp of ${dtype}, allowed ${ulps}`,
    );
}

/** The largest |x|. */
export const largest = (x: ArrayLike<number>): number => {
  let most = 0;
  for (let i = 0; i < x.length; i++) most = Math.max(most, Math.abs(x[i]!));
  return most;
};

/** Throws, naming the first element, unless all numbers are the same, signs of zeros included. */
export function expectSame(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  if (actual.length !== expected.length) throw new Error(`expected ${expected.length} elements, got ${actual.length}`);
  for (let i = 0; i < expected.length; i++)
    if (!Object.is(actual[i], expected[i])) throw new Error(`element ${i}: expected ${expected[i]}, got ${actual[i]}`);
}
