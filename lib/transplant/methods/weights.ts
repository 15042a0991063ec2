import type { Device } from '../../core/device.ts';
import { Tensor } from '../../core/tensor.ts';
import { lstsq } from '../../linalg/index.ts';
import type { MethodSettings } from './method.ts';

const leastDistance = 1e-6;
/** A singular value below this share of the largest one is rounding. */
const rankTolerance = 1e-12;

/** The facts that weights are made of: a token's row, its neighbours, and how far away they are. */
export interface Neighbourhood {
  readonly target: Float64Array;
  readonly neighbours: readonly Float64Array[];
  /** Euclidean distances, or cosine similarities. */
  readonly measures: readonly number[];
}

/** A square system a·x = b, by rows, whose first unknowns are weights; duplicate neighbours may make it singular. */
export interface Equations {
  readonly a: Float64Array;
  readonly b: Float64Array;
}

/** Weights at once, or the equations that they solve. */
type Weigh = (neighbourhood: Neighbourhood) => readonly number[] | Equations;

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
function barycentric(neighbourhood: Neighbourhood): Equations {
  const k = neighbourhood.neighbours.length;
  const { gram, products } = normalEquations(neighbourhood);
  const n = k + 1;
  const a = new Float64Array(n * n);
  const b = new Float64Array(n);
  for (let i = 0; i < k; ++i) {
    for (let j = 0; j < k; ++j) a[i * n + j] = gram[i * k + j]!;
    a[i * n + k] = 1;
    a[k * n + i] = 1;
    b[i] = products[i]!;
  }
  b[k] = 1;
  return { a, b };
}

function leastSquares(neighbourhood: Neighbourhood): Equations {
  const { gram, products } = normalEquations(neighbourhood);
  return { a: gram, b: products };
}

/** The solutions of systems of one size, those of least norm, one after the other. */
export async function solutionsOf(device: Device, systems: readonly Equations[]): Promise<Float64Array> {
  const size = systems[0]!.b.length;
  const count = systems.length;
  const all = new Float64Array(count * size * size);
  const sides = new Float64Array(count * size);
  for (const [i, { a, b }] of systems.entries()) {
    all.set(a, i * size * size);
    sides.set(b, i * size);
  }
  using a = Tensor.from(device, all, [count, size, size]);
  using b = Tensor.from(device, sides, [count, size]);
  using x = await lstsq(a, b, { rankTolerance });
  return await x.read();
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
  for (let i = 0; i < x.length; ++i) sum += x[i]! * y[i]!;
  return sum;
}
