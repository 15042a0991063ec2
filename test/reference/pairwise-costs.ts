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

/** |x|² + |y|² of each pair, about the mean of all points: what the rounding of products is relative to. */
export function squaresAboutMean(x: Float64Array, y: Float64Array, d: number): Float64Array {
  const [n, m] = [x.length / d, y.length / d];
  const mean = Float64Array.from({ length: d }, (_, k) => {
    const total = sum(n, (i) => x[i * d + k]!) + sum(m, (j) => y[j * d + k]!);
    return total / (n + m);
  });
  const squareOf = (points: Float64Array, i: number) => sum(d, (k) => (points[i * d + k]! - mean[k]!) ** 2);
  const [ofX, ofY] = [x, y].map((points) =>
    Float64Array.from({ length: points.length / d }, (_, i) => squareOf(points, i)),
  );
  return Float64Array.from({ length: n * m }, (_, at) => ofX![Math.floor(at / m)]! + ofY![at % m]!);
}
