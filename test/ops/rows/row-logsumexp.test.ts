// Devices: cpu, cuda
// Source: closed form "never overflows, and takes infinities and NaN as PyTorch does"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { rowLogsumexp as reference } from '../../reference/row-logsumexp.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('rowLogsumexp on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(matrixShapes)('agrees with the reference on %i rows of %i columns', async (rows, columns) => {
      const x = tensorOf(device, normal(rows * columns, 1, 20), [rows, columns], dtype);
      const before = await x.read();
      const out = Tensor.full(device, [rows], NaN, { dtype });
      ops.rowLogsumexp(device, { x, out });
      const expected = reference(await valuesOf(x), rows, columns);
      // max + log cancels where they have different signs, both at most of the size of 100.
      const magnitude = dtype === 'f32' ? 1 : 100;
      const ulps = dtype === 'f32' ? 1 : 4 + Math.sqrt(columns);
      expectClose(await valuesOf(out), expected, { dtype, ulps, magnitude });
      expect(sameBits(await x.read(), before)).toBe(true);
    });

    it('never overflows, and takes infinities and NaN as PyTorch does', async () => {
      const inf = Infinity;
      const rows = [
        [1e30, 1e30],
        [-1e30, -1e30],
        [-inf, 3],
        [-inf, -inf],
        [inf, 0],
        [inf, -inf],
        [NaN, inf],
        [-inf, NaN],
      ];
      const x = tensorOf(device, rows.flat(), [8, 2], dtype);
      const out = Tensor.zeros(device, [8], { dtype });
      ops.rowLogsumexp(device, { x, out });
      const large = (await valuesOf(x))[0]!;
      expect([...(await valuesOf(out))]).toEqual([large, -large, 3, -inf, inf, inf, NaN, NaN]);
    });

    // Kernels may take a row part by part, in units of the largest element so far.
    it.each([17, 1024, 1025, 4099, 70001])(
      'takes elements as they are wherever they stand: rows of %i columns',
      async (n) => {
        const inf = Infinity;
        const half = n >> 1;
        const one = (place: number, value: number, others: number) => (i: number) => (i === place ? value : others);
        const last = n - 1;
        const rows: [(i: number) => number, number][] = [
          [one(0, 3, -inf), 3],
          [one(last, 3, -inf), 3],
          [() => -inf, -inf],
          [one(0, inf, 0), inf],
          [one(last, inf, 0), inf],
          [one(0, NaN, 0), NaN],
          [one(last, NaN, 0), NaN],
          [one(last, NaN, -inf), NaN],
          [(i) => (i === 0 ? NaN : i === last ? inf : 0), NaN],
          [(i) => (i < half ? -200 : 200), 200 + Math.log(n - half)],
          [(i) => (i < half ? 200 : -200), 200 + Math.log(half)],
          [one(last, 2 ** 14, 2 ** 14 - 1), 2 ** 14 + Math.log1p(last / Math.E)],
          [one(last, 1 - 2 ** 14, -(2 ** 14)), 1 - 2 ** 14 + Math.log1p(last / Math.E)],
          [one(last, 2 ** 127, -(2 ** 127)), 2 ** 127],
          [(i) => -i / 64, -Math.log(-Math.expm1(-1 / 64)) + Math.log(-Math.expm1(-n / 64))],
          [(i) => (i - last) / 64, -Math.log(-Math.expm1(-1 / 64)) + Math.log(-Math.expm1(-n / 64))],
        ];
        const x = new Tensor(device, [rows.length, n], dtype);
        const given = Float64Array.from({ length: rows.length * n }, (_, at) => rows[Math.floor(at / n)]![0](at % n));
        x.write(dtype === 'f64' ? given : Float32Array.from(given));
        const out = Tensor.zeros(device, [rows.length], { dtype });
        ops.rowLogsumexp(device, { x, out });
        const got = await valuesOf(out);
        const rounding = { f32: 2 ** -23, f64: 2 ** -48 }[dtype];
        for (const [r, [, value]] of rows.entries())
          if (Number.isFinite(value))
            expect(Math.abs(got[r]! - value), `row ${r}`).toBeLessThanOrEqual(rounding * Math.abs(value));
          else expect(got[r], `row ${r}`).toBe(value);
      },
    );
  });
});

const valid = (device: Device) => ({ x: Tensor.zeros(device, [3, 2]), out: Tensor.zeros(device, [3]) });
describe.each(onlyCpu)('rowLogsumexp', () => {
  refusesWrongFields('rowLogsumexp', valid);
  refuses('rowLogsumexp', valid, (device) => {
    const f64 = Tensor.zeros(device, [3, 2], { dtype: 'f64' });
    const one = Tensor.zeros(device, [1]);
    return [
      [{ x: Tensor.zeros(device, []) }, 'ERR_SHAPE', 'rowLogsumexp: x must have an axis, got f32[]'],
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', 'rowLogsumexp: x must be floating, got i32[3, 2]'],
      [{ x: f64 }, 'ERR_DTYPE', "rowLogsumexp: out must have x's dtype, got f32[3]"],
      [
        { out: Tensor.zeros(device, [2]) },
        'ERR_SHAPE',
        'rowLogsumexp: out must have one element a row of x, got f32[2] for x f32[3, 2]',
      ],
      [{ x: one.reshape([1, 1]), out: one }, 'ERR_ARGUMENT', 'rowLogsumexp: out must not share a tensor with x'],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const out = Tensor.zeros(device, [1000]);
      ops.rowLogsumexp(device, { x: tensorOf(device, normal(1000 * 43, 1), [1000, 43]), out });
      return [out];
    }));
});
