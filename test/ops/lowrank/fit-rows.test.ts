// Devices: cpu, cuda
// Source: property "leaves residuals that are orthogonal to the rows of x, but for the ridge"
// Source: closed form "gives the mean of the values where x is a column of ones"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { sparseLines } from '../../support/entries.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('fitRows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [1, 1, 1, 1],
      [0, 3, 3, 2],
      [33, 31, 5, 3],
      [31, 97, 96, 17],
      [7, 200, 200, 33],
      [2, 130, 130, 80],
    ])(
      'agrees with the reference: %i rows over %i columns, up to %i entries, width %i',
      async (rows, columns, most, width) => {
        // biome-ignore format: one line
        const lines = sparseLines(rows, columns, most, rows + width);
        for (const isShifted of [false, true])
          await expectLikeReference(
            'fitRows',
            device,
            (on) => ({
              ...lines.on(on),
              values: tensorOf(on, normal(lines.size, 1), [lines.size], dtype),
              x: tensorOf(on, normal(columns * width, 2), [columns, width], dtype),
              ...(isShifted && { shift: tensorOf(on, normal(columns, 3), [columns], dtype) }),
              out: Tensor.full(on, [rows, width], NaN, { dtype }),
              squares: Tensor.full(on, [rows], NaN, { dtype: 'f64' }),
              singular: Tensor.full(on, [rows], 7, { dtype: 'i32' }),
              ridge: 0.5,
            }),
            { out: { ulps: 64, of: 'largest' }, squares: { ulps: dtype === 'f32' ? 2 ** 32 : 1e4, of: 'largest' } },
          );
      },
    );

    it('agrees with the reference where rows have fewer entries than columns, and no ridge', async () => {
      const lines = sparseLines(40, 50, 9, 5);
      await expectLikeReference(
        'fitRows',
        device,
        (on) => ({
          ...lines.on(on),
          values: tensorOf(on, normal(lines.size, 1), [lines.size], dtype),
          x: tensorOf(on, normal(50 * 5, 2), [50, 5], dtype),
          out: Tensor.full(on, [40, 5], NaN, { dtype }),
          singular: Tensor.full(on, [40], 7, { dtype: 'i32' }),
        }),
        { ulps: dtype === 'f32' ? 2 ** 10 : 2 ** 32, of: 'largest' },
      );
    });
  });

  it('leaves residuals that are orthogonal to the rows of x, but for the ridge', async () => {
    const [rows, columns, width, ridge] = [5, 40, 6, 0.25];
    const lines = sparseLines(rows, columns, 30, 9);
    const [x, values] = [normal(columns * width, 2), normal(lines.size, 1)];
    const out = Tensor.zeros(device, [rows, width], { dtype: 'f64' });
    ops.fitRows(device, {
      ...lines.on(device),
      values: tensorOf(device, values, [lines.size], 'f64'),
      x: tensorOf(device, x, [columns, width], 'f64'),
      out,
      ridge,
    });
    const w = await valuesOf(out);
    for (let i = 0; i < rows; ++i) {
      const gradient = Array.from({ length: width }, (_, j) => ridge * w[i * width + j]!);
      for (let e = lines.starts[i]!; e < lines.starts[i + 1]!; ++e) {
        const row = x.subarray(lines.columns[e]! * width, (lines.columns[e]! + 1) * width);
        const residual = row.reduce((sum, value, j) => sum + value * w[i * width + j]!, -values[e]!);
        for (let j = 0; j < width; ++j) gradient[j]! += residual * row[j]!;
      }
      expect(Math.max(...gradient.map(Math.abs))).toBeLessThan(1e-12);
    }
  });

  it('gives the mean of the values where x is a column of ones', async () => {
    const out = Tensor.zeros(device, [2, 1]);
    const squares = Tensor.zeros(device, [2], { dtype: 'f64' });
    ops.fitRows(device, {
      starts: tensorOf(device, [0, 3, 4], [3], 'i32'),
      columns: tensorOf(device, [0, 1, 2, 0], [4], 'i32'),
      values: tensorOf(device, [1, 2, 6, 5], [4]),
      x: Tensor.full(device, [3, 1], 1),
      out,
      squares,
    });
    expect(await out.read()).toEqual(Float32Array.of(3, 5));
    expect(await squares.read()).toEqual(Float64Array.of(14, 0));
  });

  it('tells rows without a single solution: none, too few, the same ones; and rows that are no range', async () => {
    const [out, singular] = [Tensor.zeros(device, [5, 2]), Tensor.zeros(device, [5], { dtype: 'i32' })];
    ops.fitRows(device, {
      starts: tensorOf(device, [0, 0, 1, 3, 5, 99], [6], 'i32'),
      columns: tensorOf(device, [0, 0, 1, 1, 2], [5], 'i32'),
      values: tensorOf(device, [2, 2, 2, 3, 4], [5]),
      x: tensorOf(device, [1, 1, 1, 1, 1, 0], [3, 2]),
      out,
      singular,
    });
    expect(Array.from(await singular.read())).toEqual([1, 1, 1, 0, 1]);
    const w = Array.from(await out.read());
    expect(w.slice(0, 2)).toEqual([0, 0]);
    for (const [i, value] of [1, 1, 1, 1, 4, -1].entries()) expect(w[2 + i]).toBeCloseTo(value, 4);
    expect(w.slice(8)).toEqual([NaN, NaN]);
  });

  it('leaves out columns that x has no row for', async () => {
    const out = Tensor.zeros(device, [1, 1]);
    ops.fitRows(device, {
      starts: tensorOf(device, [0, 4], [2], 'i32'),
      columns: tensorOf(device, [-1, 0, 1, 2 ** 31 - 1], [4], 'i32'),
      values: tensorOf(device, [NaN, 2, NaN, NaN], [4]),
      x: tensorOf(device, [1], [1, 1]),
      out,
    });
    expect(await out.read()).toEqual(Float32Array.of(2));
  });

  it('gives NaN to rows with NaN among their values alone', async () => {
    const out = Tensor.zeros(device, [2, 1]);
    ops.fitRows(device, {
      starts: tensorOf(device, [0, 1, 2], [3], 'i32'),
      columns: tensorOf(device, [0, 0], [2], 'i32'),
      values: tensorOf(device, [NaN, 3], [2]),
      x: tensorOf(device, [1], [1, 1]),
      out,
    });
    expect(await out.read()).toEqual(Float32Array.of(NaN, 3));
  });
});

