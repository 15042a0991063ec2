// Devices: cpu, cuda
// Source: formula "agrees with central differences of the forward operation"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { layerNorm, normalized } from '../../reference/layer-norm.ts';
import { layerNormBackward as reference } from '../../reference/layer-norm-backward.ts';
import { sum } from '../../reference/sums.ts';
import { expectClose, largest } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

// The last ones: several rows a block of CUDA's threads, which share each of them; around the columns whose sums fit
// in shared memory.
const shapes = [...matrixShapes, [530, 260], [2, 3056], [2, 3060], [2, 3072], [2, 4096]] as const;

describe.each(devices)('layerNormBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(shapes)('agrees with the reference on %i rows of %i columns, in place too', async (rows, columns) => {
      const [grad, x] = [1, 2].map((seed) => tensorOf(device, normal(rows * columns, seed), [rows, columns], dtype));
      const weight = tensorOf(device, normal(columns, 3), [columns], dtype);
      const [g, values, w] = [await valuesOf(grad!), await valuesOf(x!), await valuesOf(weight)];
      for (const { eps, ...given } of [{ eps: 1e-5, weight }, { eps: 0.5 }]) {
        const gradX = Tensor.full(device, [rows, columns], NaN, { dtype });
        const [gradWeight, gradBias] = [1, 2].map(() => Tensor.full(device, [columns], NaN, { dtype }));
        const inputs = { grad: grad!, x: x!, eps, ...given };
        ops.layerNormBackward(device, { ...inputs, gradX, gradWeight: gradWeight!, gradBias: gradBias! });
        const expected = reference(g, values, columns, eps, 'weight' in given ? w : undefined);
        // Terms cancel: the errors are relative to the terms, which are no larger than this.
        const most = largest(g) * Math.max(1, largest(w)) * (columns === 1 ? 1 / Math.sqrt(eps) : 30);
        const ulps = dtype === 'f32' ? 5 : 8 + Math.sqrt(rows + columns);
        const near = async (actual: Tensor, wanted: Float64Array, size: number) =>
          expectClose(await valuesOf(actual), wanted, {
            dtype,
            ulps,
            magnitude: size,
          });
        await near(gradX, expected.gradX, most);
        await near(gradWeight!, expected.gradWeight, most * Math.sqrt(rows));
        await near(gradBias!, expected.gradBias, most * Math.sqrt(rows));
        expect(sameBits(await valuesOf(grad!), g) && sameBits(await valuesOf(x!), values)).toBe(true);

        // Over either input, and without what nobody asks for.
        const [overGrad, overX] = [g, values].map((data) => tensorOf(device, data, [rows, columns], dtype));
        ops.layerNormBackward(device, { ...inputs, grad: overGrad!, gradX: overGrad! });
        ops.layerNormBackward(device, { ...inputs, x: overX!, gradX: overX! });
        for (const over of [overGrad!, overX!]) expect(sameBits(await over.read(), await gradX.read())).toBe(true);
      }
    });
  });

  it.each([0, 100, 1e4])('is within 5 ulp of the largest term in f32, of means around %d', async (offset) => {
    const [rows, columns] = [500, 1000];
    const of = (seed: number, size: number, shift = 0) =>
      Float64Array.from(normal(size, seed), (v) => Math.fround(v + shift));
    const [grad, x, weight] = [of(1, rows * columns), of(2, rows * columns, offset), of(3, columns)];
    const gradX = Tensor.full(device, [rows, columns], NaN);
    const inputs = { grad: tensorOf(device, grad, [rows, columns]), x: tensorOf(device, x, [rows, columns]) };
    ops.layerNormBackward(device, { ...inputs, weight: tensorOf(device, weight, [columns]), gradX });
    const expected = reference(grad, x, columns, 1e-5, weight).gradX;
    const magnitude = new Float64Array(expected.length);
    for (let at = 0; at < x.length; at += columns) {
      const { normal: h, deviation } = normalized(x.subarray(at, at + columns), 1e-5);
      const g = h.map((_, j) => grad[at + j]! * weight[j]!);
      const [shift, slope] = [sum(columns, (j) => g[j]!) / columns, sum(columns, (j) => g[j]! * h[j]!) / columns];
      for (let j = 0; j < columns; j++)
        magnitude[at + j] = Math.max(Math.abs(g[j]!), Math.abs(shift), Math.abs(h[j]! * slope)) / deviation;
    }
    expectClose(await valuesOf(gradX), expected, { dtype: 'f32', ulps: 5, magnitude });
  });

  it('agrees with central differences of the forward operation', async () => {
    const [x, grad, weight, bias] = [normal(10, 1), normal(10, 2), normal(5, 3), normal(5, 4)];
    const value = (at: Float64Array, w: Float64Array, b: Float64Array) =>
      layerNorm(at, 5, 1e-3, w, b).reduce((sum, y, j) => sum + y * grad[j]!, 0);
    const of = (data: Float64Array, shape: number[]) => tensorOf(device, data, shape, 'f64');
    const gradX = of(x, [2, 5]);
    const [gradWeight, gradBias] = [of(weight, [5]), of(bias, [5])];
    const inputs = { grad: of(grad, [2, 5]), x: of(x, [2, 5]), weight: of(weight, [5]), eps: 1e-3 };
    ops.layerNormBackward(device, { ...inputs, gradX, gradWeight, gradBias });
    const slopes = (data: Float64Array, f: (at: Float64Array) => number) =>
      data.map((v, j) => (f(data.with(j, v + 1e-5)) - f(data.with(j, v - 1e-5))) / 2e-5);
    const close = async (tensor: Tensor, expected: Float64Array) =>
      (await valuesOf(tensor)).forEach((v, j) => {
        expect(v).toBeCloseTo(expected[j]!, 8);
      });
    await close(
      gradX,
      slopes(x, (at) => value(at, weight, bias)),
    );
    await close(
      gradWeight,
      slopes(weight, (at) => value(x, at, bias)),
    );
    await close(
      gradBias,
      slopes(bias, (at) => value(x, weight, at)),
    );
  });

  it('keeps NaN and infinities to their rows and columns', async () => {
    const grad = tensorOf(device, [1, NaN, 1, 2, 1, 2, Infinity, 1], [4, 2]);
    const x = tensorOf(device, [1, 2, NaN, 1, 4, 4, 1, 2], [4, 2]);
    const gradBias = Tensor.zeros(device, [2]);
    const gradX = Tensor.zeros(device, [4, 2]);
    ops.layerNormBackward(device, { grad, x, gradX, gradBias, eps: 0.25 });
    const nan = [NaN, NaN];
    // The third row has no deviation: h = 0 and r = 2.
    expect(await gradX.read()).toEqual(new Float32Array([...nan, ...nan, -1, 1, ...nan]));
    expect(await gradBias.read()).toEqual(new Float32Array([Infinity, NaN]));
  });
});

