// Places from some of their distances: by completion where these are right, and by measurements of a Gram matrix where some are wrong.
import { Device, ops, Tensor } from 'orthokit';
import { eigh, polar } from 'orthokit/linalg';
import { completeMatrix, MatrixSensing, SubGradientRecovery } from 'orthokit/lowrank';
import { distances } from './distances.mjs';
import { knownPairs, largest, radius } from './places.mjs';

/** @import { Place } from './places.mjs' */
/** @typedef {{ median: number, worst: number, points: number[][] }} Found kilometers; longitude and latitude of each place */
/** @typedef {{ revision: number, size: 'full' | 'quick', seed: number }} Settings */

/** Squared distances of points of a space of three dimensions have rank 5. */
const rankOfSquares = 5;
export const wrong = 0.2;
export const sizes = {
  full: { count: 800, share: 0.1, rounds: 500, steps: 2500 },
  quick: { count: 60, share: 0.6, rounds: 100, steps: 1000 },
};

/** @param {Settings} settings */
export async function run({ size, seed }) {
  const { count, share, rounds, steps } = sizes[size];
  const device = Device.open('cpu');
  const all = largest(count);
  const right = await byCompletion(device, all, knownPairs(all, { share, wrong: 0, seed }), rounds, seed);
  const pairs = knownPairs(all, { share, wrong, seed: seed + 1000 });
  const { known, outlierShare, robust, squares } = await byMeasurements(device, all, pairs, steps, seed);
  await device.close();
  return { right, known, outlierShare, robust, squares };
}

/** @param {Device} device @param {Place[]} places @param {ReturnType<typeof knownPairs>} pairs @param {number} maxIterations @param {number} seed */
async function byCompletion(device, places, pairs, maxIterations, seed) {
  const n = places.length;
  // Each in both orders, and of each place to itself.
  const entries = {
    rows: Int32Array.from([...pairs.map(({ i }) => i), ...pairs.map(({ j }) => j), ...places.keys()]),
    cols: Int32Array.from([...pairs.map(({ j }) => j), ...pairs.map(({ i }) => i), ...places.keys()]),
    values: Float64Array.from([...pairs, ...pairs].map(({ square }) => square).concat(places.map(() => 0))),
    shape: /** @type {const} */ ([n, n]),
  };
  const options = { rank: rankOfSquares, device, maxIterations, tol: 1e-9, seed };
  const { u, v, trainRmse, iterations } = await completeMatrix(entries, options);
  const squares = Tensor.zeros(device, [n, n], { dtype: 'f64' });
  ops.gemm(device, { a: u, b: v, c: squares, transB: 'transposed' });
  const gram = centred(await squares.read(), n);
  const { values, vectors } = await eigh(Tensor.from(device, gram, [n, n]));
  const [sizesOf, columns] = [await values.read(), await vectors.read()];
  const points = Float64Array.from({ length: 3 * n }, (_, at) => {
    const axis = n - 3 + (at % 3);
    return Math.sqrt(Math.max(0, sizesOf[axis])) * columns[Math.floor(at / 3) * n + axis];
  });
  return { ...(await placed(device, points, places)), known: pairs.length, trainRmse, iterations };
}

/** −J·S·J / 2 of squared distances, J the projection to mean 0, made symmetric. @param {ArrayLike<number>} squares @param {number} n */
function centred(squares, n) {
  const symmetric = Float64Array.from(squares, (x, at) => (x + squares[(at % n) * n + Math.floor(at / n)]) / 2);
  const means = new Float64Array(n);
  for (let at = 0; at < n * n; ++at) means[at % n] += symmetric[at] / n;
  const mean = means.reduce((sum, x) => sum + x, 0) / n;
  return symmetric.map((x, at) => -(x - means[at % n] - means[Math.floor(at / n)] + mean) / 2);
}

/** @param {Device} device @param {Place[]} places @param {ReturnType<typeof knownPairs>} pairs @param {number} steps @param {number} seed */
async function byMeasurements(device, places, pairs, steps, seed) {
  const measurement = distances(device, pairs, places.length, 3);
  const y = Tensor.from(device, Float64Array.from(pairs, ({ square }) => square), [pairs.length]); // biome-ignore format: one line
  const robust = new SubGradientRecovery(measurement, y, { rank: 3, decay: 1 - 11 / steps, seed });
  const { outlierShare } = await robust.run(steps);
  const squares = new MatrixSensing(measurement, y, { rank: 3, form: 'symmetric', seed });
  await squares.run(steps);
  return {
    known: pairs.length,
    outlierShare,
    robust: await placed(device, await robust.factor().read(), places),
    squares: await placed(device, await squares.factors().left.read(), places),
  };
}

/**
 * Points turned and moved to lie nearest to the places, and how far they are off.
 *
 * @param {Device} device @param {ArrayLike<number>} points three coordinates each @param {readonly Place[]} places @returns {Promise<Found>}
 */
async function placed(device, points, places) {
  const n = places.length;
  const truth = places.flatMap(({ point }) => point);
  const meanOf = (/** @type {ArrayLike<number>} */ x) => [0, 1, 2].map((axis) => places.reduce((sum, _, i) => sum + x[3 * i + axis] / n, 0)); // biome-ignore format: one line
  const [from, to] = [meanOf(points), meanOf(truth)];
  const products = new Float64Array(9);
  for (let i = 0; i < n; ++i)
    for (let a = 0; a < 3; ++a)
      for (let b = 0; b < 3; ++b) products[3 * a + b] += (points[3 * i + a] - from[a]) * (truth[3 * i + b] - to[b]);
  const turn = await (await polar(Tensor.from(device, products, [3, 3]))).read();
  const found = places.map((_, i) =>
    to.map((x, b) => x + [0, 1, 2].reduce((sum, a) => sum + (points[3 * i + a] - from[a]) * turn[3 * a + b], 0)),
  );
  const errors = found.map((own, i) => radius * Math.hypot(...own.map((x, axis) => x - truth[3 * i + axis])));
  const sorted = errors.toSorted((x, y) => x - y);
  const degrees = (/** @type {number} */ x) => Number(((180 / Math.PI) * x).toFixed(3));
  return {
    median: sorted[n >> 1],
    worst: sorted[n - 1],
    points: found.map(([x, y, z]) => [degrees(Math.atan2(y, x)), degrees(Math.atan2(z, Math.hypot(x, y)))]),
  };
}
