// Devices: cpu, cuda
// Source: closed form "notes the squares that it is given, in the rows that it is given"
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

  it('notes the squares that it is given, in the rows that it is given', async () => {
    const device = Device.open(kind);
    const tensor = (values: number[]) => Tensor.from(device, new Float32Array(values), [values.length]);
    const statistics = Tensor.full(device, [3, 3], 7, { dtype: 'f64' });
    const fields = {
      weights: [tensor([1, 2]), tensor([3])],
      grads: [tensor([1, -2]), tensor([4])],
      gradSquares: Tensor.from(device, new Float64Array([11, 12]), [2]),
      statistics,
      lr: 0.5,
    };
    ops.applyUpdate(device, { ...fields, statisticsRows: [2, 0] });
    expect([...(await statistics.read())]).toEqual([12, 4, 0, 7, 7, 7, 11, 1.25, 0]);
    expect([...(await fields.weights[0]!.read())]).toEqual([0.5, 3]);

    const refusal = (more: object) => thrownBy(() => ops.applyUpdate(device, { ...fields, ...more })).message;
    const rows = 'applyUpdate: statisticsRows must be different rows of statistics, got';
    expect(refusal({ statisticsRows: [0, 3] })).toBe(`${rows} 3`);
    expect(refusal({ statisticsRows: [0, 0.5] })).toBe(`${rows} 0.5`);
    expect(refusal({ statisticsRows: [1, 1] })).toBe(`${rows} 1`);
    expect(refusal({ statisticsRows: [0, -1] })).toBe(`${rows} -1`);
    expect(refusal({ statisticsRows: [0, Number.NaN] })).toContain('statisticsRows must be');
    expect(refusal({ statisticsRows: [0] })).toContain('must be as many as weights, or none, got 1');
    expect(refusal({})).toContain('statistics must have three elements a weight');
    expect(refusal({ statisticsRows: [2, 0], gradSquares: Tensor.zeros(device, [3], { dtype: 'f64' }) })).toContain(
      'gradSquares must be f64 with one element a weight',
    );
    await device.close();
  });
});
