// Devices: cpu, cuda
// Source: values "has PyTorch's values, of the batch and of running moments"
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

describe.each(devices)('batchNorm on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(floatingDtypes)('in %s', (dtype) => {
    it.each(matrixShapes)('agrees with the reference on %i rows of %i columns, in place too', async (rows, columns) => {
      const is16 = dtype === 'f16' || dtype === 'bf16';
      // Means far from 0, which the deviations must not feel, in f32, whose sums have digits for both.
      const shift = dtype === 'f32' ? 100 : 0;
      const x = (on: Device) =>
        tensorOf(
          on,
          normal(rows * columns, 1).map((v) => 3 * v + shift),
          [rows, columns],
          dtype,
        );
      const row = (on: Device, seed: number) => tensorOf(on, normal(columns, seed), [columns], dtype);
      const running = (on: Device, seed: number) =>
        tensorOf(
          on,
          normal(columns, seed).map((v) => v * v),
          [columns],
          is16 ? 'f32' : dtype,
        );
      const out = (on: Device) => Tensor.full(on, [rows, columns], NaN, { dtype });
      // Terms cancel where the bias is near; in f64 so does the mean of two numbers that are √eps apart.
      const ulps = is16 ? 1 : dtype === 'f32' ? 5 : 400 + Math.sqrt(rows);
      const bound = { ulps, of: 'largest' } as const;
      const moments = (on: Device) => Tensor.zeros(on, [2, columns], { dtype: 'f64' });
      const wide = { ulps: 2 ** 12, of: 'largest' } as const;
      const bounds = { out: bound, moments: wide, mean: wide, variance: wide };
      await expectLikeReference(
        'batchNorm',
        device,
        (on) => ({ x: x(on), out: out(on), moments: moments(on), eps: 0.5 }),
        bounds,
      );
      const all = (on: Device) => ({
        ...{ x: x(on), weight: row(on, 2), bias: row(on, 3), out: out(on) },
        ...{ mean: running(on, 4), variance: running(on, 5) },
      });
      const own = dtype === 'f64' ? wide : { ulps: 2, of: 'largest' as const };
      if (rows > 1)
        await expectLikeReference('batchNorm', device, (on) => ({ ...all(on), momentum: 0.25 }), {
          ...bounds,
          mean: own,
          variance: own,
        });
      await expectLikeReference('batchNorm', device, (on) => ({ ...all(on), using: 'running' as const }), {
        ...bounds,
        mean: { ulps: 0 },
        variance: { ulps: 0 },
      });

      const { mean: _m, variance: _v, ...fields } = all(device);
      ops.batchNorm(device, fields);
      ops.batchNorm(device, { ...fields, out: fields.x });
      expect(sameBits(await fields.x.read(), await fields.out.read())).toBe(true);
    });
  });

  it("has PyTorch's values, of the batch and of running moments", async () => {
    const of = (values: number[], shape = [values.length]) => tensorOf(device, values, shape, 'f64');
    const x = of([1, -2, 0.5, 3, 4, 0.25, -1, 0.5, 2, 2, 2, -3], [2, 2, 3]);
    const [weight, bias, mean, variance] = [of([1, -0.5, 2]), of([0.5, 0, -1]), of([0, 1, 2]), of([1, 2, 3])];
    const out = Tensor.zeros(device, [2, 2, 3], { dtype: 'f64' });
    ops.batchNorm(device, { x, weight, bias, mean, variance, out });
    const near = async (tensor: Tensor, values: number[]) =>
      expectClose(await valuesOf(tensor), values, { dtype: 'f64', ulps: 8, magnitude: 1 });
    // torch 2.6: torch.nn.functional.batch_norm(x, mean, variance, weight, bias, training, 0.1, 1e-5), f64.
    await near(out, [
      ...[0.3309695354092028, 0.7134119382980103, -0.3829688749117657, 1.6832132521355805, -0.6563389832341695],
      ...[-0.6572049305065365, -1.0212741813171748, 0.14268238765960206, 1.2624474586568593, 1.0070913937723915],
      ...[-0.19975534272344286, -4.222273653238557],
    ]);
    await near(mean, [0.125, 1.0125, 1.79375]);
    await near(variance, [1.1916666666666667, 2.439583333333333, 3.143229166666667]);
    ops.batchNorm(device, { x, weight, bias, mean, variance, out, using: 'running' });
    await near(out, [
      ...[1.3015467085991153, 0.9643581185199108, -2.4594581455061753, 3.133653471111379, -0.9563551465819864],
      ...[-2.741479043188528, -0.5305600539131483, 0.1640609247274537, -0.7673327594120591, 2.2176000898552473],
      ...[-0.3161173915480206, -6.407750713059112],
    ]);
  });

  it('makes columns of equal elements the bias, and keeps NaN and infinities to their columns', async () => {
    const x = tensorOf(device, [5, 0, NaN, 1, -Infinity, 1e30, 5, 0, 1, Infinity, Infinity, -1e30], [2, 6]);
    const bias = tensorOf(device, [7, 8, 7, 8, 7, 0]);
    ops.batchNorm(device, { x, bias, out: x });
    const values = await valuesOf(x);
    expect([...values.subarray(0, 5), ...values.subarray(6, 11)]).toEqual([7, 8, NaN, NaN, NaN, 7, 8, NaN, NaN, NaN]);
    expect(values[5]).toBeCloseTo(1, 6);
    expect(values[11]).toBeCloseTo(-1, 6);
  });

  it.each(['f32', 'f64'] as const)('of a column of %s with an infinity in any row makes all NaN', async (dtype) => {
    const columns = [
      [Infinity, 1, 2],
      [1, 2, Infinity],
      [1, -Infinity, NaN],
      [-Infinity, 1, Infinity],
    ];
    const rows = [0, 1, 2].flatMap((i) => columns.map((column) => column[i]!));
    const x = tensorOf(device, rows, [3, 4], dtype);
    const [mean, variance] = [1, 2].map((value) => Tensor.full(device, [4], value, { dtype }));
    const moments = Tensor.zeros(device, [2, 4], { dtype: 'f64' });
    ops.batchNorm(device, { x, out: x, mean: mean!, variance: variance!, moments });
    for (const tensor of [x, mean!, variance!, moments])
      expect([...(await valuesOf(tensor))]).toEqual(Array(tensor.size).fill(NaN));
  });

  it('has the infinities of its formula where running moments, weights or biases are infinite', async () => {
    const of = (values: number[]) => tensorOf(device, values, [values.length], 'f64');
    const [mean, variance] = [of([Infinity, 0, 1, 0, 1]), of([1, Infinity, 1, 1, 1])];
    const [weight, bias] = [of([-1, 1, Infinity, 1, Infinity]), of([0, 3, 0, -Infinity, -Infinity])];
    const x = tensorOf(device, [1, 2, 3, 4, 5, 1, 2, -3, 4, -5], [2, 5], 'f64');
    ops.batchNorm(device, { x, weight, bias, mean, variance, out: x, using: 'running' });
    const first = [Infinity, 3, Infinity, -Infinity, NaN];
    expect([...(await valuesOf(x))]).toEqual([...first, Infinity, 3, -Infinity, -Infinity, -Infinity]);
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 3]),
  weight: Tensor.zeros(device, [3]),
  bias: Tensor.zeros(device, [3]),
  mean: Tensor.zeros(device, [3]),
  variance: Tensor.zeros(device, [3]),
  out: Tensor.zeros(device, [2, 3]),
  moments: Tensor.zeros(device, [2, 3], { dtype: 'f64' }),
});
describe.each(onlyCpu)('batchNorm', () => {
  refusesWrongFields('batchNorm', valid, ['weight', 'bias', 'mean', 'variance', 'moments']);
  refuses('batchNorm', valid, (device) => {
    const op = 'batchNorm:';
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const [wide, two] = [Tensor.zeros(device, [3], { dtype: 'f64' }), Tensor.zeros(device, [2])];
    const using = 'running';
    return [
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', `${op} x must be floating, got i32[2, 3]`],
      [{ x: Tensor.zeros(device, []) }, 'ERR_SHAPE', `${op} x must have an axis, got f32[]`],
      [{ out: f64 }, 'ERR_DTYPE', `${op} out must have x's dtype, got f64[2, 3]`],
      [{ out: Tensor.zeros(device, [6]) }, 'ERR_SHAPE', `${op} out must have x's shape, got f32[6] for x f32[2, 3]`],
      ...(['weight', 'bias', 'mean', 'variance'] as const).flatMap((field) => [
        [
          { [field]: wide },
          'ERR_DTYPE',
          field === 'weight' || field === 'bias'
            ? `${op} ${field} must have x's dtype, got f64[3]`
            : `${op} ${field} must be f32, f64 where x is, got f64[3]`,
        ] as const,
        [
          { [field]: two },
          'ERR_SHAPE',
          `${op} ${field} must have one element a column of x, got f32[2] for x f32[2, 3]`,
        ] as const,
      ]),
      [{ using, mean: undefined }, 'ERR_ARGUMENT', `${op} mean is missing for running moments`],
      [{ using, variance: undefined }, 'ERR_ARGUMENT', `${op} variance is missing for running moments`],
      [{ using }, 'ERR_ARGUMENT', `${op} moments must come with those of the batch, got f64[2, 3]`],
      [
        { x: Tensor.zeros(device, [1, 3]), out: Tensor.zeros(device, [1, 3]) },
        'ERR_SHAPE',
        `${op} x must have two rows or more, of which a variance is, got f32[1, 3]`,
      ],
      [{ moments: Tensor.zeros(device, [2, 3]) }, 'ERR_DTYPE', `${op} moments must be f64, got f32[2, 3]`],
      [{ moments: wide }, 'ERR_SHAPE', `${op} moments must be [2, C], got f64[3] for x f32[2, 3]`],
      [{ eps: 0 }, 'ERR_ARGUMENT', `${op} eps must be positive, got 0`],
      [{ momentum: 1.5 }, 'ERR_ARGUMENT', `${op} momentum must be in [0, 1], got 1.5`],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(5000 * 43, 1), [5000, 43]);
      const [mean, variance] = [1, 2].map(() => Tensor.zeros(device, [43]));
      ops.batchNorm(device, { x, out: x, mean: mean!, variance: variance! });
      return [x, mean!, variance!];
    }));
});
