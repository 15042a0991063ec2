// Devices: cpu, cuda
// Source: values "AdamW" in test/optimizers/check-values.test.ts
import { describe, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { adamw } from '../../reference/adamw.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { expectClose, expectSame } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

const method: Method = {
  op: 'adamw',
  reference: each(adamw),
  options: { lr: 0.01, eps: 1e-8 },
  states: { momenta: 'like', roots: 'like' },
  counts: true,
};
describeStep(method);
describeStep({ ...method, options: { lr: 0.01, beta1: 0, beta2: 0, eps: 1e-3 } });

describeCheckValues(method, [
  {
    name: 'lr 1e-3, decay .01',
    options: { lr: 1e-3, weightDecay: 0.01 },
    wide: [0.4875617434, 0.0942958191, 0.0087326165],
  },
]);

describe.each(devices)('adamw on %s', (kind) => {
  it.each(['f32', 'f64'] as const)(
    'without a share of the past, beta2 0, forgets it however large, in %s',
    async (dtype) => {
      const device = Device.open(kind);
      const [large, small] = dtype === 'f32' ? [1e10, 1e-13] : [1e100, 1e-100];
      const weights = [tensorOf(device, new Float64Array(40).fill(1), [40], dtype)];
      const [momenta, roots] = [0, 0].map(() => [Tensor.zeros(device, [40], { dtype })]) as [Tensor[], Tensor[]];
      const steps = [Tensor.zeros(device, [1], { dtype: 'i32' })];
      for (const size of [large, small, -large, small]) {
        const grads = [tensorOf(device, new Float64Array(40).fill(size), [40], dtype)];
        ops.adamw(device, { weights, grads, momenta, roots, steps, lr: 0.125, beta1: 0, beta2: 0, eps: 0 });
        const root = Math.abs(size);
        expectClose(await valuesOf(roots[0]!), new Float64Array(40).fill(root), { dtype, ulps: 1 });
      }
      // Each step is of a sign.
      expectClose(await valuesOf(weights[0]!), new Float64Array(40).fill(0.75), { dtype, ulps: 4 });
      await device.close();
    },
  );

  it('gives the same bits for gradients times 2^-90, 1 and 2^100 without eps', async () => {
    const device = Device.open(kind);
    const weightsFor = async (scale: number) => {
      const [weights, momenta, roots] = [0, 0, 0].map(() => [Tensor.zeros(device, [1000])]) as [
        Tensor[],
        Tensor[],
        Tensor[],
      ];
      const steps = [Tensor.zeros(device, [1], { dtype: 'i32' })];
      for (let t = 0; t < 3; t++) {
        const grads = [
          tensorOf(
            device,
            Float32Array.from(normal(1000, t)).map((x) => x * scale),
          ),
        ];
        ops.adamw(device, { weights, grads, momenta, roots, steps, lr: 0.01, eps: 0 });
      }
      return weights[0]!.read();
    };
    const plain = await weightsFor(1);
    expectSame(await weightsFor(2 ** 100), plain);
    expectSame(await weightsFor(2 ** -90), plain);
    await device.close();
  });
});
