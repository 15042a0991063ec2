// Devices: cpu, cuda
// Source: closed form "of the identity gives the dense matrix, and by order its transpose"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { sparseLines } from '../../support/entries.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('combineEntries on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [0, 3, 2, 2],
      [1, 1, 1, 1],
      [33, 31, 9, 3],
      [97, 43, 43, 16],
      [5, 7, 7, 1029],
    ])(
      'agrees with the reference: %i rows over %i columns, up to %i entries, width %i',
      async (rows, columns, most, width) => {
        // biome-ignore format: one line
        const lines = sparseLines(rows, columns, most, rows + width);
        const order = Array.from({ length: lines.size }, (_, e) => lines.size - 1 - e);
        for (const isOrdered of [false, true])
          await expectLikeReference(
            'combineEntries',
            device,
            (on) => ({
              ...lines.on(on),
              values: tensorOf(on, normal(lines.size, 1), [lines.size], dtype),
              ...(isOrdered && { order: tensorOf(on, order, [lines.size], 'i32') }),
              x: tensorOf(on, normal(columns * width, 2), [columns, width], dtype),
              out: Tensor.full(on, [rows, width], NaN, { dtype }),
            }),
            { ulps: dtype === 'f32' ? 1 : 64, of: 'largest' },
          );
      },
    );
  });

  it('of the identity gives the dense matrix, and by order its transpose', async () => {
    const identity = (n: number) => tensorOf(device, [1, 0, 0, 0, 1, 0, 0, 0, 1].slice(0, n * 3), [n, 3]);
    const values = tensorOf(device, [5, 6, 7, 8], [4]);
    const dense = Tensor.zeros(device, [2, 3]);
    // 5 0 6
    // 0 7 8
    ops.combineEntries(device, {
      starts: tensorOf(device, [0, 2, 4], [3], 'i32'),
      columns: tensorOf(device, [0, 2, 1, 2], [4], 'i32'),
      values,
      x: identity(3),
      out: dense,
    });
    expect(Array.from(await valuesOf(dense))).toEqual([5, 0, 6, 0, 7, 8]);
    const transposed = Tensor.zeros(device, [3, 3]);
    ops.combineEntries(device, {
      starts: tensorOf(device, [0, 1, 2, 4], [4], 'i32'),
      columns: tensorOf(device, [0, 1, 0, 1], [4], 'i32'),
      order: tensorOf(device, [0, 2, 1, 3], [4], 'i32'),
      values,
      x: identity(2),
      out: transposed,
    });
    expect(Array.from(await valuesOf(transposed))).toEqual([5, 0, 0, 0, 7, 0, 6, 8, 0]);
  });

  it('passes over columns and places that are not there, and gives NaN to rows that are no range', async () => {
    const out = Tensor.zeros(device, [3, 1]);
    ops.combineEntries(device, {
      starts: tensorOf(device, [0, 4, 2, 5], [4], 'i32'),
      columns: tensorOf(device, [-1, 0, 0, 2 ** 31 - 1], [4], 'i32'),
      order: tensorOf(device, [0, 9, 1, -1], [4], 'i32'),
      values: tensorOf(device, [NaN, 3, 1, NaN], [4]),
      x: tensorOf(device, [2], [1, 1]),
      out,
    });
    expect(await out.read()).toEqual(Float32Array.of(6, NaN, NaN));
  });
});

describe.each(onlyCpu)('combineEntries', () => {
  const i32 = { dtype: 'i32' } as const;
  const valid = (device: Device) => ({
    starts: Tensor.zeros(device, [4], i32),
    columns: Tensor.zeros(device, [6], i32),
    values: Tensor.zeros(device, [6]),
    order: Tensor.zeros(device, [6], i32),
    x: Tensor.zeros(device, [5, 2]),
    out: Tensor.zeros(device, [3, 2]),
  });
  refusesWrongFields('combineEntries', valid, ['order']);
  refuses('combineEntries', valid, (device) => [
    [
      { x: Tensor.zeros(device, [5, 2], { dtype: 'f16' }) },
      'ERR_DTYPE',
      'combineEntries: x must be f32 or f64, got f16[5, 2]',
    ],
    [{ x: Tensor.zeros(device, [5]) }, 'ERR_SHAPE', 'combineEntries: x must be a matrix, got f32[5]'],
    [
      { out: Tensor.zeros(device, [3, 2], { dtype: 'f64' }) },
      'ERR_DTYPE',
      'combineEntries: out must have the dtype of x, got f64[3, 2]',
    ],
    [
      { out: Tensor.zeros(device, [3]) },
      'ERR_SHAPE',
      'combineEntries: out must be a matrix with as many columns as x, got f32[3] for x f32[5, 2]',
    ],
    [
      { values: Tensor.zeros(device, [6], { dtype: 'f64' }) },
      'ERR_DTYPE',
      'combineEntries: values must have the dtype of x, got f64[6]',
    ],
    [
      { values: Tensor.zeros(device, [5]) },
      'ERR_SHAPE',
      'combineEntries: values must have the shape of columns, got f32[5] for columns i32[6]',
    ],
    [{ order: Tensor.zeros(device, [6]) }, 'ERR_DTYPE', 'combineEntries: order must be i32, got f32[6]'],
    [
      { order: Tensor.zeros(device, [5], i32) },
      'ERR_SHAPE',
      'combineEntries: order must have the shape of columns, got i32[5] for columns i32[6]',
    ],
  ]);

  it('gives the same bits on any number of threads', () => {
    const lines = sparseLines(3000, 97, 20, 1);
    return expectSameBits((device) => {
      const out = Tensor.zeros(device, [3000, 9]);
      ops.combineEntries(device, {
        ...lines.on(device),
        values: tensorOf(device, normal(lines.size, 1), [lines.size]),
        x: tensorOf(device, normal(97 * 9, 2), [97, 9]),
        out,
      });
      return [out];
    });
  });
});
