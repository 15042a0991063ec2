// Devices: cpu, cuda
// The moments of what initLogNormal draws, against those that its options say.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, EG, initLogNormal, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { thrownBy, valuesOf } from '../support/tensors.ts';
import { bits } from './classes.ts';

const mean = (x: Float64Array): number => x.reduce((sum, value) => sum + value, 0) / x.length;
const deviationOf = (x: Float64Array): number => {
  const middle = mean(x);
  return Math.sqrt(mean(x.map((value) => (value - middle) ** 2)));
};

describe.each(devices)('initLogNormal on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    [{}, [200, 150], 1, 150, 1.5],
    [{ gain: 2, ratio: 0.8, seed: 5 }, [20, 3, 3, 150], 2, 1350, 0.8],
    [{ fan: 7, seed: 2 }, [27_000], 1, 7, 1.5],
  ] as const)(
    '%j: sizes have the mean and the deviation, and signs are even',
    async (options, shape, gain, fan, ratio) => {
      const weight = Tensor.zeros(device, shape, { dtype: 'f64' });
      initLogNormal(weight, options);
      const values = await valuesOf(weight);
      const sizes = values.map(Math.abs);
      const wanted = gain / Math.sqrt(fan * (1 + ratio ** 2));
      // Five standard errors of 27,000 numbers and more, wider for the tail of a small ratio.
      expect(Math.abs(mean(sizes) / (ratio * wanted) - 1)).toBeLessThan(0.03 / ratio);
      expect(Math.abs(deviationOf(sizes) / wanted - 1)).toBeLessThan(0.12 / ratio);
      expect(Math.abs(mean(values.map((x) => x * x)) / (gain ** 2 / fan) - 1)).toBeLessThan(0.15 / ratio);
      expect(Math.abs(mean(values.map(Math.sign)))).toBeLessThan(5 / Math.sqrt(values.length));
      // Logarithms are normal: of three moments the third is 0, and the fourth three squares of the second.
      const logs = sizes.map(Math.log);
      const [middle, spread] = [mean(logs), deviationOf(logs)];
      expect(Math.abs(spread ** 2 / Math.log(1 + ratio ** -2) - 1)).toBeLessThan(0.05);
      expect(Math.abs(mean(logs.map((x) => ((x - middle) / spread) ** 3)))).toBeLessThan(0.08);
      expect(Math.abs(mean(logs.map((x) => ((x - middle) / spread) ** 4)) / 3 - 1)).toBeLessThan(0.08);
    },
  );

  it('draws by the seed, in f32 too, and EG keeps the signs', async () => {
    const draw = (seed: number, dtype: 'f32' | 'f64' = 'f32') => {
      const weight = Tensor.zeros(device, [4, 5], { dtype });
      initLogNormal(weight, { seed });
      return weight;
    };
    const [a, b, c, wide] = [draw(1), draw(1), draw(2), draw(1, 'f64')];
    expect(await bits([a])).toEqual(await bits([b]));
    expect(await bits([a])).not.toEqual(await bits([c]));
    expect((await valuesOf(a)).map(Math.sign)).toEqual((await valuesOf(wide)).map(Math.sign));
    const before = await valuesOf(a);
    new EG([a]).step([c]);
    expect((await valuesOf(a)).map(Math.sign)).toEqual(before.map(Math.sign));
    for (const shape of [[], [0], [3, 0]]) initLogNormal(Tensor.zeros(device, shape));
  });

  it('refuses what it cannot draw', () => {
    const weight = Tensor.zeros(device, [2, 2]);
    for (const options of [
      { gain: 0 },
      { fan: 0 },
      { ratio: -1 },
      { ratio: 1e-3 },
      { ratio: 1e160 },
      { seed: 0.5 },
      { mean: 1 },
    ])
      expect(thrownBy(() => initLogNormal(weight, options as never)).code).toBe('ERR_ARGUMENT');
    expect(thrownBy(() => initLogNormal(Tensor.zeros(device, [2], { dtype: 'bf16' }))).code).toBe('ERR_DTYPE');
  });
});
