// Devices: cpu, cuda
import { describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { applyUpdate } from '../../reference/apply-update.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { thrownBy } from '../../support/tensors.ts';

const scales = [1, 0.5, -2, 3, 0.25];
const method: Method = {
  op: 'applyUpdate',
  reference: each((p, state, options: { lr: number }, i) => applyUpdate(p, state, { ...options, scale: scales[i]! })),
  options: { lr: 0.1, scales },
  states: {},
  shapes: [[33, 31], [31], [], [0], [40, 421]],
};
describeStep(method);
describeStep({ ...method, reference: each(applyUpdate), options: { lr: 0.1 } });

describe.each(devices)('apply_update on %s', (kind) => {
  it('refuses l2 decay and another number of scales', async () => {
    const device = Device.open(kind);
    const fields = { weights: [Tensor.zeros(device, [2])], grads: [Tensor.zeros(device, [2])] };
    const code = (more: object) => thrownBy(() => ops.applyUpdate(device, { ...fields, ...more })).code;
    expect(code({ weightDecay: 0.1, weightDecayMode: 'l2' })).toBe('ERR_ARGUMENT');
    expect(code({ scales: [1, 2] })).toBe('ERR_ARGUMENT');
    await device.close();
  });
});
