// Devices: cpu, cuda
// Source: closed form "takes the first of equal elements, the last NaN, and the largest of what is negative"
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

describe.each(devices)('pool2d on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(floatingDtypes)('agrees with the reference in %s, and along another tensor', async (dtype) => {
    for (const [shape, size, stride] of forms) {
      const of = (on: Device, seed: number) => tensorOf(on, normal(sizeOf(shape), seed), shape, dtype);
      const result = (on: Device, kind = dtype as 'u8' | 'i32' | typeof dtype) =>
        Tensor.zeros(on, windowsOf(shape, size, stride).shape, { dtype: kind });
      const places = size > 16 ? 'i32' : 'u8';
      const max = (on: Device) => ({ x: of(on, 1), out: result(on), size, stride });
      await expectLikeReference('pool2d', device, (on) => ({ ...max(on), places: result(on, places) }), { ulps: 0 });
      await expectLikeReference('pool2d', device, (on) => ({ ...max(on), follows: of(on, 2) }), { ulps: 0 });
      const ulps = dtype === 'f32' || dtype === 'f64' ? size : 1;
      await expectLikeReference('pool2d', device, (on) => ({ ...max(on), kind: 'average' as const }), {
        ulps,
        of: 'largest',
      });
    }
  });

  it('takes the first of equal elements, the last NaN, and the largest of what is negative', async () => {
    const window = [
      [[1, 1, 1, 1], 1, 0],
      [[0, 2, 2, 1], 2, 1],
      [[-0, 0, -1, 0], -0, 0],
      [[NaN, 5, NaN, Infinity], NaN, 2],
      [[-5, -3, -4, -Infinity], -3, 1],
      [Array(4).fill(-Infinity), -Infinity, 0],
    ] as const;
    const channels = window.length;
    const x = tensorOf(
      device,
      [0, 1, 2, 3].flatMap((k) => window.map(([values]) => values[k]!)),
      [1, 2, 2, channels],
    );
    const out = Tensor.full(device, [1, 1, 1, channels], 7);
    const places = Tensor.full(device, [1, 1, 1, channels], 9, { dtype: 'u8' });
    ops.pool2d(device, { x, out, places, size: 2 });
    expect([...(await valuesOf(out))]).toEqual(window.map(([, largest]) => largest));
    expect([...(await valuesOf(places))]).toEqual(window.map(([, , place]) => place));
    ops.pool2d(device, { x, out, size: 2, kind: 'average' });
    expect([...(await valuesOf(out))]).toEqual([1, 1.25, -0.25, NaN, -Infinity, -Infinity]);
  });

  it('takes the elements of another tensor at the same places', async () => {
    const follows = tensorOf(device, normal(3 * 9 * 7 * 5, 2), [3, 9, 7, 5], 'f64');
    const x = tensorOf(device, normal(3 * 9 * 7 * 5, 1), [3, 9, 7, 5], 'f64');
    const { shape, windows } = windowsOf([3, 9, 7, 5], 3, 2);
    const [out, places] = [Tensor.zeros(device, shape, { dtype: 'f64' }), Tensor.zeros(device, shape, { dtype: 'u8' })];
    ops.pool2d(device, { x, follows, out, places, size: 3, stride: 2 });
    const [values, at] = [await follows.read(), await places.read()];
    expect([...(await out.read())]).toEqual(windows.map((window, i) => values[window[at[i]!]!]));
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [1, 5, 4, 3]),
  follows: Tensor.zeros(device, [1, 5, 4, 3]),
  out: Tensor.zeros(device, [1, 2, 2, 3]),
  places: Tensor.zeros(device, [1, 2, 2, 3], { dtype: 'u8' }),
  size: 2,
});
describe.each(onlyCpu)('pool2d', () => {
  refusesWrongFields('pool2d', valid, ['follows', 'places']);
  refuses('pool2d', valid, (device) => {
    const wide = Tensor.zeros(device, [1, 5, 4, 3], { dtype: 'f64' });
    const [flat, x17] = [Tensor.zeros(device, [5, 4, 3]), Tensor.zeros(device, [1, 17, 17, 3])];
    return [
      [{ x: wide.cast('i32') }, 'ERR_DTYPE', 'pool2d: x must be floating, got i32[1, 5, 4, 3]'],
      [{ x: flat }, 'ERR_SHAPE', 'pool2d: x must be images [N, H, W, C], got f32[5, 4, 3]'],
      [{ size: 0 }, 'ERR_ARGUMENT', 'pool2d: size must be positive, got 0'],
      [{ stride: -1 }, 'ERR_ARGUMENT', 'pool2d: stride must be from 0 to 2^31 - 1, got -1'],
      [{ size: 5 }, 'ERR_SHAPE', 'pool2d: x must have at least size rows and columns, got f32[1, 5, 4, 3]'],
      [
        { out: Tensor.zeros(device, [1, 2, 2, 3], { dtype: 'f64' }) },
        'ERR_DTYPE',
        "pool2d: out must have x's dtype, got f64[1, 2, 2, 3]",
      ],
      [
        { stride: 1 },
        'ERR_SHAPE',
        'pool2d: out must be [N, rows, columns, C] of the windows, got f32[1, 2, 2, 3] for x f32[1, 5, 4, 3]',
      ],
      [
        { kind: 'average', places: undefined },
        'ERR_ARGUMENT',
        'pool2d: follows must come with kind max, got f32[1, 5, 4, 3]',
      ],
      [{ follows: wide }, 'ERR_DTYPE', "pool2d: follows must have x's dtype, got f64[1, 5, 4, 3]"],
      [
        { follows: x17 },
        'ERR_SHAPE',
        "pool2d: follows must have x's shape, got f32[1, 17, 17, 3] for x f32[1, 5, 4, 3]",
      ],
      [
        { kind: 'average', follows: undefined },
        'ERR_ARGUMENT',
        'pool2d: places must come with kind max, got u8[1, 2, 2, 3]',
      ],
      [
        { places: Tensor.zeros(device, [1, 2, 2, 3], { dtype: 'i32' }) },
        'ERR_DTYPE',
        'pool2d: places must be u8, i32 for sizes above 16, got i32[1, 2, 2, 3]',
      ],
      [
        {
          x: x17,
          follows: undefined,
          size: 17,
          out: Tensor.zeros(device, [1, 1, 1, 3]),
          places: Tensor.zeros(device, [1, 1, 1, 3], { dtype: 'u8' }),
        },
        'ERR_DTYPE',
        'pool2d: places must be u8, i32 for sizes above 16, got u8[1, 1, 1, 3]',
      ],
      [
        { places: Tensor.zeros(device, [1, 2, 2, 2], { dtype: 'u8' }) },
        'ERR_SHAPE',
        "pool2d: places must have out's shape, got u8[1, 2, 2, 2] for out f32[1, 2, 2, 3]",
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(40 * 12 * 12 * 5, 1), [40, 12, 12, 5]);
      const [largest, means] = [1, 2].map(() => Tensor.zeros(device, [40, 5, 5, 5]));
      ops.pool2d(device, { x, out: largest!, size: 3, stride: 2 });
      ops.pool2d(device, { x, out: means!, size: 3, stride: 2, kind: 'average' });
      return [largest!, means!];
    }));
});
