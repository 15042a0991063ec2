import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { type SymmetricProduct, symmetricProduct } from '../reference/symmetric-product.ts';
import { expectClose } from '../support/compare.ts';
import { normal } from '../support/data.ts';
import { arrayOf } from '../support/dtypes.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';

async function check(device: Device, dtype: 'f32' | 'f64', p: SymmetricProduct, separate = false): Promise<void> {
  const { batch, rows, columns, trans = false, alpha = 1, beta = 0, diagonal = 0 } = p;
  const [n, inner] = trans ? [columns, rows] : [rows, columns];
  const count = batch ?? 1;
  const x = Float64Array.from(arrayOf(normal(count * rows * columns, 3), dtype));
  const old = Float64Array.from(arrayOf(normal(count * n * n, 4), dtype));
  // Above the diagonal c is not read.
  for (let i = 0; i < old.length; i++) if (beta === 0 || i % n > Math.floor(i / n) % n) old[i] = NaN;
  const prefix = batch === undefined ? [] : [batch];
  const a = tensorOf(device, x, [...prefix, rows, columns], dtype);
  const before = tensorOf(device, old, [...prefix, n, n], dtype);
  const c = separate ? Tensor.full(device, before.shape, NaN, { dtype }) : before;
  ops.symmetricProduct(device, {
    a,
    c,
    addend: separate ? before : undefined,
    alpha,
    beta,
    diagonal,
    trans: trans ? 'transposed' : 'none',
  });
  const actual = await valuesOf(c);
  const magnitude = Math.abs(alpha) * Math.sqrt(inner) + Math.abs(beta) + Math.abs(diagonal);
  expectClose(actual, symmetricProduct(p, x, old), { dtype, ulps: 4 + 2 * Math.sqrt(inner), magnitude });
  for (let s = 0; s < count; s++)
    for (let i = 0; i < n; i++)
      for (let j = 0; j < i; j++)
        if (!Object.is(actual[(s * n + i) * n + j], actual[(s * n + j) * n + i]))
          throw new Error(`not symmetric: ${i}, ${j}`);
}

describe.each(Device.available)('symmetric_product on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([false, true])('every size, transposed: %s', async (trans) => {
      for (const [rows, columns] of [
        [1, 1],
        [1, 300],
        [31, 32],
        [33, 65],
        [65, 33],
        [300, 31],
        [129, 257],
        [150, 800],
        [800, 150],
        [3, 0],
        [0, 3],
      ] as const) {
        await check(device, dtype, { rows, columns, trans });
        await check(device, dtype, { rows, columns, trans, alpha: -2, beta: 0.5, diagonal: 3 });
        await check(device, dtype, { rows, columns, trans, alpha: 3, beta: -2 }, true);
      }
    });

    it.each([false, true])('batches, transposed: %s', async (trans) => {
      await check(device, dtype, { batch: 3, rows: 31, columns: 140, trans });
      await check(device, dtype, { batch: 4, rows: 33, columns: 5, trans, beta: 1, diagonal: -1 });
      await check(device, dtype, { batch: 2, rows: 129, columns: 5, trans, beta: 1, diagonal: -1 }, true);
    });
  });

  it('a 597 × 43 matrix and its transpose', async () => {
    await check(device, 'f32', { rows: 597, columns: 43, diagonal: 1 });
    await check(device, 'f32', { rows: 43, columns: 597, trans: true, beta: 1 });
  });

  it('refuses what does not fit', () => {
    const a = Tensor.zeros(device, [2, 3]);
    const c = Tensor.zeros(device, [2, 2]);
    expect(thrownBy(() => ops.symmetricProduct(device, { a, c, trans: 'transposed' }))).toEqual({
      code: 'ERR_SHAPE',
      message: 'symmetric_product: c does not fit a, got f32[2, 2]',
    });
    expect(thrownBy(() => ops.symmetricProduct(device, { a: c, c })).code).toBe('ERR_ARGUMENT');
    const addend = Tensor.zeros(device, [2, 3]);
    expect(thrownBy(() => ops.symmetricProduct(device, { a, c, addend })).code).toBe('ERR_SHAPE');
    const half = Tensor.zeros(device, [2, 2], { dtype: 'f16' });
    expect(thrownBy(() => ops.symmetricProduct(device, { a, c: half })).code).toBe('ERR_DTYPE');
  });
});
