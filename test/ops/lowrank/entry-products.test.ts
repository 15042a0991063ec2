// Devices: cpu, cuda
// Source: closed form "of unit vectors tells where both are the same"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal, uniform } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf } from '../../support/tensors.ts';

const drawn = (count: number, below: number, seed: number): Int32Array => {
  const next = uniform(seed);
  return Int32Array.from({ length: count }, () => Math.floor(next() * below));
};

describe.each(devices)('entryProducts on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [0, 2],
      [1, 1],
      [31, 3],
      [4097, 16],
      [33, 597],
      [5, 0],
    ])('agrees with the reference: %i entries, width %i', (count, width) =>
      expectLikeReference(
        'entryProducts',
        device,
        (on) => ({
          rows: tensorOf(on, drawn(count, 31, 1), [count], 'i32'),
          columns: tensorOf(on, drawn(count, 43, 2), [count], 'i32'),
          x: tensorOf(on, normal(31 * width, 3), [31, width], dtype),
          y: tensorOf(on, normal(43 * width, 4), [43, width], dtype),
          out: Tensor.full(on, [count], NaN, { dtype }),
        }),
        { ulps: dtype === 'f32' ? 1 : 2 + width, of: 'largest' },
      ),
    );
  });

  it('of unit vectors tells where both are the same', async () => {
    const unit = tensorOf(device, [1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]);
    const out = Tensor.zeros(device, [4]);
    const [rows, columns] = [tensorOf(device, [0, 1, 2, 0], [4], 'i32'), tensorOf(device, [0, 2, 2, 1], [4], 'i32')];
    ops.entryProducts(device, { rows, columns, x: unit, y: unit, out });
    expect(await out.read()).toEqual(Float32Array.of(1, 0, 1, 0));
  });

  it('gives NaN for places that are not there, and reads nothing', async () => {
    const out = Tensor.zeros(device, [4]);
    const rows = tensorOf(device, [-1, 2, 0, 0], [4], 'i32');
    const columns = tensorOf(device, [0, 0, 2 ** 31 - 1, -(2 ** 31)], [4], 'i32');
    const x = tensorOf(device, [1, 2], [2, 1]);
    ops.entryProducts(device, { rows, columns, x, y: x, out });
    expect(await out.read()).toEqual(new Float32Array(4).fill(NaN));
  });
});

describe.each(onlyCpu)('entryProducts', () => {
  const i32 = { dtype: 'i32' } as const;
  const valid = (device: Device) => ({
    rows: Tensor.zeros(device, [4], i32),
    columns: Tensor.zeros(device, [4], i32),
    x: Tensor.zeros(device, [5, 2]),
    y: Tensor.zeros(device, [3, 2]),
    out: Tensor.zeros(device, [4]),
  });
  refusesWrongFields('entryProducts', valid);
  refuses('entryProducts', valid, (device) => [
    [
      { x: Tensor.zeros(device, [5, 2], { dtype: 'f16' }) },
      'ERR_DTYPE',
      'entryProducts: x must be f32 or f64, got f16[5, 2]',
    ],
    [{ x: Tensor.zeros(device, [5]) }, 'ERR_SHAPE', 'entryProducts: x must be a matrix, got f32[5]'],
    [
      { y: Tensor.zeros(device, [3, 2], { dtype: 'f64' }) },
      'ERR_DTYPE',
      'entryProducts: y must have the dtype of x, got f64[3, 2]',
    ],
    [
      { y: Tensor.zeros(device, [3, 1]) },
      'ERR_SHAPE',
      'entryProducts: y must be a matrix with as many columns as x, got f32[3, 1] for x f32[5, 2]',
    ],
    [
      { out: Tensor.zeros(device, [4], { dtype: 'f64' }) },
      'ERR_DTYPE',
      'entryProducts: out must have the dtype of x, got f64[4]',
    ],
    [{ out: Tensor.zeros(device, [4, 1]) }, 'ERR_SHAPE', 'entryProducts: out must be a vector, got f32[4, 1]'],
    [
      { rows: Tensor.zeros(device, [4]) },
      'ERR_DTYPE',
      'entryProducts: rows must be i32 with one element an element of out, got f32[4]',
    ],
    [
      { columns: Tensor.zeros(device, [3], i32) },
      'ERR_SHAPE',
      'entryProducts: columns must be i32 with one element an element of out, got i32[3] for 4',
    ],
  ]);

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const out = Tensor.zeros(device, [5000]);
      ops.entryProducts(device, {
        rows: tensorOf(device, drawn(5000, 31, 1), [5000], 'i32'),
        columns: tensorOf(device, drawn(5000, 43, 2), [5000], 'i32'),
        x: tensorOf(device, normal(31 * 16, 3), [31, 16]),
        y: tensorOf(device, normal(43 * 16, 4), [43, 16]),
        out,
      });
      return [out];
    }));
});
