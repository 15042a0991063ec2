// Devices: cpu
import { expect, it } from 'vitest';
import { philox } from '../../lib/core/philox.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { partialUniformTimesteps } from '../../lib/quantized/index.ts';
import { thrownBy } from '../support/tensors.ts';

it('draws the words that the operation draws', async () => {
  await using device = Device.open('cpu');
  for (const seed of [0, 7, 2 ** 32 + 5, 2 ** 53 - 1]) {
    const x = Tensor.zeros(device, [8], { dtype: 'i32' });
    ops.random(device, { x: [x], seed, distribution: 'bits', stream: 3, offset: 4 * (2 ** 33 + 1) });
    const words = [...philox(seed, 3, 2 ** 33 + 1), ...philox(seed, 3, 2 ** 33 + 2)].map((word) => word | 0);
    expect([...(await x.read())]).toEqual(words);
  }
});

it('has the words of Random123 for the key and the counter 0', () => {
  expect(philox(0, 0, 0)).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
});

it('is uniform over [500, 900)', () => {
  const n = 1e5;
  const steps = partialUniformTimesteps(n, { seed: 3 });
  expect(steps).toBeInstanceOf(Uint32Array);
  const counts = new Float64Array(400);
  for (const t of steps) counts[t - 500]! += 1;
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(n);
  const expected = n / 400;
  const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  expect(chi).toBeLessThan(491.2); // χ² of 399 degrees, p = 0.001
  const mean = steps.reduce((sum, t) => sum + t, 0) / n;
  const deviation = Math.sqrt(steps.reduce((sum, t) => sum + (t - mean) ** 2, 0) / n);
  expect(Math.abs(deviation - Math.sqrt((400 ** 2 - 1) / 12))).toBeLessThan(1);
});

it('depends on the seed alone, a longer draw begins like a shorter one, and one value is a range', () => {
  expect(partialUniformTimesteps(5, { seed: 4 })).toEqual(partialUniformTimesteps(9, { seed: 4 }).subarray(0, 5));
  expect(partialUniformTimesteps(9, { seed: 4 })).not.toEqual(partialUniformTimesteps(9, { seed: 5 }));
  expect([...partialUniformTimesteps(3, { low: 7, high: 8, seed: 0 })]).toEqual([7, 7, 7]);
  expect(partialUniformTimesteps(0, { seed: 0 }).length).toBe(0);
});

it('refuses what does not fit', () => {
  for (const n of [-1, 0.5, NaN, 2 ** 32]) expect(thrownBy(() => partialUniformTimesteps(n, { seed: 1 })).code).toBe('ERR_ARGUMENT'); // biome-ignore format: one line
  for (const options of [{ low: 5, high: 5, seed: 1 }, { low: -1, seed: 1 }, { seed: 0.5 }, {}])
    expect(thrownBy(() => partialUniformTimesteps(1, options as { seed: number })).code).toBe('ERR_ARGUMENT');
});
