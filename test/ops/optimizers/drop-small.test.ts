// Devices: cpu, cuda
// Source: closed form "drops what is small beside the norm of its column, and that alone"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const fieldsOf = (shape: [number, number, number], dtype: 'f32' | 'f64') => {
  const [batch, rows, columns] = shape;
  return (on: Device) => ({
    x: tensorOf(on, normal(batch * rows * columns, 1), shape, dtype),
    norms: tensorOf(on, normal(batch * columns, 2).map((x) => 3 * Math.abs(x)), [batch, columns], 'f64'), // biome-ignore format: one line
    out: Tensor.full(on, shape, NaN, { dtype }),
    least: 0.25,
  });
};

describe.each(devices)('drop_small on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each<[[number, number, number], 'f32' | 'f64']>([
    [[3, 33, 31], 'f32'],
    [[1, 597, 4], 'f64'],
    [[2, 1, 1], 'f32'],
    [[2, 0, 3], 'f32'],
    [[2, 3, 0], 'f64'],
  ])('of %j in %s', (...given) => expectLikeReference('dropSmall', device, fieldsOf(...given), { ulps: 0.5 }));

  it('drops what is small beside the norm of its column, and that alone', async () => {
    const x = tensorOf(device, [1, 1, 1, 1e-200, NaN, 0.5, 1, 1, -1e-300, Infinity], [1, 2, 5], 'f64');
    const norms = tensorOf(device, [1, Infinity, NaN, 0, 4], [1, 5], 'f64');
    ops.dropSmall(device, { x, norms, out: x, least: 0.5 });
    expect([...(await valuesOf(x))]).toEqual([1, 1, 1, 1e-200, NaN, 0, 1, 1, -1e-300, Infinity]);
  });

  it('tells sizes whose squares f64 does not hold', async () => {
    for (const size of [1e-300, 1e-160, 1e160, 1e300]) {
      const x = tensorOf(device, [0.4 * size, 0.6 * size], [1, 1, 2], 'f64');
      ops.dropSmall(device, { x, norms: tensorOf(device, [size, size], [1, 2], 'f64'), out: x, least: 0.5 });
      expect([...(await valuesOf(x))]).toEqual([0, 0.6 * size]);
    }
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.dropSmall(device, { ...fieldsOf([2, 3, 4], 'f32')(device), ...more })).code;
    expect(code({ x: Tensor.zeros(device, [3, 4]) })).toBe('ERR_SHAPE');
    expect(code({ x: Tensor.zeros(device, [2, 3, 4], { dtype: 'bf16' }) })).toBe('ERR_DTYPE');
    expect(code({ norms: Tensor.zeros(device, [2, 3], { dtype: 'f64' }) })).toBe('ERR_SHAPE');
    expect(code({ norms: Tensor.zeros(device, [2, 4]) })).toBe('ERR_DTYPE');
    expect(code({ out: Tensor.zeros(device, [2, 3, 4], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(code({ out: Tensor.zeros(device, [2, 4, 3]) })).toBe('ERR_SHAPE');
    for (const least of [-1, 1]) expect(code({ least })).toBe('ERR_ARGUMENT');
  });
});
