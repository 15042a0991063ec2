// Devices: cpu, cuda
// Source: property "adds what random draws, however lists are split"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refusesWrongFields } from '../../support/refusals.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

type Dtype = (typeof floatingDtypes)[number];
const fieldsOf =
  (sizes: readonly number[], dtype: Dtype = 'f32', more: object = {}) =>
  (on: Device) => ({
    x: sizes.map((n, i) => tensorOf(on, normal(n, i + 1), [n], dtype)),
    out: sizes.map((n) => Tensor.full(on, [n], NaN, { dtype })),
    factors: [0.5, -0.25],
    seed: 7,
    ...more,
  });

describe.each(devices)('axpy_random on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(floatingDtypes)('is like the reference in %s', async (dtype) => {
    for (const distribution of ['normal', 'rademacher'])
      for (const sizes of [[1], [31, 0, 32, 33], [4097]])
        await expectLikeReference(
          'axpyRandom',
          device,
          fieldsOf(sizes, dtype, { distribution, offset: 3, stream: 2 }),
          {
            ulps: 2,
            of: 'largest',
          },
        );
  });

  it('adds what random draws, however lists are split', async () => {
    const { x } = fieldsOf([50, 47])(device);
    const whole = fieldsOf([97])(device);
    const values = [...(await valuesOf(x[0]!)), ...(await valuesOf(x[1]!))];
    whole.x[0]!.write(Float32Array.from(values));
    const out = [Tensor.zeros(device, [50]), Tensor.zeros(device, [47])];
    ops.axpyRandom(device, { x, out, factors: [0.5, -0.25], seed: 7 });
    ops.axpyRandom(device, whole);
    const got = [...(await valuesOf(out[0]!)), ...(await valuesOf(out[1]!))];
    expect([...(await valuesOf(whole.out[0]!))]).toEqual(got);
    const z = [0, 1].map(() => Tensor.zeros(device, [97]));
    for (const [stream, one] of z.entries()) ops.random(device, { x: [one], seed: 7, stream, distribution: 'normal' });
    const [first, second] = [await valuesOf(z[0]!), await valuesOf(z[1]!)];
    for (const [i, value] of values.entries())
      expect(got[i]).toBe(Math.fround(value + 0.5 * first[i]! - 0.25 * second[i]!));
  });

  it('writes in place, and counts what the floor has raised', async () => {
    const fields = fieldsOf([20000, 33])(device);
    const floored = tensorOf(device, [5], [1], 'f64');
    ops.axpyRandom(device, fields);
    const free = [...(await valuesOf(fields.out[0]!)), ...(await valuesOf(fields.out[1]!))];
    ops.axpyRandom(device, { ...fields, out: fields.x, least: 0.25, floored });
    const held = [...(await valuesOf(fields.x[0]!)), ...(await valuesOf(fields.x[1]!))];
    expect(held).toEqual(free.map((value) => Math.max(value, 0.25)));
    expect(await valuesOf(floored)).toEqual(Float64Array.of(5 + free.filter((value) => value < 0.25).length));
    const odd = Tensor.from(device, Float32Array.of(NaN, 1), [2]);
    ops.axpyRandom(device, { x: [odd], out: [odd], factors: [], seed: 1, least: 2 });
    expect([...(await valuesOf(odd))]).toEqual([NaN, 2]);
  });

  it('refuses what does not fit', () => {
    const code = (more: object) => thrownBy(() => ops.axpyRandom(device, { ...fieldsOf([3])(device), ...more })).code;
    expect(code({ distribution: 'uniform' })).toBe('ERR_ARGUMENT');
    expect(code({ seed: -1 })).toBe('ERR_ARGUMENT');
    expect(code({ out: [] })).toBe('ERR_SHAPE');
    expect(code({ out: [Tensor.zeros(device, [4])] })).toBe('ERR_SHAPE');
    expect(code({ out: [Tensor.zeros(device, [3], { dtype: 'f64' })] })).toBe('ERR_DTYPE');
    expect(code({ x: [Tensor.zeros(device, [3], { dtype: 'i32' })] })).toBe('ERR_DTYPE');
    expect(code({ floored: Tensor.zeros(device, [1]) })).toBe('ERR_DTYPE');
  });
});

describe.each(onlyCpu)('axpy_random', () => {
  // A list of numbers that is left out is an empty one.
  refusesWrongFields('axpyRandom', (on) => {
    const { x, out } = fieldsOf([3])(on);
    return { x, out };
  });
});
