// Devices: cpu, cuda
// Source: values "AdaGrad" in test/optimizers/check-values.test.ts
import { describe, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { adagrad } from '../../reference/adagrad.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { expectSame } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf } from '../../support/tensors.ts';

const method: Method = {
  op: 'adagrad',
  reference: each(adagrad),
  options: { lr: 0.1, eps: 1e-10 },
  states: { roots: 'like' },
  counts: true,
};
describeStep(method);
describeStep({ ...method, options: { lr: 0.1, eps: 1e-3, lrDecay: 0.5 } });

describeCheckValues(method, [
  { name: 'lr .01', options: { lr: 0.01 }, wide: [0.4782445086, 0.1020771112, 0.0585003872] },
]);

describe.each(devices)('adagrad on %s', (kind) => {
  it('gives the same bits for gradients times 2^-90, 1 and 2^100 without eps', async () => {
    const device = Device.open(kind);
    const weightsFor = async (scale: number) => {
      const [weights, roots] = [0, 0].map(() => [Tensor.zeros(device, [1000])]) as [Tensor[], Tensor[]];
      const steps = [Tensor.zeros(device, [1], { dtype: 'i32' })];
      for (let t = 0; t < 3; t++) {
        const grads = [
          tensorOf(
            device,
            Float32Array.from(normal(1000, t)).map((x) => x * scale),
          ),
        ];
        ops.adagrad(device, { weights, grads, roots, steps, lr: 0.01, eps: 0 });
      }
      return weights[0]!.read();
    };
    const plain = await weightsFor(1);
    expectSame(await weightsFor(2 ** 100), plain);
    expectSame(await weightsFor(2 ** -90), plain);
    await device.close();
  });
});
