// Devices: cpu, cuda
// Source: property "ends with scales at which the plan has the masses"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { scalingSweeps as reference } from '../../reference/scaling-sweeps.ts';
import { expectClose } from '../../support/compare.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';
import { empty, massesOf, numbers, transportShapes, vector } from '../../support/transport.ts';

describe.each(devices)('scalingSweeps on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const run = async (
    values: Float64Array,
    masses: { rows: Float64Array; columns: Float64Array },
    dtype: 'f32' | 'f64',
    options: { maxSweeps?: number; tol?: number; maxScale?: number },
  ) => {
    const [n, m] = [masses.rows.length, masses.columns.length];
    const kernel = tensorOf(device, values, [n, m], dtype);
    const before = await kernel.read();
    const [u, v] = [numbers(n, 4, 0.5, 1), numbers(m, 5, 0.5, 1)];
    const [rowScale, columnScale, statistics] = [vector(device, u), vector(device, v), empty(device, 4)];
    const [rowMass, columnMass] = [vector(device, masses.rows), vector(device, masses.columns)];
    ops.scalingSweeps(device, { kernel, rowMass, columnMass, rowScale, columnScale, statistics, ...options });
    const expected = reference(values, masses, u, v, options);
    expectClose(await valuesOf(rowScale), u, { dtype: 'f64', ulps: 200 });
    expectClose(await valuesOf(columnScale), v, { dtype: 'f64', ulps: 200 });
    expectClose(await valuesOf(statistics), Float64Array.from(expected), { dtype: 'f64', ulps: 400, magnitude: 1 });
    expect(sameBits(await kernel.read(), before)).toBe(true);
    return expected;
  };

  describe.each(['f32', 'f64'] as const)('on a kernel of %s', (dtype) => {
    it.each(transportShapes)('agrees with the reference on %i rows of %i columns', async (n, m) => {
      const masses = { rows: massesOf(n, 2), columns: massesOf(m, 3) };
      // Of one row or column, two sweeps are right, but for rounding.
      await run(numbers(n * m, 1, 0.01, 1, dtype), masses, dtype, { maxSweeps: Math.min(n, m) === 1 ? 1 : 3 });
    });

    it('stops where the error is small, where a scale is far from 1, and where a sum vanishes', async () => {
      const masses = { rows: massesOf(20, 2), columns: massesOf(30, 3) };
      const values = numbers(600, 1, 0.01, 1, dtype);
      const [swept] = await run(values, masses, dtype, { maxSweeps: 100, tol: 1e-3 });
      expect(swept).toBeGreaterThan(1);
      expect(swept).toBeLessThan(100);
      const [far, , largest] = await run(
        values.map((x) => x * 2 ** -40),
        masses,
        dtype,
        { maxSweeps: 100, maxScale: 1e6 },
      );
      expect(far).toBe(1);
      expect(largest).toBeGreaterThan(Math.log(1e6));
      const [none, , , failed] = await run(
        values.map((x, k) => (k < 30 ? 0 : x)),
        masses,
        dtype,
        { maxSweeps: 100 },
      );
      expect([none, failed]).toEqual([0, 1]);
    });

    it('ends with scales at which the plan has the masses', async () => {
      const [n, m] = [65, 31];
      const [r, c] = [massesOf(n, 1), massesOf(m, 2)];
      const values = numbers(n * m, 3, 0.1, 1, dtype);
      const [rowScale, columnScale] = [vector(device, new Float64Array(n).fill(1)), vector(device, new Float64Array(m).fill(1))]; // biome-ignore format: one line
      const fields = { kernel: tensorOf(device, values, [n, m], dtype), rowScale, columnScale };
      const [rowMass, columnMass, statistics] = [vector(device, r), vector(device, c), empty(device, 4)];
      ops.scalingSweeps(device, { ...fields, rowMass, columnMass, statistics, maxSweeps: 1000, tol: 1e-12 });
      const [u, v] = [await valuesOf(rowScale), await valuesOf(columnScale)];
      const [rows, columns] = [new Float64Array(n), new Float64Array(m)];
      for (let i = 0; i < n; i++)
        for (let j = 0; j < m; j++) {
          const entry = u[i]! * values[i * m + j]! * v[j]!;
          rows[i]! += entry;
          columns[j]! += entry;
        }
      for (let i = 0; i < n; i++) expect(Math.abs(rows[i]! - r[i]!)).toBeLessThan(1e-11);
      for (let j = 0; j < m; j++) expect(Math.abs(columns[j]! - c[j]!)).toBeLessThan(1e-14);
    });
  });
});

const valid = (device: Device) => ({
  kernel: Tensor.zeros(device, [3, 2]),
  rowMass: empty(device, 3),
  columnMass: empty(device, 2),
  rowScale: empty(device, 3),
  columnScale: empty(device, 2),
  statistics: empty(device, 4),
});
describe.each(onlyCpu)('scalingSweeps', () => {
  refusesWrongFields('scalingSweeps', valid);
  refuses('scalingSweeps', valid, (device) => {
    const aRow = 'must be f64 with one element a row, got f64[2] for 3';
    const aColumn = 'must be f64 with one element a column, got f64[3] for 2';
    return [
      [{ kernel: empty(device, 3) }, 'ERR_SHAPE', 'scalingSweeps: kernel must be a matrix, got f64[3]'],
      [
        { kernel: Tensor.zeros(device, [3, 2], { dtype: 'f16' }) },
        'ERR_DTYPE',
        'scalingSweeps: kernel must be f32 or f64, got f16[3, 2]',
      ],
      [{ rowMass: empty(device, 2) }, 'ERR_SHAPE', `scalingSweeps: rowMass ${aRow}`],
      [{ columnMass: empty(device, 3) }, 'ERR_SHAPE', `scalingSweeps: columnMass ${aColumn}`],
      [{ rowScale: empty(device, 2) }, 'ERR_SHAPE', `scalingSweeps: rowScale ${aRow}`],
      [{ columnScale: empty(device, 3) }, 'ERR_SHAPE', `scalingSweeps: columnScale ${aColumn}`],
      [{ statistics: empty(device, 2) }, 'ERR_SHAPE', 'scalingSweeps: statistics must be f64[4], got f64[2]'],
      [{ maxSweeps: 0 }, 'ERR_ARGUMENT', 'scalingSweeps: maxSweeps must be 1 to 65536, got 0'],
      [{ tol: -1 }, 'ERR_ARGUMENT', 'scalingSweeps: tol must not be negative, got -1'],
      [{ maxScale: 1 }, 'ERR_ARGUMENT', 'scalingSweeps: maxScale must be above 1 and finite, got 1'],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const kernel = tensorOf(device, numbers(600 * 1200, 1, 0.1, 1), [600, 1200]);
      const masses = { rowMass: vector(device, massesOf(600, 2)), columnMass: vector(device, massesOf(1200, 3)) };
      const [u, v] = [vector(device, numbers(600, 4)), vector(device, numbers(1200, 5))];
      const statistics = empty(device, 4);
      ops.scalingSweeps(device, { kernel, ...masses, rowScale: u, columnScale: v, statistics, maxSweeps: 3 });
      return [u, v, statistics];
    }));
});
