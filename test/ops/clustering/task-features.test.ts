// Devices: cpu, cuda
// Source: property "gives rows of unit length, and queries with the mean of the support"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

const results = (device: Device, tasks: number, rows: number, d: number, dtype: 'f32' | 'f64' = 'f64') => ({
  x: Tensor.full(device, [tasks, rows, d], NaN, { dtype }),
  norms: Tensor.full(device, [tasks, rows], NaN, { dtype: 'f64' }),
  center: Tensor.full(device, [tasks, d], NaN, { dtype: 'f64' }),
});

describe.each(devices)('taskFeatures on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(floatingDtypes)('agrees with the reference in %s', async (dtype) => {
    for (const [tasks, s, q, d] of [[3, 5, 7, 33], [1, 1, 1, 1], [2, 3, 4, 597], [0, 2, 2, 3], [2, 0, 6, 5]] as const) // biome-ignore format: one line
      for (const lengths of ['unit', 'own'] as const)
        for (const shift of s > 0 ? (['means', 'none'] as const) : (['none'] as const)) {
          const fields = (on: Device) => ({
            ...(s > 0 && { support: tensorOf(on, normal(tasks * s * d, 1), [tasks, s, d], dtype) }),
            query: tensorOf(on, normal(tasks * q * d, 2), [tasks, q, d], dtype),
            ...(shift === 'means' && { mean: tensorOf(on, normal(d, 3), [d], dtype) }),
            ...results(on, tasks, s + q, d, lengths === 'own' || dtype === 'f64' ? 'f64' : 'f32'),
            lengths,
            shift,
          });
          const own = { ulps: 64, of: 'largest' } as const;
          // Differences in f32 round what their norms are taken of.
          const norms = { ...own, ulps: lengths === 'unit' && dtype !== 'f64' ? 2 ** 30 : 64 };
          await expectLikeReference('taskFeatures', device, fields, { x: own, norms, center: own });
        }
  });

  it('loses nothing of queries beside a support that is far away', async () => {
    for (const [dtype, ulps] of [
      ['f32', 2],
      ['f64', 2],
    ] as const) {
      const fields = (on: Device) => ({
        support: tensorOf(on, normal(6, 1).map((v) => 7000 + v), [3, 1, 2], dtype), // biome-ignore format: one line
        query: tensorOf(on, normal(24, 2), [3, 4, 2], dtype),
        ...results(on, 3, 5, 2, dtype),
        lengths: 'own' as const,
        shift: 'means' as const,
      });
      const bound = { ulps, of: 'largest' } as const;
      await expectLikeReference('taskFeatures', device, fields, { x: bound, norms: { ulps: 64, of: 'largest' }, center: bound }); // biome-ignore format: one line
    }
  });

  it('gives rows of f64 their lengths whatever their size', async () => {
    for (const size of [5e-324, 1e-310, 1e-200, 1e200]) {
      const out = results(device, 1, 1, 2);
      const query = tensorOf(device, [3 * size, -4 * size], [1, 1, 2], 'f64');
      ops.taskFeatures(device, { query, ...out, lengths: 'unit' });
      expect((await valuesOf(out.norms))[0]! / size, `${size}`).toBeCloseTo(5, 9);
      const [a, b] = await valuesOf(out.x);
      expect(a, `${size}`).toBeCloseTo(0.6, 9);
      expect(b, `${size}`).toBeCloseTo(-0.8, 9);
    }
  });

  it('moves queries beside a support of no rows to 0', async () => {
    const out = results(device, 1, 2, 1);
    const support = Tensor.zeros(device, [1, 0, 1], { dtype: 'f64' });
    const query = tensorOf(device, [3, -5], [1, 2, 1], 'f64');
    ops.taskFeatures(device, { support, query, ...out, lengths: 'unit', shift: 'means' });
    // Rows of length 1 with the mean 0 stay.
    expect([...(await valuesOf(out.x))]).toEqual([1, -1]);
    query.write(Float64Array.of(3, 5));
    ops.taskFeatures(device, { support, query, ...out, lengths: 'unit', shift: 'means' });
    expect([...(await valuesOf(out.x))]).toEqual([0, 0]);
  });

  it('gives rows of unit length, and queries with the mean of the support', async () => {
    const support = tensorOf(device, normal(24, 1), [2, 3, 4], 'f64');
    const query = tensorOf(device, normal(40, 2), [2, 5, 4], 'f64');
    const out = results(device, 2, 8, 4);
    ops.taskFeatures(device, { support, query, ...out, lengths: 'unit', shift: 'means' });
    const x = await valuesOf(out.x);
    for (let i = 0; i < 3; ++i) expect(Math.hypot(...x.subarray(4 * i, 4 * i + 4))).toBeCloseTo(1, 14);
    const mean = (from: number, to: number, j: number) => {
      let sum = 0;
      for (let i = from; i < to; ++i) sum += x[4 * i + j]!;
      return sum / (to - from);
    };
    for (let j = 0; j < 4; ++j) expect(mean(3, 8, j)).toBeCloseTo(mean(0, 3, j), 14);
    // A row without a length stays where it is.
    ops.taskFeatures(device, { query: Tensor.zeros(device, [1, 2, 4]), ...results(device, 1, 2, 4), lengths: 'unit' });
    const zeros = results(device, 1, 2, 4);
    ops.taskFeatures(device, { query: Tensor.zeros(device, [1, 2, 4]), ...zeros, lengths: 'unit' });
    expect([...(await valuesOf(zeros.x)), ...(await valuesOf(zeros.norms))]).toEqual(new Array(10).fill(0));
  });
});

