import { sum } from './sums.ts';

export type Metric = 'sqeuclidean' | 'euclidean' | 'l1';

/** Distances of n points of d coordinates to m of them. */
export function pairwiseCosts(x: Float64Array, y: Float64Array, d: number, metric: Metric): Float64Array {
  const [n, m] = [x.length / d, y.length / d];
  return Float64Array.from({ length: n * m }, (_, at) => {
    const [i, j] = [Math.floor(at / m), at % m];
    const total = sum(d, (k) => {
      const by = x[i * d + k]! - y[j * d + k]!;
      return metric === 'l1' ? Math.abs(by) : by * by;
    });
    return metric === 'euclidean' ? Math.sqrt(total) : total;
  });
}
