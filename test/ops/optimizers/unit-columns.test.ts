// Devices: cpu, cuda
// Source: closed form "columns end with norm 1, or 0"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const fieldsOf = (shape: [number, number, number], dtype: 'f32' | 'f64', eps = 0.25) => {
  const [batch, rows, columns] = shape;
  return (on: Device) => ({
    x: tensorOf(on, normal(batch * rows * columns, 1), shape, dtype),
    squares: tensorOf(on, normal(batch * columns, 2).map((x) => x * x), [batch, columns], 'f64'), // biome-ignore format: one line
    out: Tensor.full(on, shape, NaN, { dtype }),
    ...{ eps, least: 0.125 },
  });
};

describe.each(devices)('unit_columns on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each<[[number, number, number], 'f32' | 'f64']>([
    [[3, 33, 31], 'f32'],
    [[1, 597, 4], 'f64'],
    [[2, 1, 1], 'f32'],
    [[2, 0, 3], 'f32'],
    [[2, 3, 0], 'f64'],
  ])('of %j in %s', (...given) => expectLikeReference('unitColumns', device, fieldsOf(...given), { ulps: 2 }));

  it('columns end with norm 1, or 0', async () => {
    const x = tensorOf(device, [3, 0, 3e-30, 4, 0, 4e-30], [1, 2, 3], 'f64');
    const squares = tensorOf(device, [25, 0, 25e-60], [1, 3], 'f64');
    ops.unitColumns(device, { x, squares, out: x });
    const got = await valuesOf(x);
    for (const [i, value] of [0.6, 0, 0.6, 0.8, 0, 0.8].entries()) expect(got[i]).toBeCloseTo(value, 14);
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.unitColumns(device, { ...fieldsOf([2, 3, 4], 'f32')(device), ...more })).code;
    expect(code({ x: Tensor.zeros(device, [3, 4]) })).toBe('ERR_SHAPE');
    expect(code({ x: Tensor.zeros(device, [2, 3, 4], { dtype: 'bf16' }) })).toBe('ERR_DTYPE');
    expect(code({ squares: Tensor.zeros(device, [2, 3], { dtype: 'f64' }) })).toBe('ERR_SHAPE');
    expect(code({ squares: Tensor.zeros(device, [2, 4]) })).toBe('ERR_DTYPE');
    expect(code({ out: Tensor.zeros(device, [2, 3, 4], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(code({ out: Tensor.zeros(device, [2, 4, 3]) })).toBe('ERR_SHAPE');
    expect(code({ eps: -1 })).toBe('ERR_ARGUMENT');
    expect(code({ least: 1 })).toBe('ERR_ARGUMENT');
  });
});
