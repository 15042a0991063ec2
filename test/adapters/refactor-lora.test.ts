// Devices: cpu, cuda
// Source: formula of the authors' program "B·A by its singular vectors", of which the product and its span are compared
import { afterAll, describe, expect, it } from 'vitest';
import { refactorLora } from '../../lib/adapters/index.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { at, type Dense, dense, distance, identity, largestOf, norm, product, sum, transposed } from './matrices.ts';

describe.each(devices)('refactorLora on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const tensor = (x: Dense, dtype: 'f32' | 'f64') =>
    Tensor.from(device, dtype === 'f64' ? Float64Array.from(x.data) : Float32Array.from(x.data), [x.rows, x.columns]);
  const factored = async (a: Dense, b: Dense, dtype: 'f32' | 'f64') => {
    const made = await refactorLora(tensor(a, dtype), tensor(b, dtype));
    expect([made.a.shape, made.b.shape]).toEqual([
      [a.rows, a.columns],
      [b.rows, b.columns],
    ]);
    expect([made.a.dtype, made.b.dtype]).toEqual([dtype, dtype]);
    return {
      a: dense(a.rows, a.columns, await made.a.read()),
      b: dense(b.rows, b.columns, await made.b.read()),
      singularValues: made.singularValues,
    };
  };
  const draw = (rows: number, columns: number, seed: number) => dense(rows, columns, normal(rows * columns, seed));
  /** The part of the rows of one in the orthonormal rows of another: their number, if all. */
  const overlap = (x: Dense, rows: Dense): number => norm(product(x, transposed(rows))) ** 2;

  describe.each([
    ['f64', 1e-14],
    ['f32', 1e-6],
  ] as const)('in %s', (dtype, near) => {
    it.each([
      [256, 192, 8],
      [5, 40, 5],
      [40, 5, 5],
      [7, 6, 1],
      [1, 1, 1],
    ])('keeps the product of [%d, %d] at rank %d, and makes a and b orthogonal', async (outputs, inputs, rank) => {
      const [a, b] = [draw(rank, inputs, 1), draw(outputs, rank, 2)];
      const made = await factored(a, b, dtype);
      expect(distance(product(made.b, made.a), product(b, a))).toBeLessThan(2 * near);
      expect(largestOf(sum(product(made.a, transposed(made.a)), identity(rank), -1))).toBeLessThan(near);
      const squares = product(transposed(made.b), made.b);
      for (let i = 0; i < rank; ++i)
        for (let j = 0; j < rank; ++j) {
          const expected = i === j ? made.singularValues[i]! ** 2 : 0;
          expect(Math.abs(at(squares, i, j) - expected) / made.singularValues[0]! ** 2).toBeLessThan(4 * near);
        }
      expect([...made.singularValues]).toEqual([...made.singularValues].sort((x, y) => y - x));
      expect(Math.abs(norm({ data: made.singularValues }) - norm(product(b, a)))).toBeLessThan(
        4 * near * made.singularValues[0]!,
      );
    });

    it('keeps the row space of a where b is 0, or has a smaller rank', async () => {
      const rank = 8;
      const a = draw(rank, 48, 3);
      const { a: basis } = await factored(a, draw(32, rank, 4), 'f64');
      for (const kept of [0, 3]) {
        const b = product(draw(32, kept, 5), draw(kept, rank, 6));
        const made = await factored(a, b, dtype);
        expect(Math.abs(overlap(made.a, basis) - rank)).toBeLessThan(rank * near * 2);
        expect(largestOf(sum(product(made.a, transposed(made.a)), identity(rank), -1))).toBeLessThan(near);
        expect(made.singularValues.filter((value) => value > 4 * near * norm(b) * norm(a))).toHaveLength(kept);
        expect(norm(sum(product(made.b, made.a), product(b, a), -1))).toBeLessThan(
          4 * near * (norm(product(b, a)) + 1),
        );
      }
    });

    it('is right for factors of very unequal size, and a with dependent rows', async () => {
      const a = draw(4, 12, 7);
      for (let j = 0; j < 12; ++j) (a.data as Float64Array)[12 + j] = 2 * at(a, 0, j);
      const b = dense(9, 4, normal(36, 8, 1e-12));
      for (const factor of [1, 1e12]) {
        const grown = dense(
          4,
          12,
          Array.from(a.data, (x) => factor * x),
        );
        const made = await factored(grown, b, dtype);
        expect(distance(product(made.b, made.a), product(b, grown))).toBeLessThan(4 * near);
        expect(largestOf(sum(product(made.a, transposed(made.a)), identity(4), -1))).toBeLessThan(near);
        expect(made.singularValues[3]! / made.singularValues[0]!).toBeLessThan(near);
      }
    });

    it('bounds the gradient by b: |g·(a·x)ᵀ| is at most |g|·|x|', async () => {
      const { a } = await factored(draw(8, 64, 9), draw(64, 8, 10), dtype);
      let most = 0;
      for (let i = 0; i < 1000; ++i) {
        const x = draw(64, 1, 100 + i);
        most = Math.max(most, norm(product(a, x)) / norm(x));
      }
      expect(most).toBeLessThan(1);
      expect(most).toBeGreaterThan(0.3);
    });
  });

  it('takes its inputs as they are at the call', async () => {
    const [a, b] = [tensor(draw(3, 20, 1), 'f64'), tensor(draw(10, 3, 2), 'f64')];
    const first = await refactorLora(a, b);
    const second = refactorLora(a, b);
    a.write(new Float64Array(60));
    b.write(new Float64Array(30));
    expect(await (await second).a.read()).toEqual(await first.a.read());
  });

  it('refuses NaN and infinity, ranks above the smaller side and factors that do not fit', async () => {
    const [a, b] = [tensor(draw(3, 20, 1), 'f32'), tensor(draw(10, 3, 2), 'f32')];
    const bad = (rows: number, columns: number, value: number) =>
      Tensor.from(
        device,
        Float32Array.from({ length: rows * columns }, (_, i) => (i === 4 ? value : 1)),
        [rows, columns],
      );
    for (const value of [NaN, Infinity]) {
      await expect(refactorLora(bad(3, 20, value), b)).rejects.toThrow(/^refactorLora: a must be finite, got NaN/);
      await expect(refactorLora(a, bad(10, 3, value))).rejects.toThrow(/^refactorLora: b must be finite, got NaN/);
    }
    // Finite factors, whose product f32 does not hold.
    await expect(
      refactorLora(Tensor.full(device, [3, 20], 1e30), Tensor.full(device, [10, 3], 1e30)),
    ).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: 'refactorLora: the product of b and a must stay in the range of f32, got numbers beyond it',
    });
    const refused = async (x: Tensor, y: Tensor, code: string, message: RegExp): Promise<void> => {
      const error = await refactorLora(x, y).catch((thrown: Error) => thrown);
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    };
    await refused(bad(4, 20, 1), bad(3, 4, 1), 'ERR_SHAPE', /^refactorLora: a must have at most 3 rows.*got 4$/);
    await refused(bad(4, 3, 1), bad(9, 4, 1), 'ERR_SHAPE', /^refactorLora: a must have at most 3 rows.*got 4$/);
    await refused(a, bad(10, 4, 1), 'ERR_SHAPE', /b must have shape \[any,3\]/);
    await refused(Tensor.zeros(device, [0, 4]), Tensor.zeros(device, [4, 0]), 'ERR_SHAPE', /a must/);
    await refused(a, b.cast('f64'), 'ERR_DTYPE', /b must be f32/);
  });
});
