// Devices: cpu, cuda
// Source: values "Lion" in test/optimizers/check-values.test.ts
import { describe, expect, it } from 'vitest';
import { Device, ops } from '../../../lib/index.ts';
import { lion } from '../../reference/lion.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf } from '../../support/tensors.ts';

const method: Method = { op: 'lion', reference: each(lion), options: { lr: 0.01 }, states: { momenta: 'like' } };
describeStep(method);
describeStep({ ...method, options: { lr: 0.01, beta1: 0.5, beta2: 0 } });

describeCheckValues(method, [
  {
    name: 'lr 1e-4, decay .01',
    options: { lr: 1e-4, weightDecay: 0.01 },
    wide: [0.4899318191, 0.0933559048, 0.0007477299],
  },
]);

describe.each(devices)('lion on %s', (kind) => {
  it('moves nothing for 0, and passes on NaN', async () => {
    const device = Device.open(kind);
    const weights = [tensorOf(device, [1, 1, 1, 1])];
    const grads = [tensorOf(device, [0, -0, NaN, Infinity])];
    const momenta = [tensorOf(device, [0, 0, 0, 0])];
    ops.lion(device, { weights, grads, momenta, lr: 0.5 });
    expect(await weights[0]!.read()).toEqual(Float32Array.from([1, 1, NaN, 0.5]));
    await device.close();
  });
});