const valid = (device: Device) => ({
  grad: Tensor.zeros(device, [2, 3]),
  x: Tensor.zeros(device, [2, 3]),
  weight: Tensor.zeros(device, [3]),
  gradX: Tensor.zeros(device, [2, 3]),
  gradWeight: Tensor.zeros(device, [3]),
  gradBias: Tensor.zeros(device, [3]),
});
describe.each(onlyCpu)('layerNormBackward', () => {
  refusesWrongFields('layerNormBackward', valid, ['weight', 'gradWeight', 'gradBias']);
  refuses('layerNormBackward', valid, (device) => {
    const op = 'layerNormBackward:';
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const turned = Tensor.zeros(device, [3, 2]);
    const [wide, two] = [Tensor.zeros(device, [3], { dtype: 'f64' }), Tensor.zeros(device, [2])];
    return [
      [{ grad: Tensor.zeros(device, []) }, 'ERR_SHAPE', `${op} grad must have an axis, got f32[]`],
      [{ grad: f64.cast('i32') }, 'ERR_DTYPE', `${op} grad must be floating, got i32[2, 3]`],
      [{ x: f64 }, 'ERR_DTYPE', `${op} x must have grad's dtype, got f64[2, 3]`],
      [{ gradX: f64 }, 'ERR_DTYPE', `${op} gradX must have grad's dtype, got f64[2, 3]`],
      [{ x: turned }, 'ERR_SHAPE', `${op} x must have grad's shape, got f32[3, 2] for grad f32[2, 3]`],
      [{ gradX: turned }, 'ERR_SHAPE', `${op} gradX must have grad's shape, got f32[3, 2] for grad f32[2, 3]`],
      [{ weight: wide }, 'ERR_DTYPE', `${op} weight must have grad's dtype, got f64[3]`],
      [
        { weight: two },
        'ERR_SHAPE',
        `${op} weight must have one element a column of grad, got f32[2] for grad f32[2, 3]`,
      ],
      [{ gradWeight: wide }, 'ERR_DTYPE', `${op} gradWeight must have grad's dtype, got f64[3]`],
      [
        { gradWeight: two },
        'ERR_SHAPE',
        `${op} gradWeight must have one element a column of grad, got f32[2] for grad f32[2, 3]`,
      ],
      [{ gradBias: wide }, 'ERR_DTYPE', `${op} gradBias must have grad's dtype, got f64[3]`],
      [
        { gradBias: two },
        'ERR_SHAPE',
        `${op} gradBias must have one element a column of grad, got f32[2] for grad f32[2, 3]`,
      ],
      [{ eps: -1 }, 'ERR_ARGUMENT', `${op} eps must be positive, got -1`],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const [grad, x] = [1, 2].map((seed) => tensorOf(device, normal(1000 * 43, seed), [1000, 43]));
      const [gradWeight, gradBias] = [1, 2].map(() => Tensor.zeros(device, [43]));
      const outs = { gradX: grad!, gradWeight: gradWeight!, gradBias: gradBias! };
      ops.layerNormBackward(device, { grad: grad!, x: x!, ...outs });
      return [grad!, gradWeight!, gradBias!];
    }));
});
