import type { MethodSettings } from './method.ts';
import { solve } from './solve.ts';

const leastDistance = 1e-6;

/** What weights are made of: a token's row, its neighbours, and how far away they are. */
export interface Neighbourhood {
  readonly target: Float64Array;
  readonly neighbours: readonly Float64Array[];
  /** Euclidean distances, or cosine similarities. */
  readonly measures: readonly number[];
}

type Weigh = (neighbourhood: Neighbourhood) => ArrayLike<number>;

/** The three schemes of mergekit-tokensurgeon. */
export function weighBy({ weightScheme, metric }: Pick<MethodSettings, 'weightScheme' | 'metric'>): Weigh {
  if (weightScheme === 'barycentric') return barycentric;
  if (weightScheme === 'least_squares') return leastSquares;
  return metric === 'cosine' ? bySimilarity : byDistance;
}

/** Inverse distances, divided by their sum. */
function byDistance({ measures }: Neighbourhood): number[] {
  return shares(measures.map((distance) => 1 / Math.max(distance, leastDistance)));
}

function bySimilarity({ measures }: Neighbourhood): number[] {
  return shares(measures);
}

/** Least squares under the condition that the weights sum to 1. */
function barycentric(neighbourhood: Neighbourhood): Float64Array {
  const k = neighbourhood.neighbours.length;
  const { gram, products } = normalEquations(neighbourhood);
  const n = k + 1;
  const a = new Float64Array(n * n);
  const b = new Float64Array(n);
  for (let i = 0; i < k; i += 1) {
    for (let j = 0; j < k; j += 1) a[i * n + j] = gram[i * k + j] ?? 0;
    a[i * n + k] = 1;
    a[k * n + i] = 1;
    b[i] = products[i] ?? 0;
  }
  b[k] = 1;
  return solve(a, b).subarray(0, k);
}

function leastSquares(neighbourhood: Neighbourhood): Float64Array {
  const { gram, products } = normalEquations(neighbourhood);
  return solve(gram, products);
}

function normalEquations({ target, neighbours }: Neighbourhood) {
  const k = neighbours.length;
  const gram = new Float64Array(k * k);
  for (const [i, x] of neighbours.entries())
    for (const [j, y] of neighbours.entries()) if (j <= i) gram[i * k + j] = gram[j * k + i] = dot(x, y);
  return { gram, products: Float64Array.from(neighbours, (x) => dot(x, target)) };
}

/** Divided by their sum, which is kept away from zero. */
function shares(values: readonly number[]): number[] {
  const sum = values.reduce((a, b) => a + b, 0);
  return values.map((value) => value / Math.max(sum, leastDistance));
}

export function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i += 1) sum += (x[i] ?? 0) * (y[i] ?? 0);
  return sum;
}
