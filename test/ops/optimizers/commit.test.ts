// Devices: cpu, cuda
// Source: property "leaves the state alone where a guard holds"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('commit on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each<[Dtype, 'f32' | 'f64']>([
    ['f32', 'f32'],
    ['bf16', 'f32'],
    ['f16', 'f64'],
    ['f64', 'f64'],
    ['f32', 'f64'],
  ])('state in %s, of %s', async (dtype, from) => {
    const sizes = [1, 0, 33, 4097, 16390];
    const fields = (on: Device) => ({
      state: sizes.map((size) => Tensor.full(on, [size], NaN, { dtype })),
      x: sizes.map((size, i) => tensorOf(on, normal(size, i), [size], from)),
    });
    await expectLikeReference('commit', device, fields, { ulps: 0.5 });
  });

  it('leaves the state alone where a guard holds', async () => {
    const [state, x] = [tensorOf(device, [1, 2, 3, 4], [2, 2]), tensorOf(device, [5, 6, 7, 8], [4])];
    const guard = tensorOf(device, [2], [1], 'f64');
    ops.commit(device, { state: [state], x: [x], guard });
    expect([...(await valuesOf(state))]).toEqual([1, 2, 3, 4]);
    guard.write([0]);
    ops.commit(device, { state: [state], x: [x], guard });
    expect([...(await valuesOf(state))]).toEqual([5, 6, 7, 8]);
  });

  it('refuses what does not fit', () => {
    const zeros = (size: number, dtype: Dtype = 'f32') => Tensor.zeros(device, [size], { dtype });
    const code = (fields: { state: Tensor[]; x: Tensor[]; guard?: Tensor }) =>
      thrownBy(() => ops.commit(device, fields)).code;
    expect(code({ state: [zeros(2)], x: [] })).toBe('ERR_ARGUMENT');
    expect(code({ state: [zeros(2)], x: [zeros(3)] })).toBe('ERR_SHAPE');
    expect(code({ state: [zeros(2, 'i32')], x: [zeros(2)] })).toBe('ERR_DTYPE');
    expect(code({ state: [zeros(2)], x: [zeros(2)], guard: zeros(1) })).toBe('ERR_DTYPE');
  });
});
