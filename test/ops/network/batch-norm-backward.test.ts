// Devices: cpu, cuda
// Source: values "has PyTorch's gradients"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('batchNormBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(floatingDtypes)('in %s', (dtype) => {
    it.each(matrixShapes)('agrees with the reference on %i rows of %i columns, in place too', async (rows, columns) => {
      const of = (on: Device, seed: number) => tensorOf(on, normal(rows * columns, seed), [rows, columns], dtype);
      const row = (on: Device, seed: number) => tensorOf(on, normal(columns, seed), [columns], dtype);
      const moments = (on: Device) => {
        const inverses = normal(columns, 6).map((v) => 0.5 + Math.abs(v));
        return tensorOf(on, Float64Array.of(...normal(columns, 5, 0.1), ...inverses), [2, columns], 'f64');
      };
      const inputs = (on: Device) => ({ grad: of(on, 1), x: of(on, 2), moments: moments(on) });
      const outs = (on: Device) => ({ gradX: of(on, 3), gradWeight: row(on, 7), gradBias: row(on, 8) });
      // Terms cancel: the errors are relative to the terms.
      const ulps = dtype === 'f64' ? 32 + Math.sqrt(rows) : dtype === 'f32' ? 12 : 1;
      const bound = { ulps, of: 'largest' } as const;
      await expectLikeReference('batchNormBackward', device, (on) => ({ ...inputs(on), ...outs(on) }), bound);
      await expectLikeReference(
        'batchNormBackward',
        device,
        (on) => ({ ...inputs(on), ...outs(on), weight: row(on, 4), betaX: 1, betaWeight: -2, betaBias: 0.5 }),
        bound,
      );

      // Over either input, and without what nobody asks for.
      const { gradX } = outs(device);
      ops.batchNormBackward(device, { ...inputs(device), gradX });
      for (const over of ['grad', 'x'] as const) {
        const own = inputs(device);
        ops.batchNormBackward(device, { ...own, gradX: own[over] });
        expect(sameBits(await own[over].read(), await gradX.read())).toBe(true);
      }
      const [both, alone] = [outs(device), outs(device)];
      ops.batchNormBackward(device, { ...inputs(device), ...both });
      const { gradWeight, gradBias } = alone;
      ops.batchNormBackward(device, { ...inputs(device), gradWeight });
      ops.batchNormBackward(device, { ...inputs(device), gradBias });
      expect(sameBits(await both.gradWeight.read(), await gradWeight.read())).toBe(true);
      expect(sameBits(await both.gradBias.read(), await gradBias.read())).toBe(true);
    });
  });

  it("has PyTorch's gradients", async () => {
    const of = (values: number[], shape = [values.length]) => tensorOf(device, values, shape, 'f64');
    const x = of([1, -2, 0.5, 3, 4, 0.25, -1, 0.5, 2, 2, 2, -3], [4, 3]);
    const grad = of([1, 0, 2, 0.5, -1, 1, 0, 3, -2, 1, 1, 1], [4, 3]);
    const weight = of([1, -0.5, 2]);
    const [out, gradX] = [1, 2].map(() => Tensor.zeros(device, [4, 3], { dtype: 'f64' }));
    const moments = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const [gradWeight, gradBias] = [of([1, 1, 1]), of([1, 1, 1])];
    ops.batchNorm(device, { x, weight, out: out!, moments });
    ops.batchNormBackward(device, { grad, x, weight, moments, gradX: gradX!, gradWeight, gradBias, betaBias: 1 });
    const near = async (tensor: Tensor, values: number[]) =>
      expectClose(await valuesOf(tensor), values, { dtype: 'f64', ulps: 8, magnitude: 1 });
    // torch 2.6: torch.nn.functional.batch_norm in training, eps 1e-5, f64, and backward(grad).
    await near(gradX!, [
      ...[0.2801075056107669, 0.31529524292961664, 1.9064392910457026, -0.2704478933673963, 0.26696041792783914],
      ...[0.6934848653434738, -0.18351988295585314, -0.4848413200269485, -1.7852763785317565, 0.1738602707124825],
      ...[-0.09741434083050718, -0.8146477778574202],
    ]);
    await near(gradWeight, [0.9296675552493846, -1.7692616069790654, -3.0851556254411716]);
    await near(gradBias, [3.5, 4, 3]);
  });

  it('keeps NaN to its column, and does not read where it adds nothing', async () => {
    const grad = tensorOf(device, [1, NaN, 2, 1], [2, 2]);
    const x = tensorOf(device, [1, 2, 3, 1], [2, 2]);
    const moments = tensorOf(device, [0, 0, 1, 1], [2, 2], 'f64');
    const gradX = Tensor.full(device, [2, 2], NaN);
    const gradBias = Tensor.full(device, [2], NaN);
    ops.batchNormBackward(device, { grad, x, moments, gradX, gradBias });
    expect([...(await valuesOf(gradX))]).toEqual([1 - 1.5 - 3.5, NaN, 2 - 1.5 - 3 * 3.5, NaN]);
    expect([...(await valuesOf(gradBias))]).toEqual([3, NaN]);
  });

  it.each(['f32', 'f64'] as const)('adds infinite terms in %s, which are NaN if they differ in sign', async (dtype) => {
    // Columns: an infinite gradient, element of x, mean, weight.
    const grad = tensorOf(device, [Infinity, 1, 1, 2, 1, 1, 1, 2], [2, 4], dtype);
    const x = tensorOf(device, [1, Infinity, 3, 1, -1, 1, 4, 3], [2, 4], dtype);
    const weight = tensorOf(device, [1, 1, 1, Infinity], [4], dtype);
    const moments = tensorOf(device, [0, 0, Infinity, 5, 1, 1, 1, 1], [2, 4], 'f64');
    const gradX = Tensor.zeros(device, [2, 4], { dtype });
    const [gradWeight, gradBias] = [1, 2].map(() => Tensor.zeros(device, [4], { dtype }));
    ops.batchNormBackward(device, { grad, x, weight, moments, gradX, gradWeight: gradWeight!, gradBias: gradBias! });
    expect([...(await valuesOf(gradX))]).toEqual([NaN, -Infinity, -Infinity, NaN, NaN, -Infinity, -Infinity, NaN]);
    expect([...(await valuesOf(gradWeight!))]).toEqual([Infinity, Infinity, -Infinity, -12]);
    expect([...(await valuesOf(gradBias!))]).toEqual([Infinity, 2, 2, 4]);
  });
});

