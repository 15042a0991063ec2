// Devices: cpu, cuda
// Source: property "gives rows the mean of the bias and the deviation of the weight"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { layerNorm as reference } from '../../reference/layer-norm.ts';
import { expectClose, largest } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('layerNorm on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(matrixShapes)('agrees with the reference on %i rows of %i columns, in place too', async (rows, columns) => {
      // A mean far from 0, which the deviation must not feel.
      const data = normal(rows * columns, 1).map((v) => 3 * v + 100);
      const before = tensorOf(device, data, [rows, columns], dtype);
      const [weight, bias] = [2, 3].map((seed) => tensorOf(device, normal(columns, seed), [columns], dtype));
      const [values, w, b] = [await valuesOf(before), await valuesOf(weight!), await valuesOf(bias!)];
      const forms = [{ eps: 1e-5 }, { eps: 0.5, weight }, { eps: 0.5, bias }, { eps: 1e-5, weight, bias }];
      for (const { eps, ...given } of forms) {
        const x = tensorOf(device, values, [rows, columns], dtype);
        const out = Tensor.full(device, [rows, columns], NaN, { dtype });
        ops.layerNorm(device, { x, out, eps, ...given } as never);
        const expected = reference(
          values,
          columns,
          eps,
          'weight' in given ? w : undefined,
          'bias' in given ? b : undefined,
        );
        // f32: the bound below. f64: the mean, 30 deviations away, has lost as many units of the last place.
        const ulps = dtype === 'f32' ? 2.5 : 200 + Math.sqrt(columns);
        const magnitude = largest(expected);
        expectClose(await valuesOf(out), expected, { dtype, ulps, magnitude });
        expect(sameBits(await x.read(), await before.read())).toBe(true);
        ops.layerNorm(device, { x, out: x, eps, ...given } as never);
        expect(sameBits(await x.read(), await out.read())).toBe(true);
      }
    });
  });

  it.each([0, 100, 1e4])('is within 2.5 ulp of the largest term in f32, of means around %d', async (offset) => {
    const [rows, columns] = [500, 1000];
    const of = (seed: number, size: number, shift = 0) =>
      Float64Array.from(normal(size, seed), (v) => Math.fround(v + shift));
    const [x, weight, bias] = [of(1, rows * columns, offset), of(2, columns), of(3, columns)];
    const inputs = { x: tensorOf(device, x, [rows, columns]), weight: tensorOf(device, weight, [columns]) };
    const out = Tensor.full(device, [rows, columns], NaN);
    ops.layerNorm(device, { ...inputs, out });
    const scaled = reference(x, columns, 1e-5, weight);
    // The digits that f64 leaves of the variance of numbers with an offset.
    const ulps = 2.5 + 1e-3;
    expectClose(await valuesOf(out), scaled, { dtype: 'f32', ulps });
    ops.layerNorm(device, { ...inputs, bias: tensorOf(device, bias, [columns]), out });
    const magnitude = scaled.map((h, i) => Math.max(Math.abs(h), Math.abs(bias[i % columns]!)));
    expectClose(await valuesOf(out), reference(x, columns, 1e-5, weight, bias), { dtype: 'f32', ulps, magnitude });
  });

  it('gives rows the mean of the bias and the deviation of the weight', async () => {
    const [rows, columns] = [5, 1000];
    const x = tensorOf(device, normal(rows * columns, 1, 7), [rows, columns], 'f64');
    const [weight, bias] = [2, 3].map((value) => Tensor.full(device, [columns], value, { dtype: 'f64' }));
    ops.layerNorm(device, { x, out: x, weight, bias, eps: 1e-12 });
    const values = await valuesOf(x);
    for (let i = 0; i < rows; i++) {
      const row = values.subarray(i * columns, (i + 1) * columns);
      const mean = row.reduce((sum, v) => sum + v, 0) / columns;
      expect(mean).toBeCloseTo(3, 11);
      expect(Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / columns)).toBeCloseTo(2, 11);
    }
  });

  it('has eps 1e-5 unless told', async () => {
    const [x, out] = [tensorOf(device, [0, 0.02], [1, 2], 'f64'), Tensor.zeros(device, [1, 2], { dtype: 'f64' })];
    ops.layerNorm(device, { x, out });
    const z = 0.01 / Math.sqrt(1.1e-4);
    expectClose(await valuesOf(out), [-z, z], { dtype: 'f64', ulps: 8 });
  });

  it('makes rows of equal elements the bias, and keeps NaN and infinities to their rows', async () => {
    const x = tensorOf(device, [5, 5, 0, 0, 1, NaN, Infinity, 1, -Infinity, Infinity, 1e30, -1e30], [6, 2]);
    const bias = tensorOf(device, [7, 8]);
    ops.layerNorm(device, { x, bias, out: x });
    const nan = [NaN, NaN];
    expect(await x.read()).toEqual(new Float32Array([7, 8, 7, 8, ...nan, ...nan, ...nan, 8, 7]));
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 3]),
  weight: Tensor.zeros(device, [3]),
  bias: Tensor.zeros(device, [3]),
  out: Tensor.zeros(device, [2, 3]),
});
describe.each(onlyCpu)('layerNorm', () => {
  refusesWrongFields('layerNorm', valid, ['weight', 'bias']);
  refuses('layerNorm', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const [wide, two] = [Tensor.zeros(device, [3], { dtype: 'f64' }), Tensor.zeros(device, [2])];
    return [
      [{ x: Tensor.zeros(device, []) }, 'ERR_SHAPE', 'layerNorm: x must have an axis, got f32[]'],
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', 'layerNorm: x must be floating, got i32[2, 3]'],
      [{ out: f64 }, 'ERR_DTYPE', "layerNorm: out must have x's dtype, got f64[2, 3]"],
      [
        { out: Tensor.zeros(device, [3, 2]) },
        'ERR_SHAPE',
        "layerNorm: out must have x's shape, got f32[3, 2] for x f32[2, 3]",
      ],
      [{ weight: wide }, 'ERR_DTYPE', "layerNorm: weight must have x's dtype, got f64[3]"],
      [
        { weight: two },
        'ERR_SHAPE',
        'layerNorm: weight must have one element a column of x, got f32[2] for x f32[2, 3]',
      ],
      [{ bias: wide }, 'ERR_DTYPE', "layerNorm: bias must have x's dtype, got f64[3]"],
      [{ bias: two }, 'ERR_SHAPE', 'layerNorm: bias must have one element a column of x, got f32[2] for x f32[2, 3]'],
      [{ eps: 0 }, 'ERR_ARGUMENT', 'layerNorm: eps must be positive, got 0'],
      [{ eps: NaN }, 'ERR_ARGUMENT', 'layerNorm: eps must be positive, got nan'],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(1000 * 43, 1), [1000, 43]);
      ops.layerNorm(device, { x, out: x });
      return [x];
    }));
});
