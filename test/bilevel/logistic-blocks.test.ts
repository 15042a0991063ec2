// Devices: cpu
// Values: penalties of logistic regressions that are best for other samples, by search over exact solutions.
import { afterAll, describe, expect, it } from 'vitest';
import { MultiBlockBilevel } from '../../lib/bilevel/index.ts';
import { Device, type Tensor } from '../../lib/index.ts';
import { onlyCpu } from '../support/devices.ts';
import { count, logisticBlocks, optimum, weightsOf } from './logistic-blocks.ts';

const read = async (x: Tensor) => [...(await x.read())].map(Number);

describe.each(onlyCpu)('MultiBlockBilevel of lower problems that are not quadratic, on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(['v1', 'v2'] as const)('%s finds the penalties that a search over exact solutions finds', async (variant) => {
    const best = optimum();
    for (const [blocksPerStep, steps, most] of [
      [count, variant === 'v1' ? 200 : 350, 1e-4],
      [3, 150, 0.05],
    ] as const) {
      // biome-ignore format: one line
      const blocks = logisticBlocks(device);
      const rates = { alpha: 0.5, beta: 0.5, lr: 4, lowerLr: 0.2 };
      using method = new MultiBlockBilevel(blocks, { variant, blocksPerStep, ...rates, seed: 1 });
      const far = async () => Math.max(...(await read(blocks.x)).map((x, i) => Math.abs(x - best[i]!)));
      expect(await far()).toBeGreaterThan(0.3);
      for (let t = 0; t < steps; ++t) {
        // Of some of the blocks steps wander unless they get shorter.
        if (blocksPerStep < count) method.lr = rates.lr / (1 + t / 25);
        await method.step();
      }
      expect(await far()).toBeLessThan(most);
      using present = await method.presentY();
      const [x, y] = [await read(blocks.x), await read(present)];
      for (let i = 0; i < count; ++i)
        for (const [k, weight] of weightsOf(i, x[i % 2]!).entries())
          expect(Math.abs(y[3 * i + k]! - weight)).toBeLessThan(most);
    }
  });
});
