// Devices: cpu, cuda
// Source: property "puts slices where they are told, and zeros elsewhere"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

type Shape = [batch: number, rows: number, columns: number];
const fieldsOf = ([batch, rows, columns]: Shape, taken: number, axis: 'rows' | 'columns', dtype: 'f32' | 'f64') => {
  const count = axis === 'rows' ? rows : columns;
  const shape = axis === 'rows' ? [batch, taken, columns] : [batch, rows, taken];
  return (on: Device) => ({
    x: tensorOf(on, normal(shape[0]! * shape[1]! * shape[2]!, 1), shape, dtype),
    places: Tensor.from(
      on,
      Int32Array.from({ length: batch * count }, (_, i) => (i % (taken + 2)) - 1),
      [batch, count],
    ),
    out: Tensor.full(on, [batch, rows, columns], NaN, { dtype }),
    axis,
  });
};

describe.each(devices)('place_slices on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each<[Shape, number, 'rows' | 'columns', 'f32' | 'f64']>([
    [[2, 33, 31], 9, 'rows', 'f32'],
    [[3, 31, 32], 7, 'columns', 'f64'],
    [[1, 4, 5], 0, 'columns', 'f32'],
    [[0, 4, 5], 2, 'rows', 'f32'],
  ])('of %j, %i %s in %s', (...given) => expectLikeReference('placeSlices', device, fieldsOf(...given), { ulps: 0.5 }));

  it('puts slices where they are told, and zeros elsewhere', async () => {
    const places = Tensor.from(device, Int32Array.from([-1, 1, 0, 2, 1 << 30]), [1, 5]);
    const out = Tensor.full(device, [1, 1, 5], NaN);
    ops.placeSlices(device, { x: tensorOf(device, [3, 4], [1, 1, 2]), places, out, axis: 'columns' });
    expect([...(await valuesOf(out))]).toEqual([0, 4, 3, 0, 0]);
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.placeSlices(device, { ...fieldsOf([2, 3, 4], 2, 'rows', 'f32')(device), ...more })).code;
    expect(code({ x: Tensor.zeros(device, [2, 2, 3]) })).toBe('ERR_SHAPE');
    expect(code({ out: Tensor.zeros(device, [2, 3, 4], { dtype: 'i32' }) })).toBe('ERR_DTYPE');
    expect(code({ places: Tensor.zeros(device, [2, 4], { dtype: 'i32' }) })).toBe('ERR_SHAPE');
    expect(code({ places: Tensor.zeros(device, [2, 3]) })).toBe('ERR_DTYPE');
  });
});
