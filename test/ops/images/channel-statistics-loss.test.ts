// Devices: cpu, cuda
// Source: property "has the gradient of differences"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal, sizeOf } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('channelStatisticsLoss on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(floatingDtypes)('agrees with the reference in %s', async (dtype) => {
    const own = dtype === 'f64' ? 'f64' : 'f32';
    for (const shape of [
      [3, 5, 4, 7],
      [4097, 3],
      [31, 33],
      [1, 1],
    ]) {
      // biome-ignore format: one line
      const channels = shape.at(-1)!;
      const fields = (on: Device) => ({
        x: tensorOf(on, normal(sizeOf(shape), 1), shape, dtype),
        mean: tensorOf(on, normal(channels, 2), [channels], own),
        variance: tensorOf(on, normal(channels, 3).map(Math.abs), [channels], own),
        loss: Tensor.full(on, [1], NaN, { dtype: 'f64' }),
        gradX: Tensor.full(on, shape, NaN, { dtype }),
        weight: 0.25,
      });
      const ulps = dtype === 'f64' ? 200 : 1;
      await expectLikeReference('channelStatisticsLoss', device, fields, { loss: { ulps: 200 }, gradX: { ulps, of: 'largest' } }); // biome-ignore format: one line
    }
  });

  const lossOf = async (x: ArrayLike<number>, mean: number[], variance: number[], withGrad = false) => {
    const channels = mean.length;
    const f64 = (values: ArrayLike<number>, shape: number[]) => tensorOf(device, values, shape, 'f64');
    const loss = Tensor.zeros(device, [1], { dtype: 'f64' });
    const all = f64(x, [x.length / channels, channels]);
    const gradX = Tensor.zeros(device, all.shape, { dtype: 'f64' });
    ops.channelStatisticsLoss(device, { x: all, mean: f64(mean, [channels]), variance: f64(variance, [channels]), loss, ...(withGrad && { gradX }) }); // biome-ignore format: one line
    return { loss: (await loss.read())[0]!, grad: await valuesOf(gradX) };
  };

  it('has the gradient of differences', async () => {
    const x = normal(12, 4);
    const [mean, variance] = [[0.3, -0.2, 0.1], [0.5, 1.5, 1]]; // biome-ignore format: one line
    const { grad } = await lossOf(x, mean, variance, true);
    const at = async (i: number, by: number) => (await lossOf(x.map((v, j) => (i === j ? v + by : v)), mean, variance)).loss; // biome-ignore format: one line
    for (let i = 0; i < 12; ++i) {
      const slope = ((await at(i, 1e-5)) - (await at(i, -1e-5))) / 2e-5;
      expect(Math.abs(slope - grad[i]!)).toBeLessThan(1e-9);
    }
  });

  it('has no gradient where both agree', async () => {
    const { loss, grad } = await lossOf([1, 3, 1, 3], [2], [1], true);
    expect([loss, ...grad]).toEqual([0, 0, 0, 0, 0]);
    expect((await lossOf([1e8, 1e8 + 2], [1e8 + 1], [0])).loss).toBe(1);
    expect((await lossOf([1, NaN], [0], [1])).loss).toBe(NaN);
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 3]),
  mean: Tensor.zeros(device, [3]),
  variance: Tensor.zeros(device, [3]),
  loss: Tensor.zeros(device, [1], { dtype: 'f64' }),
  gradX: Tensor.zeros(device, [2, 3]),
});
describe.each(onlyCpu)('channelStatisticsLoss', () => {
  refusesWrongFields('channelStatisticsLoss', valid, ['gradX']);
  refuses('channelStatisticsLoss', valid, (device) => {
    const f64 = Tensor.zeros(device, [3], { dtype: 'f64' });
    return [
      [{ x: Tensor.zeros(device, [2, 3], { dtype: 'i32' }) }, 'ERR_DTYPE', 'channelStatisticsLoss: x must be floating, got i32[2, 3]'],
      [{ x: Tensor.zeros(device, [3]) }, 'ERR_SHAPE', 'channelStatisticsLoss: x must have channels behind another axis, and elements, got f32[3]'],
      [{ mean: f64 }, 'ERR_DTYPE', 'channelStatisticsLoss: mean and variance must be f64 where x is, else f32, got f64[3]'],
      [{ variance: Tensor.zeros(device, [2]) }, 'ERR_SHAPE', 'channelStatisticsLoss: mean and variance must have one element a channel of x, got f32[2] for x f32[2, 3]'],
      [{ loss: Tensor.zeros(device, [1]) }, 'ERR_DTYPE', 'channelStatisticsLoss: loss must be f64[1], got f32[1]'],
      [{ gradX: Tensor.zeros(device, [2, 3], { dtype: 'f64' }) }, 'ERR_DTYPE', "channelStatisticsLoss: gradX must have x's dtype, got f64[2, 3]"],
      [{ gradX: Tensor.zeros(device, [3, 2]) }, 'ERR_SHAPE', "channelStatisticsLoss: gradX must have x's shape, got f32[3, 2] for x f32[2, 3]"],
      [{ weight: NaN }, 'ERR_ARGUMENT', 'channelStatisticsLoss: weight must be finite, got nan'],
    ]; // biome-ignore format: a line each
  });
  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const fields = { ...valid(device), x: tensorOf(device, normal(60_000, 1), [20_000, 3]), gradX: Tensor.zeros(device, [20_000, 3]) }; // biome-ignore format: one line
      ops.channelStatisticsLoss(device, fields);
      return [fields.loss, fields.gradX];
    }));
});
