// Devices: cpu
// Jobs are refused by what they take, and no others.
import { describe, expect, it } from 'vitest';
import { Cnn } from '../../../examples/digits/cnn.mjs';
import { memoryOf, tooLarge } from '../../../examples/training-server/work/memory.mjs';
import { AdamW, Device, Tensor } from '../../../lib/index.ts';
import * as nn from '../../../lib/nn/index.ts';
import { onlyCpu } from '../../support/devices.ts';
import { settledMemory } from '../../support/settled.ts';

describe.each(onlyCpu)('the memory of a training job on %s', (kind) => {
  // The widest layer is the first, the second, the last.
  it.each([[[8, 8, 8]], [[1, 24, 1]], [[1, 1, 48]]])(
    'of a cnn of %j is what it takes, or up to twice',
    async (channels) => {
      const [batch, classes] = [256, 10];
      const device = Device.open(kind);
      try {
        const model = new Cnn(nn.init(device, { seed: 1 }), { channels, classes });
        const [images, labels] = [
          Tensor.zeros(device, [batch, 28, 28, 1]),
          Tensor.zeros(device, [batch], { dtype: 'i32' }),
        ];
        using step = nn.valueAndGrad((m: nn.Traced<Cnn>, x: Tensor, y: Tensor) => nn.crossEntropy(m.forward(x), y));
        using classify = nn.forward((m: Cnn, x: Tensor) => m.forward(x));
        const optimizer = new AdamW(nn.select(model, '**'), { lr: 1e-3 });
        optimizer.step(step(model, images, labels).grads);
        await classify(model, images).read();
        const { bytes: taken } = await settledMemory(device);
        const bound = memoryOf('cnn', { channels, batch }, { classes });
        expect(taken).toBeLessThan(bound);
        expect(bound).toBeLessThan(2 * taken);
      } finally {
        await device.close();
      }
    },
  );

  it('lets a cnn pass whose values fit, and none that must not', () => {
    const most = 2 ** 31;
    const job = { channels: [64, 128, 256], batch: 384 };
    expect(tooLarge('cnn', job, most)).toBeUndefined();
    // Results of the first convolution, of its norm and of ReLU take 2.47 GB of f32.
    expect(tooLarge('cnn', { ...job, batch: 4096 }, most)).toContain('must need at most 2048 MB');
  });
});
