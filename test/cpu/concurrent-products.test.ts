// Devices: cpu
import { expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';

// About one in a hundred of these products is wrong where two threads can get the same work buffer of the BLAS.
it('multiplies the same in one thread and in several', async () => {
  const shape = [2000, 40, 40];
  const products: Buffer[][] = [];
  for (const threads of [3, 1]) {
    const device = Device.open('cpu', { threads });
    const [a, b] = [new Tensor(device, shape, 'f64'), new Tensor(device, shape, 'f64')];
    ops.random(device, { x: [a, b], seed: 1, distribution: 'normal' });
    const outputs = Array.from({ length: 4 }, () => new Tensor(device, shape, 'f64'));
    for (const c of outputs) ops.gemm(device, { a, b, c, transB: 'transposed' });
    products.push(await Promise.all(outputs.map(async (c) => Buffer.from((await c.read()).buffer))));
    await device.close();
  }
  for (const [i, product] of products[0]!.entries()) expect(product.equals(products[1]![i]!)).toBe(true);
});
