// Devices: cpu, cuda
// Source: closed form "of a plan that is the product of its masses gives them, and no error"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { planSums as reference } from '../../reference/plan-sums.ts';
import { expectClose } from '../../support/compare.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';
import { empty, massesOf, numbers, transportShapes, vector } from '../../support/transport.ts';

const outputsOf = (device: Device, n: number, m: number) => ({
  rowSums: empty(device, n),
  columnSums: empty(device, m),
  statistics: empty(device, 4),
});

describe.each(devices)('planSums on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(transportShapes)('agrees with the reference on %i rows of %i columns', async (n, m) => {
    for (const dtype of ['f32', 'f64'] as const) {
      const values = numbers(n * m, 1, -1, 3, dtype).map((x, k) => (k % 11 === 10 ? Infinity : x));
      const [f, g] = [numbers(n, 2), numbers(m, 3).map((x, j) => (j % 9 === 8 ? -Infinity : x))];
      const masses = { rows: massesOf(n, 4), columns: massesOf(m, 5) };
      const cost = tensorOf(device, values, [n, m], dtype);
      const before = await cost.read();
      const out = outputsOf(device, n, m);
      ops.planSums(device, {
        cost,
        rowPotential: vector(device, f),
        columnPotential: vector(device, g),
        rowMass: vector(device, masses.rows),
        columnMass: vector(device, masses.columns),
        ...out,
        eps: 0.5,
      });
      const expected = reference(values, f, g, masses, 0.5);
      expectClose(await valuesOf(out.rowSums), expected.rows, { dtype: 'f64', ulps: 60 });
      expectClose(await valuesOf(out.columnSums), expected.columns, { dtype: 'f64', ulps: 60 });
      expectClose(await valuesOf(out.statistics), Float64Array.from(expected.statistics), {
        dtype: 'f64',
        ulps: 60,
        magnitude: expected.statistics[1]!,
      });
      expect(sameBits(await cost.read(), before)).toBe(true);
    }
  });

  it('of a plan that is the product of its masses gives them, and no error', async () => {
    const [n, m, eps] = [130, 70, 0.5];
    const [r, c] = [massesOf(n, 1), massesOf(m, 2)];
    const out = outputsOf(device, n, m);
    ops.planSums(device, {
      cost: Tensor.full(device, [n, m], 3),
      // exp((f + g − 3) / eps) = r c
      rowPotential: vector(device, r.map((mass) => eps * Math.log(mass))), // biome-ignore format: one line
      columnPotential: vector(device, c.map((mass) => 3 + eps * Math.log(mass))), // biome-ignore format: one line
      rowMass: vector(device, r),
      columnMass: vector(device, c),
      ...out,
      eps,
    });
    const tolerance = { dtype: 'f64', ulps: 60 } as const;
    expectClose(await valuesOf(out.rowSums), r, tolerance);
    expectClose(await valuesOf(out.columnSums), c, tolerance);
    expectClose(await valuesOf(out.statistics), [3, 1, 0, 0], { ...tolerance, magnitude: 1 });
  });
});

const valid = (device: Device) => ({
  cost: Tensor.zeros(device, [3, 2]),
  rowPotential: empty(device, 3),
  columnPotential: empty(device, 2),
  rowMass: empty(device, 3),
  columnMass: empty(device, 2),
  ...outputsOf(device, 3, 2),
});
describe.each(onlyCpu)('planSums', () => {
  refusesWrongFields('planSums', valid);
  refuses('planSums', valid, (device) => {
    const aRow = 'must be f64 with one element a row, got f64[2] for 3';
    const aColumn = 'must be f64 with one element a column, got f64[3] for 2';
    return [
      [{ cost: empty(device, 3) }, 'ERR_SHAPE', 'planSums: cost must be a matrix, got f64[3]'],
      [
        { cost: Tensor.zeros(device, [3, 2], { dtype: 'f16' }) },
        'ERR_DTYPE',
        'planSums: cost must be f32 or f64, got f16[3, 2]',
      ],
      ...(['rowPotential', 'rowMass', 'rowSums'] as const).map(
        (name) => [{ [name]: empty(device, 2) }, 'ERR_SHAPE', `planSums: ${name} ${aRow}`] as const,
      ),
      ...(['columnPotential', 'columnMass', 'columnSums'] as const).map(
        (name) => [{ [name]: empty(device, 3) }, 'ERR_SHAPE', `planSums: ${name} ${aColumn}`] as const,
      ),
      [{ statistics: empty(device, 2) }, 'ERR_SHAPE', 'planSums: statistics must be f64[4], got f64[2]'],
      [{ eps: 0 }, 'ERR_ARGUMENT', 'planSums: eps must be positive and finite, got 0'],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const out = outputsOf(device, 300, 1200);
      ops.planSums(device, {
        cost: tensorOf(device, numbers(300 * 1200, 1), [300, 1200]),
        rowPotential: vector(device, numbers(300, 2)),
        columnPotential: vector(device, numbers(1200, 3)),
        rowMass: vector(device, massesOf(300, 4)),
        columnMass: vector(device, massesOf(1200, 5)),
        ...out,
      });
      return Object.values(out);
    }));
});
