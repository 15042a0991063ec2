// Devices: cpu, cuda
// Source: property "ends with plans that have the masses, each of its own problem"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { batchSweeps as reference } from '../../reference/batch-sweeps.ts';
import type { Side } from '../../reference/transport.ts';
import { expectClose } from '../../support/compare.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';
import { massesOf, numbers } from '../../support/transport.ts';

const matrix = (device: Device, rows: number, columns: number) =>
  Tensor.full(device, [rows, columns], NaN, { dtype: 'f64' });
const joined = (parts: Float64Array[]) => Float64Array.from(parts.flatMap((part) => [...part]));

interface Problem {
  readonly cost: Float64Array;
  readonly masses: Side;
  /** Potentials of rows and columns, which the reference moves. */
  readonly f: Float64Array;
  readonly g: Float64Array;
}

/** Runs a batch of problems, and compares it with the reference on each; the statistics of that. */
async function expectLikeReference(
  device: Device,
  each: readonly Problem[],
  dtype: 'f32' | 'f64',
  options: { eps: number; tol: number; maxSweeps: number },
  magnitude: number,
): Promise<number[][]> {
  const [batch, n, m] = [each.length, each[0]!.f.length, each[0]!.g.length];
  const [f, g] = [each.map((problem) => problem.f), each.map((problem) => problem.g)];
  const rows = each.map(({ masses }) => masses.rows);
  const columns = each.map(({ masses }) => masses.columns);
  const costs = joined(each.map((problem) => problem.cost));
  const statistics = matrix(device, batch, 4);
  const tensors = {
    cost: tensorOf(device, costs, [batch, n, m], dtype),
    rowMass: Tensor.from(device, joined(rows), [batch, n]),
    columnMass: Tensor.from(device, joined(columns), [batch, m]),
    rowPotential: Tensor.from(device, joined(f), [batch, n]),
    columnPotential: Tensor.from(device, joined(g), [batch, m]),
  };
  ops.batchSweeps(device, { ...tensors, statistics, ...options });
  const expected = each.map((p) => reference(p.cost, p.masses, p.f, p.g, options));
  const tolerance = { dtype: 'f64', ulps: 1000, magnitude } as const;
  expectClose(await valuesOf(tensors.rowPotential), joined(f), tolerance);
  expectClose(await valuesOf(tensors.columnPotential), joined(g), tolerance);
  expectClose(await valuesOf(statistics), Float64Array.from(expected.flat()), tolerance);
  return expected;
}

describe.each(devices)('batchSweeps on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    [1, 1, 1],
    [3, 20, 31],
    [2, 65, 300],
    [4, 9, 1],
  ])('agrees with the reference on %i problems of %i by %i, each stopping by itself', async (batch, n, m) => {
    for (const dtype of ['f32', 'f64'] as const) {
      const options = { eps: 0.5, tol: 1e-3, maxSweeps: 40 };
      const each = Array.from({ length: batch }, (_, b) => ({
        // The further the costs lie apart, the more sweeps it takes.
        cost: numbers(n * m, 1 + b, 0, 0.5 + b, dtype).map((x, k) => (k % 13 === 12 ? Infinity : x)),
        masses: { rows: massesOf(n, 20 + b), columns: massesOf(m, 30 + b) },
        f: numbers(n, 40 + b),
        g: numbers(m, 50 + b),
      }));
      const expected = await expectLikeReference(device, each, dtype, options, 4);
      if (batch === 3) expect(new Set(expected.map(([sweeps]) => sweeps)).size).toBeGreaterThan(1);
    }
  });

  it('agrees with the reference where the sum of any one column is too small for a number, or that of any one row', async () => {
    const [n, m, options] = [5, 4, { eps: 1, tol: 0, maxSweeps: 3 }] as const;
    // Costs of a column, or of a row, that are 2,000 above the others: e^−2000 is 0 in f64.
    const far = Array.from({ length: m + n }, (_, line) =>
      numbers(n * m, line).map((x, k) => x + ((line < m ? k % m === line : Math.floor(k / m) === line - m) ? 2000 : 0)),
    );
    const each = far.map((cost, b) => ({
      cost,
      masses: { rows: massesOf(n, 20 + b), columns: massesOf(m, 40 + b) },
      f: new Float64Array(n),
      g: new Float64Array(m),
    }));
    await expectLikeReference(device, each, 'f64', options, 2000);
  });

  it('ends with plans that have the masses, each of its own problem', async () => {
    const [batch, n, m, eps] = [3, 20, 31, 0.5];
    const costs = numbers(batch * n * m, 1);
    const masses = [0, 1, 2].map((b) => ({ rows: massesOf(n, b), columns: massesOf(m, 10 + b) }));
    const rowPotential = Tensor.zeros(device, [batch, n], { dtype: 'f64' });
    const columnPotential = Tensor.zeros(device, [batch, m], { dtype: 'f64' });
    const statistics = matrix(device, batch, 4);
    ops.batchSweeps(device, {
      cost: tensorOf(device, costs, [batch, n, m], 'f64'),
      rowMass: Tensor.from(device, joined(masses.map((own) => own.rows)), [batch, n]),
      columnMass: Tensor.from(device, joined(masses.map((own) => own.columns)), [batch, m]),
      ...{ rowPotential, columnPotential, statistics, eps, tol: 1e-12, maxSweeps: 1000 },
    });
    const [f, g] = [await valuesOf(rowPotential), await valuesOf(columnPotential)];
    for (const [b, { rows, columns }] of masses.entries()) {
      const [rowSums, columnSums] = [new Float64Array(n), new Float64Array(m)];
      for (let i = 0; i < n; i++)
        for (let j = 0; j < m; j++) {
          const entry = Math.exp((f[b * n + i]! + g[b * m + j]! - costs[(b * n + i) * m + j]!) / eps);
          rowSums[i]! += entry;
          columnSums[j]! += entry;
        }
      for (const [sums, own] of [
        [rowSums, rows],
        [columnSums, columns],
      ] as const)
        for (const [k, sum] of sums.entries()) expect(Math.abs(sum - own[k]!)).toBeLessThan(1e-11);
    }
  });
});

