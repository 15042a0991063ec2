// Devices: cpu, cuda
// Source: golden dense.json
// Source: property "L·U is A with its rows exchanged: %i of %i × %i"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, type Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import {
  apart,
  awkwardSides,
  type Dtype,
  expectNear,
  goldenProblems,
  joined,
  multiply,
  part,
  unwritten,
} from '../../support/dense.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { splitmixMatrix } from '../../support/splitmix.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

async function factored(device: Device, matrix: Tensor, tol = 0) {
  const { shape } = matrix;
  const batch = shape.length === 3 ? shape[0]! : 1;
  const lu = unwritten(device, shape, matrix.dtype as Dtype);
  const pivots = unwritten(device, shape.slice(0, -1), 'i32');
  const info = unwritten(device, [batch], 'i32');
  ops.lu(device, { matrix, lu, pivots, info, tol });
  return { lu: await valuesOf(lu), pivots: [...(await pivots.read())].map(Number), info: [...(await info.read())] };
}

/** L·U of what is stored in one matrix, and the rows of A in the order of the pivots. */
function both(lu: Float64Array, a: Float64Array, pivots: readonly number[], columns: number) {
  const rows = pivots.length;
  const sides = Math.min(rows, columns);
  const l = Float64Array.from({ length: rows * sides }, (_, i) => {
    const [row, column] = [Math.floor(i / sides), i % sides];
    return row === column ? 1 : column < row ? lu[row * columns + column]! : 0;
  });
  const u = Float64Array.from({ length: sides * columns }, (_, i) =>
    i % columns >= Math.floor(i / columns) ? lu[i]! : 0,
  );
  const exchanged = joined(pivots.map((row) => a.slice(row * columns, (row + 1) * columns)));
  return { l, product: multiply(l, u, sides), exchanged };
}

describe.each(devices)('lu on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [1, 1, 1],
      [1, 33, 33],
      [3, 7, 7],
      [1, 70, 150],
      [1, 150, 70],
      [1, 130, 130],
      [2, 5, 1],
      [2, 1, 5],
    ])('L·U is A with its rows exchanged: %i of %i × %i', async (batch, rows, columns) => {
      const size = rows * columns;
      const a = normal(batch * size, rows + columns);
      const { lu, pivots, info } = await factored(device, tensorOf(device, a, [batch, rows, columns], dtype));
      expect(info).toEqual(new Array(batch).fill(0));
      for (let i = 0; i < batch; i++) {
        const own = pivots.slice(i * rows, (i + 1) * rows);
        expect([...own].sort((x, y) => x - y)).toEqual(Array.from({ length: rows }, (_, row) => row));
        const { l, product, exchanged } = both(part(lu, size, i), part(a, size, i), own, columns);
        expectNear(product, exchanged, dtype, 8 + Math.min(rows, columns));
        expect(l.every((value) => Math.abs(value) <= 1)).toBe(true);
      }
    });

    it.each(awkwardSides)('agrees with the reference, of %i × %i', (rows, columns) =>
      expectLikeReference(
        'lu',
        device,
        (on) => ({
          // From bottom to top, so that rows are exchanged.
          matrix: tensorOf(on, apart(columns, rows, 1).reverse(), [rows, columns], dtype),
          lu: unwritten(on, [rows, columns], dtype),
          pivots: unwritten(on, [rows], 'i32'),
          info: unwritten(on, [1], 'i32'),
        }),
        { ulps: 8 + Math.min(rows, columns), of: 'largest' },
      ),
    );

    it('factors singular matrices, and says which pivot is the first without size', async () => {
      const a = [
        [0, 0, 0, 0, 0, 0, 0, 0, 0],
        [1, 2, 3, 2, 4, 6, 1, 0, 1],
        [0, 1, 0, 0, 2, 1, 0, 3, 5],
        [1, 2, 3, 4, NaN, 6, 7, 8, 10],
      ];
      const tensor = tensorOf(device, a.flat(), [4, 3, 3], dtype);
      const { lu, info, pivots } = await factored(device, tensor);
      expect(info[0]).toBe(1);
      expect(pivots.slice(0, 3)).toEqual([0, 1, 2]);
      expect(info.slice(1)).toEqual([3, 1, 3]);
      const { product, exchanged } = both(part(lu, 9, 1), Float64Array.from(a[1]!), pivots.slice(3, 6), 3);
      expect(product).toEqual(exchanged);
    });

    it('tells pivots that are small beside the largest', async () => {
      const tensor = tensorOf(device, [1, 0, 0, 1e-4], [2, 2], dtype);
      expect((await factored(device, tensor, 1e-5)).info).toEqual([0]);
      expect((await factored(device, tensor, 1e-3)).info).toEqual([2]);
    });

    it('takes the first of equal pivots, writes over its matrix, and takes matrices without elements', async () => {
      const own = tensorOf(device, [1, 2, -1, 3, 1, 4], [3, 2], dtype);
      const pivots = unwritten(device, [3], 'i32');
      ops.lu(device, { matrix: own, lu: own, pivots, info: unwritten(device, [1], 'i32') });
      expect([...(await pivots.read())]).toEqual([0, 1, 2]);
      expect([...(await own.read())]).toEqual([1, 2, -1, 5, 1, 0.4].map(dtype === 'f32' ? Math.fround : Number));
      const empty = await factored(device, tensorOf(device, [], [2, 3, 0], dtype));
      expect(empty).toMatchObject({ pivots: [0, 1, 2, 0, 1, 2], info: [0, 0] });
      expect((await factored(device, tensorOf(device, [], [0, 3, 3], dtype))).info).toEqual([]);
    });
  });

  it('has the values of SciPy', async () => {
    for (const { shape, seeds, lu } of goldenProblems) {
      const actual = await factored(device, tensorOf(device, splitmixMatrix(...shape, seeds[0]!), shape, 'f64'));
      expect(actual.pivots).toEqual(lu.pivots);
      expectNear(actual.lu, lu.lu, 'f64', 200);
    }
  });
});