const valid = (device: Device) => ({
  support: Tensor.zeros(device, [2, 1, 4]),
  query: Tensor.zeros(device, [2, 2, 4]),
  mean: Tensor.zeros(device, [4]),
  ...results(device, 2, 3, 4),
});
describe.each(onlyCpu)('taskFeatures', () => {
  refusesWrongFields('taskFeatures', (device) => ({ ...valid(device), x: Tensor.zeros(device, [2, 3, 4], { dtype: 'f64' }) }), ['support', 'mean']); // biome-ignore format: one line
  refuses('taskFeatures', valid, (device) => {
    const f64 = (shape: number[]) => Tensor.zeros(device, shape, { dtype: 'f64' });
    return [
      [{ query: f64([2, 2, 4]).cast('i32') }, 'ERR_DTYPE', 'taskFeatures: query must be floating, got i32[2, 2, 4]'],
      [{ query: Tensor.zeros(device, [2, 4]) }, 'ERR_SHAPE', 'taskFeatures: query must be tasks of rows, got f32[2, 4]'],
      [{ support: f64([2, 1, 4]) }, 'ERR_DTYPE', "taskFeatures: support must have query's dtype, got f64[2, 1, 4]"],
      [{ support: Tensor.zeros(device, [1, 1, 4]) }, 'ERR_SHAPE', 'taskFeatures: support must have the tasks and columns of query, got f32[1, 1, 4] for query f32[2, 2, 4]'],
      [{ mean: f64([4]) }, 'ERR_DTYPE', "taskFeatures: mean must have query's dtype, got f64[4]"],
      [{ mean: Tensor.zeros(device, [3]) }, 'ERR_SHAPE', 'taskFeatures: mean must have one element a column of query, got f32[3] for query f32[2, 2, 4]'],
      [{ norms: Tensor.zeros(device, [2, 3]) }, 'ERR_DTYPE', 'taskFeatures: norms and center must be f64, got f32[2, 3]'],
      [{ x: f64([2, 3, 4]).cast('f16') }, 'ERR_DTYPE', 'taskFeatures: x must be f64, or f32 where query is not f64, got f16[2, 3, 4]'],
      [{ x: f64([2, 2, 4]) }, 'ERR_SHAPE', 'taskFeatures: x must have the rows of support and query, got f64[2, 2, 4] for query f32[2, 2, 4]'],
      [{ norms: f64([2, 2]) }, 'ERR_SHAPE', 'taskFeatures: norms must have one element a row of x, got f64[2, 2] for x f64[2, 3, 4]'],
      [{ center: f64([2, 3]) }, 'ERR_SHAPE', 'taskFeatures: center must have a row a task, got f64[2, 3] for x f64[2, 3, 4]'],
      [{ support: undefined, x: f64([2, 2, 4]), norms: f64([2, 2]), shift: 'means' }, 'ERR_ARGUMENT', 'taskFeatures: support is missing for a shift'],
    ]; // biome-ignore format: a line each
  });
  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const query = tensorOf(device, normal(50 * 40 * 30, 1), [50, 40, 30]);
      const out = results(device, 50, 40, 30);
      ops.taskFeatures(device, { query, ...out, lengths: 'unit' });
      return [out.x, out.norms];
    }));
});