const valid = (device: Device) => ({
  cost: Tensor.zeros(device, [5, 3, 2]),
  rowMass: matrix(device, 5, 3),
  columnMass: matrix(device, 5, 2),
  rowPotential: matrix(device, 5, 3),
  columnPotential: matrix(device, 5, 2),
  statistics: matrix(device, 5, 4),
});
describe.each(onlyCpu)('batchSweeps', () => {
  refusesWrongFields('batchSweeps', valid);
  refuses('batchSweeps', valid, (device) => [
    [
      { cost: Tensor.zeros(device, [3, 2]) },
      'ERR_SHAPE',
      'batchSweeps: cost must be a batch of matrices, got f32[3, 2]',
    ],
    [
      { cost: Tensor.zeros(device, [5, 3, 2], { dtype: 'f16' }) },
      'ERR_DTYPE',
      'batchSweeps: cost must be f32 or f64, got f16[5, 3, 2]',
    ],
    ...(['rowMass', 'rowPotential'] as const).map(
      (name) =>
        [
          { [name]: matrix(device, 5, 2) },
          'ERR_SHAPE',
          `batchSweeps: ${name} must be f64 with a row a problem and a column a row of it, got f64[5, 2] for cost f32[5, 3, 2]`,
        ] as const,
    ),
    ...(['columnMass', 'columnPotential'] as const).map(
      (name) =>
        [
          { [name]: Tensor.zeros(device, [5, 2]) },
          'ERR_DTYPE',
          `batchSweeps: ${name} must be f64 with a row a problem and a column a column of it, got f32[5, 2]`,
        ] as const,
    ),
    [
      { statistics: matrix(device, 4, 4) },
      'ERR_SHAPE',
      'batchSweeps: statistics must be f64 with a row of 4 a problem, got f64[4, 4] for cost f32[5, 3, 2]',
    ],
    [{ eps: -1 }, 'ERR_ARGUMENT', 'batchSweeps: eps must be positive and finite, got -1'],
    [{ tol: -1 }, 'ERR_ARGUMENT', 'batchSweeps: tol must not be negative, got -1'],
    [{ maxSweeps: 0 }, 'ERR_ARGUMENT', 'batchSweeps: maxSweeps must be 1 to 65536, got 0'],
  ]);

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const tensors = {
        rowPotential: Tensor.from(device, numbers(140, 4), [7, 20]),
        columnPotential: Tensor.from(device, numbers(210, 5), [7, 30]),
        statistics: matrix(device, 7, 4),
      };
      ops.batchSweeps(device, {
        cost: Tensor.from(device, numbers(7 * 600, 1), [7, 20, 30]),
        rowMass: Tensor.from(device, numbers(140, 2), [7, 20]),
        columnMass: Tensor.from(device, numbers(210, 3), [7, 30]),
        ...tensors,
        maxSweeps: 4,
      });
      return Object.values(tensors);
    }));
});