describe.each(onlyCpu)('lu', () => {
  const valid = (device: Device) => ({
    matrix: tensorOf(device, [4, 2, 2, 5], [2, 2]),
    lu: tensorOf(device, [0, 0, 0, 0], [2, 2]),
    pivots: tensorOf(device, [0, 0], [2], 'i32'),
    info: tensorOf(device, [0], [1], 'i32'),
  });
  refusesWrongFields('lu', valid);
  refuses('lu', valid, (device) => [
    [
      { matrix: tensorOf(device, [1, 2], [2]) },
      'ERR_SHAPE',
      'lu: matrix must be a matrix or a batch of them, got f32[2]',
    ],
    [
      { matrix: tensorOf(device, [1, 2, 3, 4], [2, 2], 'i32') },
      'ERR_DTYPE',
      'lu: matrix must be f32 or f64, got i32[2, 2]',
    ],
    [
      { lu: tensorOf(device, [1, 2, 3, 4], [2, 2], 'f64') },
      'ERR_DTYPE',
      'lu: lu must have the dtype of matrix, got f64[2, 2]',
    ],
    [
      { lu: tensorOf(device, [1, 2], [1, 2]) },
      'ERR_SHAPE',
      'lu: lu must have the shape of matrix, got f32[1, 2] for matrix f32[2, 2]',
    ],
    [{ pivots: tensorOf(device, [1, 2], [2]) }, 'ERR_DTYPE', 'lu: pivots must be i32, got f32[2]'],
    [
      { pivots: tensorOf(device, [1, 2, 3], [3], 'i32') },
      'ERR_SHAPE',
      'lu: pivots must have an element for each row of each matrix, got i32[3] for matrix f32[2, 2]',
    ],
    [
      { info: tensorOf(device, [1], [1], 'f32') },
      'ERR_DTYPE',
      'lu: info must be i32 and have one element a matrix, got f32[1]',
    ],
    [{ tol: 1 }, 'ERR_ARGUMENT', 'lu: tol must be at least 0 and less than 1, got 1'],
  ]);

  it('has the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const matrix = tensorOf(device, normal(300 * 290, 1), [300, 290]);
      const pivots = unwritten(device, [300], 'i32');
      ops.lu(device, { matrix, lu: matrix, pivots, info: unwritten(device, [1], 'i32') });
      return [matrix, pivots];
    }));
});
