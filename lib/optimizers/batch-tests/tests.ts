// The tests of a batch, of sums over the gradients of its samples. Everything is a quotient by powers of |ḡ|², so that
// no square of a square leaves the range of numbers.
import type { Sums, VectorProducts } from './sums.ts';

/** The numbers of a test. Variances have 1 / (samples − 1). */
export interface BatchStatistics {
  /** Gradients that were there, b. */
  readonly samples: number;
  /** |ḡ|², where ḡ is the mean of the gradients. */
  readonly squaredNorm: number;
  /** Σ over the coordinates of Var(gᵢ). */
  readonly variance: number;
  /** Varᵢ ⟨gᵢ, ḡ⟩; with `perTensor` the sum of those of the tensors. */
  readonly innerProductVariance: number;
  /** Σ over the coordinates of Var(gᵢ − ⟨gᵢ, ḡ⟩ ḡ / |ḡ|²); with `perTensor` the sum of those of the tensors. */
  readonly orthogonalVariance: number;
  /** The largest Var(gᵢ) / ḡ² of a coordinate with ḡ ≠ 0; of the test `coordinate` alone. */
  readonly coordinateRatio?: number;
  /** The size of batch that the test asks for, not rounded; null where ḡ is 0. */
  readonly candidate: number | null;
}

/** η, θ and ν. */
export interface Thresholds {
  readonly eta: number;
  readonly theta: number;
  readonly nu: number;
}
/** The statistic that is compared, see {@link AdaptiveBatch}. */
export type BatchTest = 'norm' | 'inner-product' | 'augmented' | 'coordinate';

const sum = (x: ArrayLike<number> & Iterable<number>): number => {
  let total = 0;
  for (const value of x) total += value;
  return total;
};
const quotient = (x: number, by: number): number => (by > 0 ? x / by : 0);

/** Sums of one vector, over h, the |ḡ|² of all: of |gᵢ|², of ⟨gᵢ, ḡ⟩² / h, and of squares that are orthogonal to ḡ. */
function sharesOf({ squares, dots, squaredNorm: own }: VectorProducts, h: number) {
  const squared = sum(squares.map((x) => x / h));
  const along = sum(dots.map((x) => (x / h) ** 2));
  // The squares of the projections on the vector's own mean.
  const projected = sum(dots.map((x) => quotient(x, own) * (x / h)));
  return { squared, along, mean: (own / h) ** 2, orthogonal: squared - projected };
}

const notNegative = (x: number): number => Math.max(0, x);

/** @param sums finite */
export function statisticsOf(
  { vectors, coordinate }: Sums,
  test: BatchTest,
  { eta, theta, nu }: Thresholds,
): BatchStatistics {
  const samples = vectors[0]!.squares.length;
  const squaredNorm = sum(vectors.map((vector) => vector.squaredNorm));
  const variance = (total: number): number => notNegative(total / (samples - 1));
  if (!(squaredNorm > 0)) {
    const all = variance(sum(vectors.map(({ squares }) => sum(squares))));
    return {
      samples,
      squaredNorm: 0,
      variance: all,
      innerProductVariance: 0,
      orthogonalVariance: all,
      candidate: null,
    };
  }
  const shares = vectors.map((vector) => sharesOf(vector, squaredNorm));
  const norm = variance(sum(shares.map((share) => share.squared)) - samples);
  const inner = variance(sum(shares.map((share) => share.along - samples * share.mean)));
  const orthogonal = variance(sum(shares.map((share) => share.orthogonal)));
  const statistics = {
    samples,
    squaredNorm,
    variance: norm * squaredNorm,
    innerProductVariance: inner * squaredNorm * squaredNorm,
    orthogonalVariance: orthogonal * squaredNorm,
  };
  if (coordinate !== undefined) {
    const coordinateRatio = variance(coordinate);
    return { ...statistics, coordinateRatio, candidate: coordinateRatio / eta ** 2 };
  }
  const byInner = inner / theta ** 2;
  const candidates = {
    norm: norm / eta ** 2,
    'inner-product': byInner,
    augmented: Math.max(byInner, orthogonal / nu ** 2),
  };
  return { ...statistics, candidate: candidates[test as Exclude<BatchTest, 'coordinate'>] };
}
