// Devices: cpu, cuda
// Source: formula "leaves the kernel of %i rows of %i columns behind, and the scales of its columns"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { gibbsKernel } from '../../reference/gibbs-kernel.ts';
import { logSweeps as reference } from '../../reference/log-sweeps.ts';
import { expectClose } from '../../support/compare.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { rounded } from '../../support/dtypes.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';
import { empty, massesOf, numbers, transportShapes, vector } from '../../support/transport.ts';

describe.each(devices)('logSweeps on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const run = async (
    values: Float64Array,
    masses: { rows: Float64Array; columns: Float64Array },
    options: { dtype: 'f32' | 'f64'; eps: number; sweeps: number },
  ) => {
    const { dtype, eps, sweeps } = options;
    const [n, m] = [masses.rows.length, masses.columns.length];
    const cost = tensorOf(device, values, [n, m], dtype);
    const before = await cost.read();
    const [f, g] = [numbers(n, 4), numbers(m, 5)];
    const tensors = { rowPotential: vector(device, f), columnPotential: vector(device, g) };
    const statistics = empty(device, 1);
    const [rowMass, columnMass] = [vector(device, masses.rows), vector(device, masses.columns)];
    ops.logSweeps(device, { cost, rowMass, columnMass, ...tensors, statistics, eps, sweeps });
    const error = reference(values, masses, f, g, eps, sweeps);
    // Exponents of the size of range / eps, whose roundings show in the logarithm.
    const tolerance = { dtype: 'f64', ulps: 100, magnitude: 4 } as const;
    expectClose(await valuesOf(tensors.rowPotential), f, tolerance);
    expectClose(await valuesOf(tensors.columnPotential), g, tolerance);
    expect((await valuesOf(statistics))[0]).toBeCloseTo(error, 10);
    expect(sameBits(await cost.read(), before)).toBe(true);
  };

  describe.each(['f32', 'f64'] as const)('of %s costs', (dtype) => {
    it.each(transportShapes)('agrees with the reference on %i rows of %i columns', async (n, m) => {
      const masses = { rows: massesOf(n, 2), columns: massesOf(m, 3) };
      await run(numbers(n * m, 1, 0, 4, dtype), masses, { dtype, eps: 0.25, sweeps: 3 });
    });

    it.each(transportShapes)(
      'leaves the kernel of %i rows of %i columns behind, and the scales of its columns',
      async (n, m) => {
        const values = numbers(n * m, 1, 0, 4, dtype);
        const masses = { rows: massesOf(n, 2), columns: massesOf(m, 3) };
        // A column that all rows are far from.
        if (m > 1) for (let i = 0; i < n; i++) values[i * m + 1] = rounded(values[i * m + 1]! + 64, dtype);
        const cost = tensorOf(device, values, [n, m], dtype);
        const [f, g] = [vector(device, new Float64Array(n)), vector(device, new Float64Array(m))];
        const kernel = Tensor.full(device, [n, m], NaN, { dtype });
        const [columnScale, statistics] = [empty(device, m), empty(device, 1)];
        const [rowMass, columnMass] = [vector(device, masses.rows), vector(device, masses.columns)];
        const potentials = { rowPotential: f, columnPotential: g };
        ops.logSweeps(device, {
          cost,
          rowMass,
          columnMass,
          ...potentials,
          statistics,
          kernel,
          columnScale,
          eps: 0.25,
        });
        const [rows, columns, scales] = await Promise.all([valuesOf(f), valuesOf(g), valuesOf(columnScale)]);
        const expected = gibbsKernel(values, rows, columns, 0.25);
        expectClose(await valuesOf(kernel), expected, { dtype, ulps: dtype === 'f32' ? 2 : 1000 });
        for (let j = 0; j < m; j++) {
          let sum = 0;
          for (let i = 0; i < n; i++) sum += expected[i * m + j]!;
          expect(Math.abs(scales[j]! * sum - masses.columns[j]!)).toBeLessThan(1e-12);
        }
        if (m > 1 && masses.columns[1]! > 0 && dtype === 'f32') expect(scales[1]).toBe(1);
      },
    );

    it('keeps columns that lie beyond the exponentials of all rows', async () => {
      const values = Float64Array.of(0, 1, 1e4, 0.5, 0.25, 1e4, Infinity, 0, 1e4 + 1);
      const masses = { rows: Float64Array.of(0.2, 0.3, 0.5), columns: Float64Array.of(0.5, 0.25, 0.25) };
      await run(values, masses, { dtype, eps: 0.25, sweeps: 1 });
    });

    it.each([
      [131, 257],
      [20, 2049],
      [3, 8199],
    ])('keeps such columns of %i rows of %i, too', async (n, m) => {
      const values = numbers(n * m, 1, 0, 4, dtype);
      for (const j of [0, 200, m - 1]) for (let i = 0; i < n; i++) values[i * m + j] = 1e4 + (i % 3);
      await run(values, { rows: massesOf(n, 2), columns: massesOf(m, 3) }, { dtype, eps: 0.25, sweeps: 2 });
    });

    it('leaves alone what no finite cost reaches', async () => {
      const values = Float64Array.of(0, Infinity, Infinity, Infinity);
      const masses = { rows: Float64Array.of(0.5, 0.5), columns: Float64Array.of(0.5, 0.5) };
      await run(values, masses, { dtype, eps: 0.25, sweeps: 2 });
    });
  });
});

