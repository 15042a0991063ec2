// Devices: cpu
import { describe, expect, it } from 'vitest';
import { tridiagonalEigen } from '../../lib/solvers/tridiagonal.ts';

const largest = (x: Iterable<number>): number => Math.max(...[...x].map(Math.abs));

describe('tridiagonalEigen', () => {
  it.each([[1], [2], [7], [100]])('has the eigenvalues of the second difference of %i points', (n) => {
    const { values, weights } = tridiagonalEigen(new Float64Array(n).fill(2), new Float64Array(n - 1).fill(-1));
    for (const [k, value] of values.entries()) {
      const angle = ((k + 1) * Math.PI) / (n + 1);
      expect(Math.abs(value - (2 - 2 * Math.cos(angle)))).toBeLessThan(1e-13);
      expect(Math.abs(weights[k]! - (2 / (n + 1)) * Math.sin(angle) ** 2)).toBeLessThan(1e-13);
    }
  });

  it('takes parts that are apart, zeros and sizes far from 1', () => {
    expect(tridiagonalEigen(Float64Array.of(3, 1, 2), Float64Array.of(0, 0))).toEqual({
      values: Float64Array.of(1, 2, 3),
      weights: Float64Array.of(0, 0, 1),
    });
    expect([...tridiagonalEigen(new Float64Array(3), new Float64Array(2)).values]).toEqual([0, 0, 0]);
    for (const unit of [1e-150, 1e150]) {
      const { values } = tridiagonalEigen(Float64Array.of(0, 0), Float64Array.of(unit));
      expect(largest([values[0]! / unit + 1, values[1]! / unit - 1])).toBeLessThan(1e-15);
    }
  });
});