describe.each(onlyCpu)('fitRows', () => {
  const i32 = { dtype: 'i32' } as const;
  const f64 = { dtype: 'f64' } as const;
  const valid = (device: Device) => ({
    starts: Tensor.zeros(device, [4], i32),
    columns: Tensor.zeros(device, [6], i32),
    values: Tensor.zeros(device, [6]),
    x: Tensor.zeros(device, [5, 2]),
    shift: Tensor.zeros(device, [5]),
    out: Tensor.zeros(device, [3, 2]),
    squares: Tensor.zeros(device, [3], f64),
    singular: Tensor.zeros(device, [3], i32),
  });
  refusesWrongFields('fitRows', valid, ['shift', 'squares', 'singular']);
  refuses('fitRows', valid, (device) => [
    [
      { x: Tensor.zeros(device, [5, 2], { dtype: 'f16' }) },
      'ERR_DTYPE',
      'fitRows: x must be f32 or f64, got f16[5, 2]',
    ],
    [{ x: Tensor.zeros(device, [5]) }, 'ERR_SHAPE', 'fitRows: x must be a matrix, got f32[5]'],
    [{ x: Tensor.zeros(device, [5, 81]) }, 'ERR_SHAPE', 'fitRows: x must have 1 to 80 columns, got f32[5, 81]'],
    [{ out: Tensor.zeros(device, [3, 2], f64) }, 'ERR_DTYPE', 'fitRows: out must have the dtype of x, got f64[3, 2]'],
    [
      { out: Tensor.zeros(device, [3, 3]) },
      'ERR_SHAPE',
      'fitRows: out must be a matrix with as many columns as x, got f32[3, 3] for x f32[5, 2]',
    ],
    [{ columns: Tensor.zeros(device, [6]) }, 'ERR_DTYPE', 'fitRows: columns must be i32, got f32[6]'],
    [
      { columns: Tensor.zeros(device, [2, 3], i32) },
      'ERR_SHAPE',
      'fitRows: columns must have rank 1 and fewer than 2^31 elements, got i32[2, 3]',
    ],
    [
      { starts: Tensor.zeros(device, [3], i32) },
      'ERR_SHAPE',
      'fitRows: starts must be i32 with one element a row of out and one more, got i32[3] for 4',
    ],
    [{ values: Tensor.zeros(device, [6], f64) }, 'ERR_DTYPE', 'fitRows: values must have the dtype of x, got f64[6]'],
    [
      { values: Tensor.zeros(device, [5]) },
      'ERR_SHAPE',
      'fitRows: values must have the shape of columns, got f32[5] for columns i32[6]',
    ],
    [{ shift: Tensor.zeros(device, [5], f64) }, 'ERR_DTYPE', 'fitRows: shift must have the dtype of x, got f64[5]'],
    [
      { shift: Tensor.zeros(device, [4]) },
      'ERR_SHAPE',
      'fitRows: shift must have one element a row of x, got f32[4] for x f32[5, 2]',
    ],
    [
      { squares: Tensor.zeros(device, [3]) },
      'ERR_DTYPE',
      'fitRows: squares must be f64 with one element a row of out, got f32[3]',
    ],
    [
      { singular: Tensor.zeros(device, [2], i32) },
      'ERR_SHAPE',
      'fitRows: singular must be i32 with one element a row of out, got i32[2] for 3',
    ],
    [{ ridge: -1 }, 'ERR_ARGUMENT', 'fitRows: ridge must be finite and not negative, got -1'],
  ]);

  it('gives the same bits on any number of threads', () => {
    const lines = sparseLines(600, 200, 60, 1);
    return expectSameBits((device) => {
      const out = Tensor.zeros(device, [600, 16]);
      const squares = Tensor.zeros(device, [600], f64);
      ops.fitRows(device, {
        ...lines.on(device),
        values: tensorOf(device, normal(lines.size, 1), [lines.size]),
        x: tensorOf(device, normal(200 * 16, 2), [200, 16]),
        out,
        squares,
      });
      return [out, squares];
    });
  });
});
