import { sum } from './sums.ts';
import { logSumOfExps } from './transport.ts';

/** ln Σⱼ exp((gⱼ − Cᵢⱼ) / eps), and a function that takes means under the weights; f, where given, makes them sums. */
export function softmin(
  cost: Float64Array,
  g: Float64Array,
  eps: number,
  f?: Float64Array,
): { logSums: Float64Array; mean: (term: (i: number, j: number) => number) => Float64Array } {
  const m = g.length;
  const exponent = (i: number, j: number): number => (g[j]! - cost[i * m + j]!) / eps;
  const logSums = Float64Array.from({ length: cost.length / m }, (_, i) => logSumOfExps(m, (j) => exponent(i, j)));
  const mean = (term: (i: number, j: number) => number): Float64Array =>
    logSums.map((logSum, i) => {
      if (logSum === -Infinity) return 0;
      const whole = f ? Math.exp(f[i]! / eps + logSum) : 1;
      return (
        whole *
        sum(m, (j) => {
          const weight = Math.exp(exponent(i, j) - logSum);
          return weight === 0 ? 0 : weight * term(i, j);
        })
      );
    });
  return { logSums, mean };
}