const valid = (device: Device) => ({
  grad: Tensor.zeros(device, [2, 3]),
  x: Tensor.zeros(device, [2, 3]),
  weight: Tensor.zeros(device, [3]),
  moments: Tensor.zeros(device, [2, 3], { dtype: 'f64' }),
  gradX: Tensor.zeros(device, [2, 3]),
  gradWeight: Tensor.zeros(device, [3]),
  gradBias: Tensor.zeros(device, [3]),
});
describe.each(onlyCpu)('batchNormBackward', () => {
  refusesWrongFields('batchNormBackward', valid, ['weight', 'gradX', 'gradWeight', 'gradBias']);
  refuses('batchNormBackward', valid, (device) => {
    const op = 'batchNormBackward:';
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const turned = Tensor.zeros(device, [3, 2]);
    const [wide, two] = [Tensor.zeros(device, [3], { dtype: 'f64' }), Tensor.zeros(device, [2])];
    return [
      [{ grad: f64.cast('i32') }, 'ERR_DTYPE', `${op} grad must be floating, got i32[2, 3]`],
      [{ grad: Tensor.zeros(device, []) }, 'ERR_SHAPE', `${op} grad must have an axis, got f32[]`],
      [{ x: f64 }, 'ERR_DTYPE', `${op} x must have grad's dtype, got f64[2, 3]`],
      [{ x: turned }, 'ERR_SHAPE', `${op} x must have grad's shape, got f32[3, 2] for grad f32[2, 3]`],
      [{ moments: turned }, 'ERR_DTYPE', `${op} moments must be f64, got f32[3, 2]`],
      [{ moments: wide }, 'ERR_SHAPE', `${op} moments must be [2, C], got f64[3] for grad f32[2, 3]`],
      [
        { gradX: undefined, gradWeight: undefined, gradBias: undefined },
        'ERR_ARGUMENT',
        `${op} gradX is missing, gradWeight and gradBias`,
      ],
      [{ gradX: f64 }, 'ERR_DTYPE', `${op} gradX must have grad's dtype, got f64[2, 3]`],
      [{ gradX: turned }, 'ERR_SHAPE', `${op} gradX must have grad's shape, got f32[3, 2] for grad f32[2, 3]`],
      ...(['weight', 'gradWeight', 'gradBias'] as const).flatMap((field) => [
        [{ [field]: wide }, 'ERR_DTYPE', `${op} ${field} must have grad's dtype, got f64[3]`] as const,
        [
          { [field]: two },
          'ERR_SHAPE',
          `${op} ${field} must have one element a column of grad, got f32[2] for grad f32[2, 3]`,
        ] as const,
      ]),
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const [grad, x] = [1, 2].map((seed) => tensorOf(device, normal(5000 * 43, seed), [5000, 43]));
      const moments = Tensor.full(device, [2, 43], 1, { dtype: 'f64' });
      const gradWeight = Tensor.zeros(device, [43]);
      ops.batchNormBackward(device, { grad: grad!, x: x!, moments, gradX: grad!, gradWeight });
      return [grad!, gradWeight];
    }));
});
