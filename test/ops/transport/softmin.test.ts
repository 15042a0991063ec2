// Devices: cpu, cuda
// Source: closed form "overflows nowhere, and gives −infinity and 0 where nothing can be chosen"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { type Metric, pairwiseCosts } from '../../reference/pairwise-costs.ts';
import { softmin as reference } from '../../reference/softmin.ts';
import { expectClose } from '../../support/compare.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';
import { empty, numbers, transportShapes, vector } from '../../support/transport.ts';

const matrix = (device: Device, rows: number, columns: number) =>
  Tensor.full(device, [rows, columns], NaN, { dtype: 'f64' });
const tolerance = { dtype: 'f64', ulps: 200, magnitude: 4 } as const;

/** ∂C/∂xₖ of two points. */
function slope(metric: Metric, x: Float64Array, y: Float64Array, k: number): number {
  const by = x[k]! - y[k]!;
  if (metric === 'sqeuclidean') return 2 * by;
  if (metric === 'l1') return Math.sign(by);
  const distance = Math.hypot(...x.map((value, i) => value - y[i]!));
  return distance > 0 ? by / distance : 0;
}

describe.each(devices)('softmin on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(transportShapes)(
    'of stored costs agrees with the reference on %i choices from %i, and across',
    async (n, m) => {
      for (const dtype of ['f32', 'f64'] as const) {
        const values = numbers(n * m, 1, 0, 4, dtype).map((x, k) => (k % 11 === 10 ? Infinity : x));
        const across = Float64Array.from({ length: n * m }, (_, k) => values[(k % n) * m + Math.floor(k / n)]!);
        const cost = tensorOf(device, values, [n, m], dtype);
        for (const [of, costs, rows, columns] of [
          ['rows', values, n, m],
          ['columns', across, m, n],
        ] as const) {
          const g = numbers(columns, 3).map((x, j) => (j % 9 === 8 ? -Infinity : x));
          const vs = numbers(columns * 3, 5, -1, 1);
          const [logSums, meanCosts, averages] = [empty(device, rows), empty(device, rows), matrix(device, rows, 3)];
          const potential = vector(device, g);
          const inputs = { cost, of, potential, values: Tensor.from(device, vs, [columns, 3]), eps: 0.25 };
          ops.softmin(device, { ...inputs, logSums, meanCosts, averages });
          const { logSums: logSumsExpected, mean } = reference(costs, g, 0.25);
          expectClose(await valuesOf(logSums), logSumsExpected, tolerance);
          expectClose(
            await valuesOf(meanCosts),
            mean((i, j) => costs[i * columns + j]!),
            tolerance,
          );
          const means = await valuesOf(averages);
          for (const k of [0, 1, 2])
            expectClose(
              means.filter((_, at) => at % 3 === k),
              mean((_, j) => vs[3 * j + k]!),
              tolerance,
            );
        }
      }
    },
  );

  describe.each(['sqeuclidean', 'euclidean', 'l1'] as const)('of points, %s', (metric) => {
    it.each([
      [1, 1, 1],
      [130, 600, 2],
      [33, 20, 11],
      [150, 400, 19],
      [5, 9, 140],
    ])('agrees with the reference on %i and %i points of %i coordinates', async (n, m, d) => {
      for (const dtype of ['f32', 'f64'] as const) {
        const [xs, ys] = [numbers(n * d, 1, -1, 1, dtype), numbers(m * d, 2, -1, 1, dtype)];
        // A distance of 0, where two of the three have no gradient.
        xs.set(ys.subarray(0, d));
        const [f, g] = [numbers(n, 3), numbers(m, 4)];
        const costs = pairwiseCosts(xs, ys, d, metric);
        const [logSums, meanCosts, gradients] = [empty(device, n), empty(device, n), matrix(device, n, d)];
        const points = { x: tensorOf(device, xs, [n, d], dtype), y: tensorOf(device, ys, [m, d], dtype), metric };
        const [potential, ownPotential] = [vector(device, g), vector(device, f)];
        ops.softmin(device, { ...points, potential, ownPotential, logSums, meanCosts, gradients, eps: 0.5 });
        const { logSums: logSumsExpected, mean } = reference(costs, g, 0.5, f);
        const largest = Math.max(...mean(() => 1));
        const sums = { ...tolerance, magnitude: largest * 4 * d };
        expectClose(await valuesOf(logSums), logSumsExpected, tolerance);
        expectClose(
          await valuesOf(meanCosts),
          mean((i, j) => costs[i * m + j]!),
          sums,
        );
        const actual = await valuesOf(gradients);
        for (let k = 0; k < d; k++) {
          const expected = mean((i, j) =>
            slope(metric, xs.subarray(i * d, i * d + d), ys.subarray(j * d, j * d + d), k),
          );
          expectClose(
            actual.filter((_, at) => at % d === k),
            expected,
            sums,
          );
        }
      }
    });
  });

  it.each(['sqeuclidean', 'euclidean', 'l1'] as const)(
    'of points, %s: who is infinitely far has no part',
    async (metric) => {
      for (const d of [2, 20]) {
        const [n, m] = [9, 40];
        const [xs, ys, g] = [numbers(n * d, 1), numbers(m * d, 2), numbers(m, 3)];
        const without = numbers(m * d, 2);
        ys[3 * d + 1] = Infinity;
        const means: Float64Array[][] = [];
        for (const [points, last] of [
          [ys, g[3]!],
          [without, -Infinity],
        ] as const) {
          const potential = vector(
            device,
            g.map((x, j) => (j === 3 ? last : x)),
          );
          const [logSums, meanCosts, gradients] = [empty(device, n), empty(device, n), matrix(device, n, d)];
          const inputs = {
            x: Tensor.from(device, xs, [n, d]),
            y: Tensor.from(device, points, [m, d]),
            metric,
            potential,
          };
          ops.softmin(device, { ...inputs, logSums, meanCosts, gradients });
          means.push(await Promise.all([logSums, meanCosts, gradients].map(valuesOf)));
        }
        for (const [k, actual] of means[0]!.entries()) expectClose(actual, means[1]![k]!, tolerance);
      }
    },
  );

  it('overflows nowhere, and gives −infinity and 0 where nothing can be chosen', async () => {
    const cost = Tensor.from(device, Float64Array.of(-1e6, 1e6, Infinity, Infinity), [2, 2]);
    const [logSums, meanCosts] = [empty(device, 2), empty(device, 2)];
    ops.softmin(device, { cost, potential: vector(device, Float64Array.of(0, 0)), logSums, meanCosts });
    expect([...(await valuesOf(logSums))]).toEqual([1e6, -Infinity]);
    expect([...(await valuesOf(meanCosts))]).toEqual([-1e6, 0]);
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [3, 4]),
  y: Tensor.zeros(device, [2, 4]),
  potential: empty(device, 2),
  ownPotential: empty(device, 3),
  values: matrix(device, 2, 5),
  logSums: empty(device, 3),
  meanCosts: empty(device, 3),
  averages: matrix(device, 3, 5),
  gradients: matrix(device, 3, 4),
});
const ofMatrix = { x: undefined, y: undefined, gradients: undefined };
describe.each(onlyCpu)('softmin', () => {
  const optional = ['x', 'y', 'ownPotential', 'values', 'meanCosts', 'averages', 'gradients'];
  refusesWrongFields('softmin', valid, optional);
  refuses('softmin', valid, (device) => [
    [{ x: undefined }, 'ERR_ARGUMENT', 'softmin: cost comes alone, or x and y do'],
    [{ cost: Tensor.zeros(device, [3, 2]) }, 'ERR_ARGUMENT', 'softmin: cost comes alone, or x and y do'],
    [{ ...ofMatrix, cost: empty(device, 3) }, 'ERR_SHAPE', 'softmin: cost must be a matrix, got f64[3]'],
    [{ of: 'columns' }, 'ERR_ARGUMENT', 'softmin: of is rows for x and y'],
    [
      { potential: empty(device, 3) },
      'ERR_SHAPE',
      'softmin: potential must be f64 with one element a cost to choose from, got f64[3] for 2',
    ],
    ...(['ownPotential', 'logSums', 'meanCosts'] as const).map(
      (name) =>
        [
          { [name]: empty(device, 2) },
          'ERR_SHAPE',
          `softmin: ${name} must be f64 with one element a choice, got f64[2] for 3`,
        ] as const,
    ),
    [{ averages: undefined }, 'ERR_ARGUMENT', 'softmin: values and averages come together or not at all'],
    [{ values: Tensor.zeros(device, [2, 5]) }, 'ERR_DTYPE', 'softmin: values and averages must be f64, got f32[2, 5]'],
    [
      { values: matrix(device, 3, 5) },
      'ERR_SHAPE',
      'softmin: values must have a row an element of potential, got f64[3, 5] for potential f64[2]',
    ],
    [
      { averages: matrix(device, 3, 4) },
      'ERR_SHAPE',
      'softmin: averages must have a row a choice and a column one of values, got f64[3, 4] for logSums f64[3] and values f64[2, 5]',
    ],
    [
      { ...ofMatrix, cost: Tensor.zeros(device, [3, 2]), gradients: matrix(device, 3, 4) },
      'ERR_ARGUMENT',
      'softmin: gradients come with points',
    ],
    [{ gradients: Tensor.zeros(device, [3, 4]) }, 'ERR_DTYPE', 'softmin: gradients must be f64, got f32[3, 4]'],
    [
      { gradients: matrix(device, 3, 3) },
      'ERR_SHAPE',
      'softmin: gradients must have the shape of x, got f64[3, 3] for x f32[3, 4]',
    ],
    [{ eps: 0 }, 'ERR_ARGUMENT', 'softmin: eps must be positive and finite, got 0'],
  ]);

  it.each([3, 20])('gives the same bits on any number of threads, of points of %i coordinates', (d) =>
    expectSameBits((device) => {
      const x = Tensor.from(device, numbers(300 * d, 1), [300, d]);
      const y = Tensor.from(device, numbers(1200 * d, 2), [1200, d]);
      const [logSums, gradients] = [empty(device, 300), matrix(device, 300, d)];
      ops.softmin(device, { x, y, potential: vector(device, numbers(1200, 3)), logSums, gradients, eps: 0.1 });
      return [logSums, gradients];
    }),
  );
});
