// Devices: cpu, cuda
// Source: closed form "tells a mass without a finite cost from one that no other mass can meet"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { costRange as reference } from '../../reference/cost-range.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';
import { empty, massesOf, numbers, transportShapes, vector } from '../../support/transport.ts';

describe.each(devices)('costRange on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const run = async (values: Float64Array, a: Float64Array, b: Float64Array, dtype: 'f32' | 'f64') => {
    const statistics = empty(device, 8);
    const cost = tensorOf(device, values, [a.length, b.length], dtype);
    ops.costRange(device, { cost, rowMass: vector(device, a), columnMass: vector(device, b), statistics });
    return [...(await valuesOf(statistics))];
  };

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(transportShapes)('agrees with the reference on %i rows of %i columns', async (n, m) => {
      const special = [Infinity, -Infinity, NaN];
      const values = numbers(n * m, 1, -1, 1, dtype).map((x, k) => (k % 10 < 3 ? special[k % 10]! : x));
      // A row and a column without a finite cost.
      for (let j = 0; j < m; j++) values[j] = Infinity;
      for (let i = 0; i < n; i++) values[i * m] = NaN;
      const [a, b] = [massesOf(n, 2), massesOf(m, 3)];
      expect(await run(values, a, b, dtype)).toEqual(reference(values, a, b));
    });

    it('tells a mass without a finite cost from one that no other mass can meet', async () => {
      const [x, half] = [Infinity, Float64Array.of(0.5, 0.5)];
      const values = [1, x, 2, x, 3, x, x, x, x];
      // Row 2 has no finite cost; row 1 has none but to a column without mass; column 2 has one to row 0 only.
      expect(
        await run(Float64Array.from(values), Float64Array.of(0.5, 0.5, 0), Float64Array.of(1, 0, 0), dtype),
      ).toEqual([...[1, 3, 0, 6], ...[0, 0, 1, 0]]);
      expect(await run(Float64Array.of(x, x, x, x), half, half, dtype)).toEqual([0, 0, 0, 4, 2, 2, 2, 2]);
    });
  });
});

const valid = (device: Device) => ({
  cost: Tensor.zeros(device, [3, 2]),
  rowMass: empty(device, 3),
  columnMass: empty(device, 2),
  statistics: empty(device, 8),
});
describe.each(onlyCpu)('costRange', () => {
  refusesWrongFields('costRange', valid);
  refuses('costRange', valid, (device) => [
    [{ cost: empty(device, 3) }, 'ERR_SHAPE', 'costRange: cost must be a matrix, got f64[3]'],
    [
      { cost: Tensor.zeros(device, [3, 2], { dtype: 'i32' }) },
      'ERR_DTYPE',
      'costRange: cost must be f32 or f64, got i32[3, 2]',
    ],
    [
      { rowMass: empty(device, 2) },
      'ERR_SHAPE',
      'costRange: rowMass must be f64 with one element a row, got f64[2] for 3',
    ],
    [
      { columnMass: empty(device, 3) },
      'ERR_SHAPE',
      'costRange: columnMass must be f64 with one element a column, got f64[3] for 2',
    ],
    [{ statistics: empty(device, 7) }, 'ERR_SHAPE', 'costRange: statistics must be f64[8], got f64[7]'],
  ]);

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const statistics = empty(device, 8);
      const cost = tensorOf(device, numbers(300 * 70, 1), [300, 70]);
      const masses = { rowMass: vector(device, massesOf(300, 2)), columnMass: vector(device, massesOf(70, 3)) };
      ops.costRange(device, { cost, ...masses, statistics });
      return [statistics];
    }));
});
