import type { TypedArray } from '../../lib/index.ts';

export type Metric = 'cosine' | 'dot' | 'l2';
export interface Named {
  readonly id: number;
  readonly row: ArrayLike<number>;
}

/** The score of a row in f64. */
export function scoreOf(metric: Metric, query: ArrayLike<number>, row: ArrayLike<number>): number {
  let [product, own, squares, distance] = [0, 0, 0, 0];
  for (let j = 0; j < query.length; ++j) {
    const [q, x] = [query[j]!, row[j]!];
    product += q * x;
    own += q * q;
    squares += x * x;
    distance += (q - x) ** 2;
  }
  if (metric === 'l2') return distance;
  return metric === 'dot' ? product : product / (Math.sqrt(squares) * Math.sqrt(own));
}

/** The k nearest of all rows, compared one by one in f64; of equal scores the lower id first. */
export function bruteForce(
  metric: Metric,
  query: ArrayLike<number>,
  rows: readonly Named[],
  k: number,
): { ids: number[]; scores: number[] } {
  const sign = metric === 'l2' ? -1 : 1;
  const scored = rows.map(({ id, row }) => ({ id, score: scoreOf(metric, query, row) }));
  scored.sort((a, b) => sign * (b.score - a.score) || a.id - b.id);
  return { ids: scored.slice(0, k).map(({ id }) => id), scores: scored.slice(0, k).map(({ score }) => score) };
}

/** The rows of a flat array under the ids 0, 1, … */
export const rowsOf = (flat: TypedArray | Float64Array, dim: number): Named[] =>
  Array.from({ length: flat.length / dim }, (_, id) => ({
    id,
    row: (flat as Float64Array).subarray(id * dim, (id + 1) * dim),
  }));
