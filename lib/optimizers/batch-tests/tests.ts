// The tests of a batch, of sums over the gradients of its samples. Everything is a share of the largest number of its
// kind, so that no sum and no square of a square leaves the range of numbers.
import type { Sums, VectorProducts } from './sums.ts';

/** The numbers of a test. Variances have 1 / (samples − 1). */
export interface BatchStatistics {
  /** Gradients that were there, b. */
  readonly samples: number;
  /** |ḡ|², where ḡ is the mean of the gradients. */
  readonly squaredNorm: number;
  /** Σ over the coordinates of Var(gᵢ). */
  readonly variance: number;
  /** Varᵢ ⟨gᵢ, ḡ⟩; with `perTensor` the sum of those of the tensors; null for accumulated gradients. */
  readonly innerProductVariance: number | null;
  /**
   * Σ over the coordinates of Var(gᵢ − ⟨gᵢ, ḡ⟩ ḡ / |ḡ|²); with `perTensor` the sum of those of the tensors; null for
   * accumulated gradients.
   */
  readonly orthogonalVariance: number | null;
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
const largest = (x: readonly Float64Array[], least: number): number =>
  x.reduce((most, values) => values.reduce((one, value) => Math.max(one, Math.abs(value)), most), least);
/** x / by², for which no square leaves the range: 0 of 0, however small `by` is. */
const bySquare = (x: number, by: number): number => x / by / by;

/** Units of the sums: the largest |gᵢ|² and the largest ⟨gᵢ, ḡ⟩, each at least |ḡ|². */
interface Units {
  readonly square: number;
  readonly dot: number;
}

/** Sums of one vector in their units: of |gᵢ|², of ⟨gᵢ, ḡ⟩² and of squares that are orthogonal to ḡ. */
function sharesOf({ squares, dots, squaredNorm: own }: VectorProducts, { square, dot }: Units) {
  const squared = sum(squares.map((x) => quotient(x, square)));
  const along = sum(dots.map((x) => quotient(x, dot) ** 2));
  // The squares of the projections on the vector's own mean.
  const projected = sum(dots.map((x) => quotient(x, own) * quotient(x, square)));
  return { squared, along, mean: quotient(own, dot) ** 2, orthogonal: squared - projected };
}

/** @param sums finite */
export function statisticsOf(
  { vectors, coordinate, accumulated }: Sums,
  test: BatchTest,
  { eta, theta, nu }: Thresholds,
): BatchStatistics {
  const samples = vectors[0]!.squares.length;
  const squaredNorm = Math.max(0, sum(vectors.map((vector) => vector.squaredNorm)));
  const units: Units = {
    square: largest(
      vectors.map(({ squares }) => squares),
      squaredNorm,
    ),
    dot: largest(
      vectors.map(({ dots }) => dots),
      squaredNorm,
    ),
  };
  const variance = (total: number): number => Math.max(0, total / (samples - 1));
  const shares = vectors.map((vector) => sharesOf(vector, units));
  const meanShare = quotient(squaredNorm, units.square);
  const norm = variance(sum(shares.map((share) => share.squared)) - samples * meanShare);
  if (accumulated !== undefined) {
    // The means of micro-batches vary by 1 / samples of what the samples do.
    const [all, ratio] = [accumulated * norm, squaredNorm === 0 ? null : (accumulated * norm) / meanShare];
    return {
      ...{ samples: samples * accumulated, squaredNorm, variance: all * units.square },
      ...{ innerProductVariance: null, orthogonalVariance: null },
      candidate: ratio === null ? null : bySquare(ratio, eta),
    };
  }
  if (squaredNorm === 0) {
    const all = norm * units.square;
    return { samples, squaredNorm, variance: all, innerProductVariance: 0, orthogonalVariance: all, candidate: null };
  }
  const inner = variance(sum(shares.map((share) => share.along - samples * share.mean)));
  const orthogonal = variance(sum(shares.map((share) => share.orthogonal)));
  const statistics = {
    samples,
    squaredNorm,
    variance: norm * units.square,
    innerProductVariance: inner * units.dot * units.dot,
    orthogonalVariance: orthogonal * units.square,
  };
  if (coordinate !== undefined) {
    const coordinateRatio = variance(coordinate);
    return { ...statistics, coordinateRatio, candidate: bySquare(coordinateRatio, eta) };
  }
  const byInner = bySquare(bySquare(inner, squaredNorm / units.dot), theta);
  const candidates = {
    norm: bySquare(norm / meanShare, eta),
    'inner-product': byInner,
    augmented: Math.max(byInner, bySquare(orthogonal / meanShare, nu)),
  };
  return { ...statistics, candidate: candidates[test as Exclude<BatchTest, 'coordinate'>] };
}
