// Devices: cpu, cuda
// Source: property "is the adjoint of the derivative of pool2d, which follows"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { windowsOf } from '../../reference/pool2d.ts';
import { normal, sizeOf } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { poolForms as forms } from '../../support/pool-forms.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

/** Numbers of elements in windows of so many. */
const placesOf = (size: number, window: number) => Float64Array.from({ length: size }, (_, i) => (i * 7) % window);

describe.each(devices)('pool2dBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(floatingDtypes)('agrees with the reference in %s, and adds', async (dtype) => {
    for (const [shape, size, stride] of forms)
      for (const beta of [0, 1, -0.5]) {
        const { shape: results } = windowsOf(shape, size, stride);
        const count = sizeOf(results);
        const fields = (on: Device) => ({
          grad: tensorOf(on, normal(count, 1), results, dtype),
          gradX:
            beta === 0 ? Tensor.full(on, shape, NaN, { dtype }) : tensorOf(on, normal(sizeOf(shape), 2), shape, dtype),
          ...{ size, stride, beta },
        });
        const places = (on: Device) => tensorOf(on, placesOf(count, size * size), results, size > 16 ? 'i32' : 'u8');
        const bound = { ulps: dtype === 'f32' || dtype === 'f64' ? 4 : 1, of: 'largest' } as const;
        await expectLikeReference('pool2dBackward', device, (on) => ({ ...fields(on), places: places(on) }), bound);
        await expectLikeReference('pool2dBackward', device, (on) => ({ ...fields(on), kind: 'average' }), bound);
      }
  });

  it('is the adjoint of the derivative of pool2d, which follows', async () => {
    const [shape, results, size, stride] = [[2, 8, 11, 5], [2, 3, 5, 5], 3, 2] as const;
    const of = (seed: number, to: readonly number[]) => tensorOf(device, normal(sizeOf(to), seed), to, 'f64');
    const [x, direction, grad] = [of(1, shape), of(2, shape), of(3, results)];
    const inner = async (a: Tensor, b: Tensor) => {
      const [left, right] = [await valuesOf(a), await valuesOf(b)];
      return left.reduce((sum, value, i) => sum + value * right[i]!, 0);
    };
    const [along, gradX] = [of(4, results), of(5, shape)];
    const places = Tensor.zeros(device, results, { dtype: 'u8' });
    ops.pool2d(device, { x, follows: direction, out: along, places, size, stride });
    ops.pool2dBackward(device, { grad, places, gradX, size, stride });
    expect(await inner(direction, gradX)).toBeCloseTo(await inner(along, grad), 10);
    ops.pool2d(device, { x: direction, out: along, size, stride, kind: 'average' });
    ops.pool2dBackward(device, { grad, gradX, size, stride, kind: 'average' });
    expect(await inner(direction, gradX)).toBeCloseTo(await inner(along, grad), 10);
  });

  it('keeps NaN and infinities where they belong, and writes zeros elsewhere', async () => {
    const grad = tensorOf(device, [NaN, 1, Infinity, 2], [1, 2, 2, 1]);
    const places = tensorOf(device, [0, 3, 1, 2], [1, 2, 2, 1], 'u8');
    const gradX = Tensor.full(device, [1, 5, 5, 1], NaN);
    ops.pool2dBackward(device, { grad, places, gradX, size: 2 });
    const rows = [
      [NaN, 0, 0, 0, 0],
      [0, 0, 0, 1, 0],
      [0, Infinity, 0, 0, 0],
      [0, 0, 2, 0, 0],
      [0, 0, 0, 0, 0],
    ];
    expect([...(await valuesOf(gradX))]).toEqual(rows.flat());
  });
});

const valid = (device: Device) => ({
  grad: Tensor.zeros(device, [1, 2, 2, 3]),
  places: Tensor.zeros(device, [1, 2, 2, 3], { dtype: 'u8' }),
  gradX: Tensor.zeros(device, [1, 5, 4, 3]),
  size: 2,
});
describe.each(onlyCpu)('pool2dBackward', () => {
  refusesWrongFields('pool2dBackward', valid, ['places']);
  refuses('pool2dBackward', valid, (device) => {
    const op = 'pool2dBackward:';
    const [wide, flat] = [Tensor.zeros(device, [1, 5, 4, 3], { dtype: 'f64' }), Tensor.zeros(device, [5, 4, 3])];
    return [
      [{ grad: wide.cast('i32') }, 'ERR_DTYPE', `${op} grad must be floating, got i32[1, 5, 4, 3]`],
      [{ gradX: wide }, 'ERR_DTYPE', `${op} gradX must have grad's dtype, got f64[1, 5, 4, 3]`],
      [{ gradX: flat }, 'ERR_SHAPE', `${op} gradX must be images [N, H, W, C], got f32[5, 4, 3]`],
      [{ size: 0 }, 'ERR_ARGUMENT', `${op} size must be positive, got 0`],
      [{ stride: -1 }, 'ERR_ARGUMENT', `${op} stride must be from 0 to 2^31 - 1, got -1`],
      [{ size: 5 }, 'ERR_SHAPE', `${op} gradX must have at least size rows and columns, got f32[1, 5, 4, 3]`],
      [
        { stride: 1 },
        'ERR_SHAPE',
        `${op} grad must be [N, rows, columns, C] of the windows, got f32[1, 2, 2, 3] for gradX f32[1, 5, 4, 3]`,
      ],
      [{ places: undefined }, 'ERR_ARGUMENT', `${op} places is missing for kind max`],
      [{ kind: 'average' }, 'ERR_ARGUMENT', `${op} places must come with kind max, got u8[1, 2, 2, 3]`],
      [
        { places: Tensor.zeros(device, [1, 2, 2, 3], { dtype: 'i32' }) },
        'ERR_DTYPE',
        `${op} places must be u8, i32 for sizes above 16, got i32[1, 2, 2, 3]`,
      ],
      [
        { places: Tensor.zeros(device, [1, 2, 2, 2], { dtype: 'u8' }) },
        'ERR_SHAPE',
        `${op} places must have grad's shape, got u8[1, 2, 2, 2] for grad f32[1, 2, 2, 3]`,
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const grad = tensorOf(device, normal(40 * 5 * 5 * 5, 1), [40, 5, 5, 5]);
      const gradX = Tensor.zeros(device, [40, 12, 12, 5]);
      ops.pool2dBackward(device, { grad, gradX, size: 3, stride: 2, kind: 'average' });
      return [gradX];
    }));
});
