// Devices: cpu, cuda
// Source: property "has column sums that are the masses, and the slope of its increase in its row sums"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { semidual as reference } from '../../reference/semidual.ts';
import { expectClose } from '../../support/compare.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';
import { empty, massesOf, numbers, transportShapes, vector } from '../../support/transport.ts';

const outputsOf = (device: Device, n: number, m: number) => ({
  nextRowScale: empty(device, n),
  nextColumnScale: empty(device, m),
  rowSums: empty(device, n),
  statistics: empty(device, 3),
});

describe.each(devices)('semidual on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('on a kernel of %s', (dtype) => {
    const run = async (values: Float64Array, n: number, m: number, step: Float64Array | undefined) => {
      const masses = { rows: massesOf(n, 2), columns: massesOf(m, 3) };
      const scales = { rows: numbers(n, 4, 0.5, 1), columns: numbers(m, 5, 0.5, 1) };
      const kernel = tensorOf(device, values, [n, m], dtype);
      const before = await kernel.read();
      const out = outputsOf(device, n, m);
      ops.semidual(device, {
        kernel,
        rowMass: vector(device, masses.rows),
        columnMass: vector(device, masses.columns),
        rowScale: vector(device, scales.rows),
        columnScale: vector(device, scales.columns),
        step: step && vector(device, step),
        ...out,
      });
      const expected = reference(values, masses, scales, step ?? new Float64Array(n));
      expectClose(await valuesOf(out.statistics), Float64Array.from(expected.statistics), {
        dtype: 'f64',
        ulps: 200,
        magnitude: 1,
      });
      expect(sameBits(await kernel.read(), before)).toBe(true);
      return { out, expected };
    };

    it.each(transportShapes)('agrees with the reference on %i rows of %i columns', async (n, m) => {
      for (const step of [undefined, numbers(n, 6, -1, 1)]) {
        const { out, expected } = await run(numbers(n * m, 1, 0.01, 1, dtype), n, m, step);
        const tolerance = { dtype: 'f64', ulps: 100 } as const;
        expectClose(await valuesOf(out.nextRowScale), expected.u, tolerance);
        expectClose(await valuesOf(out.nextColumnScale), expected.v, tolerance);
        expectClose(await valuesOf(out.rowSums), expected.sums, tolerance);
      }
    });

    it('says when a scale is no number', async () => {
      const step = new Float64Array(20).fill(-800);
      const { expected } = await run(numbers(200, 1, 0.01, 1, dtype), 20, 10, step);
      expect(expected.statistics).toEqual([Infinity, -Infinity, Infinity]);
    });

    it('has column sums that are the masses, and the slope of its increase in its row sums', async () => {
      const [n, m] = [20, 30];
      const [r, c] = [massesOf(n, 2), massesOf(m, 3)];
      const values = numbers(n * m, 1, 0.01, 1, dtype);
      const start = { rowScale: vector(device, numbers(n, 4, 0.5, 1)), columnScale: vector(device, numbers(m, 5, 0.5, 1)) }; // biome-ignore format: one line
      const inputs = { kernel: tensorOf(device, values, [n, m], dtype), rowMass: vector(device, r), columnMass: vector(device, c) }; // biome-ignore format: one line
      const direction = numbers(n, 6, -1, 1);
      const at = async (t: number) => {
        const out = outputsOf(device, n, m);
        ops.semidual(device, { ...inputs, ...start, step: vector(device, direction.map((x) => t * x)), ...out }); // biome-ignore format: one line
        const [u, v, sums, statistics] = await Promise.all([out.nextRowScale, out.nextColumnScale, out.rowSums, out.statistics].map(valuesOf)); // biome-ignore format: one line
        return { u: u!, v: v!, sums: sums!, increase: statistics![1]! };
      };
      const { u, v, sums } = await at(0);
      for (let j = 0; j < m; j++) {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += u[i]! * values[i * m + j]! * v[j]!;
        expect(Math.abs(sum - c[j]!)).toBeLessThan(1e-15);
      }
      const slope = r.reduce((sum, mass, i) => sum + (mass - sums[i]!) * direction[i]!, 0);
      const [above, below] = [(await at(1e-4)).increase, (await at(-1e-4)).increase];
      expect((above - below) / 2e-4).toBeCloseTo(slope, 7);
    });
  });
});

const valid = (device: Device) => ({
  kernel: Tensor.zeros(device, [3, 2]),
  rowMass: empty(device, 3),
  columnMass: empty(device, 2),
  rowScale: empty(device, 3),
  columnScale: empty(device, 2),
  step: empty(device, 3),
  ...outputsOf(device, 3, 2),
});
describe.each(onlyCpu)('semidual', () => {
  refusesWrongFields('semidual', valid, ['step']);
  refuses('semidual', valid, (device) => {
    const aRow = 'must be f64 with one element a row, got f64[2] for 3';
    const aColumn = 'must be f64 with one element a column, got f64[3] for 2';
    return [
      [{ kernel: empty(device, 3) }, 'ERR_SHAPE', 'semidual: kernel must be a matrix, got f64[3]'],
      [
        { kernel: Tensor.zeros(device, [3, 2], { dtype: 'f16' }) },
        'ERR_DTYPE',
        'semidual: kernel must be f32 or f64, got f16[3, 2]',
      ],
      ...(['rowMass', 'rowScale', 'step', 'nextRowScale', 'rowSums'] as const).map(
        (name) => [{ [name]: empty(device, 2) }, 'ERR_SHAPE', `semidual: ${name} ${aRow}`] as const,
      ),
      ...(['columnMass', 'columnScale', 'nextColumnScale'] as const).map(
        (name) => [{ [name]: empty(device, 3) }, 'ERR_SHAPE', `semidual: ${name} ${aColumn}`] as const,
      ),
      [{ statistics: empty(device, 2) }, 'ERR_SHAPE', 'semidual: statistics must be f64[3], got f64[2]'],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const out = outputsOf(device, 600, 1200);
      ops.semidual(device, {
        kernel: tensorOf(device, numbers(600 * 1200, 1, 0.1, 1), [600, 1200]),
        rowMass: vector(device, massesOf(600, 2)),
        columnMass: vector(device, massesOf(1200, 3)),
        rowScale: vector(device, numbers(600, 4)),
        columnScale: vector(device, numbers(1200, 5)),
        ...out,
      });
      return Object.values(out);
    }));
});
