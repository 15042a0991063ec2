// Devices: cpu, cuda
// Axes: products
// Source: closed form "of rows of one number gives their products"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { type SymmetricProduct, symmetricProduct } from '../../reference/symmetric-product.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { arrayOf, type Floating, floatingDtypes, numbersOf } from '../../support/dtypes.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const isHalf = (dtype: Floating) => dtype === 'f16' || dtype === 'bf16';

interface Form {
  readonly alpha?: number;
  readonly beta?: number;
  readonly diagonal?: number;
  /** True if what is added comes from a tensor of its own. */
  readonly separate?: boolean;
}

/** a aᵀ in each form, or a bᵀ if `two`. */
async function check(
  device: Device,
  dtype: Floating,
  p: SymmetricProduct,
  forms: readonly Form[],
  two = false,
): Promise<void> {
  const { batch, rows, columns, trans = false } = p;
  const [n, inner] = trans ? [columns, rows] : [rows, columns];
  const count = batch ?? 1;
  const prefix = batch === undefined ? [] : [batch];
  const of = (size: number, seed: number) => numbersOf(arrayOf(normal(count * size, seed), dtype), dtype);
  const x = of(rows * columns, 3);
  const y = two ? of(rows * columns, 5) : x;
  const a = tensorOf(device, x, [...prefix, rows, columns], dtype);
  const b = two ? tensorOf(device, y, a.shape, dtype) : undefined;
  const addends = of(n * n, 4);
  const products = symmetricProduct(p, x, addends, y);
  for (const { alpha = 1, beta = 0, diagonal = 0, separate = false } of forms) {
    // Above the diagonal c is not read.
    const isRead = (i: number) => beta !== 0 && i % n <= Math.floor(i / n) % n;
    const before = tensorOf(
      device,
      addends.map((v, i) => (isRead(i) ? v : NaN)),
      [...prefix, n, n],
      dtype,
    );
    const c = separate ? Tensor.full(device, before.shape, NaN, { dtype }) : before;
    const addend = separate ? before : undefined;
    ops.symmetricProduct(device, { a, b, c, addend, alpha, beta, diagonal, trans: trans ? 'transposed' : 'none' });
    const actual = await valuesOf(c);
    const expected = products.map((sum, i) => {
      const [row, column] = [Math.floor(i / n) % n, i % n];
      const below = column <= row ? i : i + (column - row) * (n - 1);
      return alpha * sum + (beta === 0 ? 0 : beta * addends[below]!) + (row === column ? diagonal : 0);
    });
    const magnitude = Math.abs(alpha) * Math.sqrt(inner) + Math.abs(beta) + Math.abs(diagonal);
    // In 16 bits the sum, which is made in f32, is rounded once; without fused products each of its terms is, too.
    const roundings = device.info.isa === 'portable' ? 2 : 1;
    const ulps = isHalf(dtype) ? 1 : 4 + 2 * Math.sqrt(roundings * inner);
    expectClose(actual, expected, { dtype, ulps, magnitude });
    for (let s = 0; s < count; s++)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < i; j++)
          if (!Object.is(actual[(s * n + i) * n + j], actual[(s * n + j) * n + i]))
            throw new Error(`not symmetric: ${i}, ${j}`);
  }
}

describe.each(devices)('symmetric_product on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const sizes = [
    [1, 1],
    [1, 300],
    [31, 32],
    [33, 65],
    [65, 33],
    [300, 31],
    [129, 257],
    [3, 0],
    [0, 3],
  ];
  // Several blocks of the CPU's cache; on CUDA sums in slices.
  const deep = (trans: boolean) => (kind === 'cpu' ? [[150, 800], [800, 150]] : [trans ? [800, 40] : [40, 800]]); // biome-ignore format: one line

  // Large tiles, and sides at which 16-byte accesses begin and end.
  it.each([false, true])('many tiles of 16 bits, transposed: %s', async (trans) => {
    const dtype = trans ? 'f16' : 'bf16';
    const [rows, columns] = trans ? [24, 136] : [136, 24];
    await check(device, dtype, { batch: 32, rows, columns, trans }, [{ beta: -1, diagonal: 1, separate: true }], trans);
    await check(device, dtype, { batch: 2, rows: 73, columns: 73, trans }, [{ beta: 2, diagonal: 1 }], !trans);
  });

  describe.each(floatingDtypes)('%s', (dtype) => {
    it.each([false, true])('every size, transposed: %s', async (trans) => {
      for (const [rows, columns] of [...sizes, ...deep(trans)] as [number, number][]) {
        if (isHalf(dtype) && rows * columns > 40_000) continue;
        const forms = [{}, { alpha: -2, beta: 0.5, diagonal: 3 }, { alpha: 3, beta: -2, separate: true }];
        await check(device, dtype, { rows, columns, trans }, forms);
        await check(device, dtype, { rows, columns, trans }, [{ alpha: -1, beta: 0.5, separate: true }], true);
      }
    });

    it.each([false, true])('batches, transposed: %s', async (trans) => {
      const form = { beta: 1, diagonal: -1 };
      await check(device, dtype, { batch: 3, rows: 31, columns: 140, trans }, [{}]);
      await check(device, dtype, { batch: 4, rows: 33, columns: 5, trans }, [form]);
      await check(device, dtype, { batch: 2, rows: 129, columns: 5, trans }, [{ ...form, separate: true }]);
    });
  });

  it('of rows of one number gives their products', async () => {
    const [n, inner] = [70, 40];
    const number = (i: number) => (i % 7) - 3;
    const a = Float64Array.from({ length: n * inner }, (_, k) => number(Math.floor(k / inner)));
    const c = Tensor.full(device, [n, n], NaN);
    ops.symmetricProduct(device, { a: tensorOf(device, a, [n, inner]), c });
    const expected = Float64Array.from({ length: n * n }, (_, k) => inner * number(Math.floor(k / n)) * number(k % n));
    expectClose(await valuesOf(c), expected, { dtype: 'f32', ulps: 0 });
  });

  it('a 597 × 43 matrix and its transpose', async () => {
    await check(device, 'f32', { rows: 597, columns: 43 }, [{ diagonal: 1 }]);
    await check(device, 'f32', { rows: 43, columns: 597, trans: true }, [{ beta: 1 }]);
  });

  it('refuses what does not fit', () => {
    const a = Tensor.zeros(device, [2, 3]);
    const c = Tensor.zeros(device, [2, 2]);
    expect(thrownBy(() => ops.symmetricProduct(device, { a, c, trans: 'transposed' }))).toEqual({
      code: 'ERR_SHAPE',
      message: "symmetricProduct: c does not fit a, got f32[2, 2] for a f32[2, 3], trans 'transposed'",
    });
    expect(thrownBy(() => ops.symmetricProduct(device, { a: c, c })).code).toBe('ERR_ARGUMENT');
    const addend = Tensor.zeros(device, [2, 3]);
    expect(thrownBy(() => ops.symmetricProduct(device, { a, c, addend })).code).toBe('ERR_SHAPE');
    const half = Tensor.zeros(device, [2, 2], { dtype: 'f16' });
    expect(thrownBy(() => ops.symmetricProduct(device, { a, c: half })).code).toBe('ERR_DTYPE');
  });
});
