// Devices: cpu, cuda
// Axes: products
// Properties of the method: the check values are in check-values.test.ts.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor, Trion } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { numbers } from './classes.ts';

describe.each(devices)('Trion on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  /** The weight, from zero, after steps with these gradients. */
  async function run(shape: number[], gradients: ArrayLike<number>[], options = {}): Promise<number[]> {
    const weight = Tensor.zeros(device, shape, { dtype: 'f64' });
    using optimizer = new Trion([weight], { lr: 1, shapeScale: 'none', ...options });
    for (const data of gradients) optimizer.step([Tensor.from(device, Float64Array.from(data), shape)]);
    return numbers(weight);
  }

  it('moves by a nearly orthogonal matrix of the rank that it is given', async () => {
    for (const [m, n] of [
      [12, 7],
      [7, 12],
    ] as const) {
      const w = await run([m, n], [normal(m * n, 1)], { rank: 3, coefficients: 'you5' });
      const squares = w.reduce((sum, x) => sum + x * x, 0);
      // Three singular values within 1 ± 0.04.
      expect(Math.abs(Math.sqrt(squares / 3) - 1)).toBeLessThan(0.04);
    }
  });

  it('moves along a cosine alone where the gradient has no other', async () => {
    const [m, n, k] = [9, 6, 2];
    const cosine = Array.from({ length: n }, (_, j) => Math.cos((Math.PI * k * (2 * j + 1)) / (2 * n)));
    const gradient = Array.from({ length: m * n }, (_, i) => cosine[i % n]!);
    const w = await run([m, n], [gradient], { rank: 1 });
    for (let i = 0; i < m; ++i)
      for (let j = 0; j < n; ++j) expect(w[i * n + j]! * cosine[0]!).toBeCloseTo(w[i * n]! * cosine[j]!, 12);
  });

  it.each([[[1, 1]], [[1, 5]], [[5, 1]], [[2, 3]]])(
    'stays finite for %j: zeros, rank one, 1e-30 and 1e30',
    async (shape) => {
      const size = shape[0]! * shape[1]!;
      for (const scale of [0, 1e-30, 1, 1e30]) {
        const w = await run(shape, [
          normal(size, 1, scale),
          new Float64Array(size).fill(scale),
          new Float64Array(size),
        ]);
        expect(w.every(Number.isFinite)).toBe(true);
        if (scale === 0) expect(w.every((x) => x === 0)).toBe(true);
      }
    },
  );

  it('refuses what it does not take', () => {
    const weight = Tensor.zeros(device, [3, 4]);
    for (const options of [{ rank: 0 }, { rank: 1.5 }, { basis: 'dct1' }, { momentum: 1 }, { nesterov: true }])
      expect(() => new Trion([weight], options as never)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});
