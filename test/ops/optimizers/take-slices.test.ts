// Devices: cpu, cuda
// Source: property "takes the slices of the largest scores, the first of equal ones, in their order"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

type Shape = [batch: number, rows: number, columns: number];
const fieldsOf = ([batch, rows, columns]: Shape, taken: number, axis: 'rows' | 'columns', dtype: 'f32' | 'f64') => {
  const count = axis === 'rows' ? rows : columns;
  return (on: Device) => ({
    x: tensorOf(on, normal(batch * rows * columns, 1), [batch, rows, columns], dtype),
    scores: tensorOf(on, normal(batch * count, 2).map((x) => Math.round(4 * x)), [batch, count], 'f64'), // biome-ignore format: one line
    places: Tensor.full(on, [batch, count], -7, { dtype: 'i32' }),
    out: Tensor.full(on, axis === 'rows' ? [batch, taken, columns] : [batch, rows, taken], NaN, { dtype }),
    decay: 0.5,
    axis,
  });
};

describe.each(devices)('take_slices on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each<[Shape, number, 'rows' | 'columns', 'f32' | 'f64']>([
    [[2, 33, 31], 9, 'rows', 'f32'],
    [[1, 597, 4], 300, 'rows', 'f64'],
    [[3, 31, 33], 32, 'columns', 'f32'],
    [[1, 1, 1], 1, 'columns', 'f64'],
    [[2, 5, 6], 0, 'rows', 'f32'],
    [[0, 5, 6], 2, 'rows', 'f32'],
    [[2, 0, 6], 2, 'columns', 'f32'],
  ])('of %j takes %i %s in %s', (...given) =>
    expectLikeReference('takeSlices', device, fieldsOf(...given), { ulps: 0.5 }),
  );

  it('takes the slices of the largest scores, the first of equal ones, in their order', async () => {
    const x = tensorOf(device, [1, 2, 3, 4, 5, 6, 7, 8], [1, 4, 2], 'f64');
    const scores = tensorOf(device, [1, NaN, 1, 0.5], [1, 4], 'f64');
    const places = Tensor.zeros(device, [1, 4], { dtype: 'i32' });
    const out = Tensor.zeros(device, [1, 2, 2], { dtype: 'f64' });
    ops.takeSlices(device, { x, scores, places, out, decay: 0.5 });
    expect([...(await places.read())]).toEqual([0, 1, -1, -1]);
    expect([...(await valuesOf(out))]).toEqual([1, 2, 3, 4]);
    expect([...(await valuesOf(x))]).toEqual([0.5, 1, 1.5, 2, 5, 6, 7, 8]);
    const back = Tensor.full(device, [1, 4, 2], NaN, { dtype: 'f64' });
    ops.placeSlices(device, { x: out, places, out: back });
    expect([...(await valuesOf(back))]).toEqual([1, 2, 3, 4, 0, 0, 0, 0]);
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.takeSlices(device, { ...fieldsOf([2, 3, 4], 2, 'rows', 'f32')(device), ...more })).code;
    const zeros = (shape: number[], dtype: 'f32' | 'f64' | 'i32' = 'f32') => Tensor.zeros(device, shape, { dtype });
    expect(code({ x: zeros([3, 4]) })).toBe('ERR_SHAPE');
    expect(code({ out: zeros([2, 4, 4]) })).toBe('ERR_SHAPE');
    expect(code({ out: zeros([2, 2, 4], 'f64') })).toBe('ERR_SHAPE');
    expect(code({ x: zeros([2, 3, 4], 'i32') })).toBe('ERR_DTYPE');
    expect(code({ scores: zeros([2, 4], 'f64') })).toBe('ERR_SHAPE');
    expect(code({ scores: zeros([2, 3]) })).toBe('ERR_DTYPE');
    expect(code({ places: zeros([2, 3]) })).toBe('ERR_DTYPE');
    expect(code({ decay: 2 })).toBe('ERR_ARGUMENT');
  });
});