const valid = (device: Device) => ({
  cost: Tensor.zeros(device, [3, 2]),
  rowMass: empty(device, 3),
  columnMass: empty(device, 2),
  rowPotential: empty(device, 3),
  columnPotential: empty(device, 2),
  statistics: empty(device, 1),
});
describe.each(onlyCpu)('logSweeps', () => {
  refusesWrongFields('logSweeps', valid);
  refuses('logSweeps', valid, (device) => {
    const aRow = 'must be f64 with one element a row, got f64[2] for 3';
    const aColumn = 'must be f64 with one element a column, got f64[3] for 2';
    return [
      [{ cost: empty(device, 3) }, 'ERR_SHAPE', 'logSweeps: cost must be a matrix, got f64[3]'],
      [
        { cost: Tensor.zeros(device, [3, 2], { dtype: 'f16' }) },
        'ERR_DTYPE',
        'logSweeps: cost must be f32 or f64, got f16[3, 2]',
      ],
      [{ rowMass: empty(device, 2) }, 'ERR_SHAPE', `logSweeps: rowMass ${aRow}`],
      [{ columnMass: empty(device, 3) }, 'ERR_SHAPE', `logSweeps: columnMass ${aColumn}`],
      [{ rowPotential: empty(device, 2) }, 'ERR_SHAPE', `logSweeps: rowPotential ${aRow}`],
      [{ columnPotential: empty(device, 3) }, 'ERR_SHAPE', `logSweeps: columnPotential ${aColumn}`],
      [{ statistics: empty(device, 2) }, 'ERR_SHAPE', 'logSweeps: statistics must be f64[1], got f64[2]'],
      [{ kernel: Tensor.zeros(device, [3, 2]) }, 'ERR_ARGUMENT', 'logSweeps: kernel and columnScale go together'],
      [
        { kernel: Tensor.zeros(device, [3, 2], { dtype: 'f64' }), columnScale: empty(device, 2) },
        'ERR_DTYPE',
        "logSweeps: kernel must have the cost's dtype, got f64[3, 2]",
      ],
      [
        { kernel: Tensor.zeros(device, [2, 3]), columnScale: empty(device, 2) },
        'ERR_SHAPE',
        "logSweeps: kernel must have the cost's shape, got f32[2, 3] for cost f32[3, 2]",
      ],
      [
        { kernel: Tensor.zeros(device, [3, 2]), columnScale: empty(device, 3) },
        'ERR_SHAPE',
        `logSweeps: columnScale ${aColumn}`,
      ],
      [{ eps: -1 }, 'ERR_ARGUMENT', 'logSweeps: eps must be positive and finite, got -1'],
      [{ sweeps: 0 }, 'ERR_ARGUMENT', 'logSweeps: sweeps must be 1 to 65536, got 0'],
      [{ sweeps: 65537 }, 'ERR_ARGUMENT', 'logSweeps: sweeps must be 1 to 65536, got 65537'],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const cost = tensorOf(device, numbers(300 * 1200, 1), [300, 1200]);
      const masses = { rowMass: vector(device, massesOf(300, 2)), columnMass: vector(device, massesOf(1200, 3)) };
      const [f, g] = [vector(device, numbers(300, 4)), vector(device, numbers(1200, 5))];
      const statistics = empty(device, 1);
      ops.logSweeps(device, {
        cost,
        ...masses,
        rowPotential: f,
        columnPotential: g,
        statistics,
        eps: 0.05,
        sweeps: 3,
      });
      return [f, g, statistics];
    }));
});
