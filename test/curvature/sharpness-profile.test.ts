// Devices: cpu, cuda
// Values: closed forms: shares of hᵢ uᵢ² of a diagonal, and of a matrix of two coordinates that has them of both signs.
import { afterAll, describe, expect, it } from 'vitest';
import { directionalSharpness, type LinearOperator, sharpnessProfile } from '../../lib/curvature/index.ts';
import { clipCoordinates, Device, ops, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { diagonalOn, f64On } from './diagonal.ts';

describe.each(devices)('sharpnessProfile on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const diagonal = (values: readonly number[], dtype?: 'f32' | 'f64') => diagonalOn(device, values, dtype);
  const f64 = (values: readonly number[]) => f64On(device, values);

  it.each([1, 1e-200, 1e200])('has the shares of the largest parts, whatever the length of u: %f', async (scale) => {
    const curvature = Array.from({ length: 250 }, (_, i) => (i % 7) - 3);
    const u = normal(250, 1).map((x) => x * scale);
    const parts = u.map((x, i) => Math.abs(curvature[i]!) * (x / scale) ** 2).sort((a, b) => b - a);
    const sum = (count: number) => parts.slice(0, count).reduce((total, x) => total + x, 0);
    const tensor = f64([...u]);
    const found = await sharpnessProfile(diagonal(curvature), tensor);
    expect(found.top1).toBeCloseTo(sum(2) / sum(250), 12);
    expect(found.top5).toBeCloseTo(sum(12) / sum(250), 12);
    expect(found.top10).toBeCloseTo(sum(25) / sum(250), 12);
    expect([...(await tensor.read())]).toEqual([...u]);
  });

  it('falls as more of the gradient of a badly scaled quadratic is clipped', async () => {
    const curvature = Array.from({ length: 1000 }, (_, i) => (i < 50 ? 200 : 1));
    const operator = diagonal(curvature, 'f32');
    const along = async (fraction: number) => {
      const u = Tensor.from(
        device,
        Float32Array.from(normal(1000, 1), (x, i) => curvature[i]! * x),
        [1000],
      );
      if (fraction > 0) clipCoordinates([u], { fraction }).dispose();
      return sharpnessProfile(operator, [u]);
    };
    const [plain, clipped] = [await along(0), await along(0.1)];
    expect(plain.top5).toBeGreaterThan(0.99);
    expect(clipped.top1).toBeLessThan(plain.top1);
  });

  it('counts parts of either sign by their size; of one coordinate, and of none that has a part', async () => {
    // u = (2, 1)/√5 and A = [[1, −3], [−3, 2]]: parts 2·(−1)/5 and 1·(−4)/5.
    const matrix = f64([1, -3, -3, 2]);
    const dense: LinearOperator = {
      ...{ device, dtype: 'f64', shape: [2, 2] },
      apply: (x, out) => ops.gemm(device, { a: matrix.reshape([2, 2]), b: x.reshape([2, 1]), c: out.reshape([2, 1]) }),
    };
    const found = await sharpnessProfile(dense, f64([2, 1]));
    for (const share of Object.values(found)) expect(share).toBeCloseTo(2 / 3, 12);
    expect(await directionalSharpness(dense, f64([2, 1]))).toBeCloseTo(-6 / 5, 12);
    expect(await sharpnessProfile(diagonal([3]), f64([-2]))).toEqual({ top1: 1, top5: 1, top10: 1 });
    expect(await sharpnessProfile(diagonal([0, 5]), f64([1, 0]))).toEqual({ top1: 0, top5: 0, top10: 0 });
  });

  it('refuses directions of no length, and operators that give no numbers', async () => {
    const rejected = (u: Tensor, of = diagonal([1, 2])) => expect(sharpnessProfile(of, u)).rejects;
    await rejected(f64([0, 0])).toThrow('sharpnessProfile: u must have a finite length above 0, got 0');
    await rejected(f64([1, 2, 3])).toThrow('sharpnessProfile: u must have 2 elements, got 3');
    for (const value of [Number.NaN, Infinity])
      await rejected(f64([1, 2]), diagonal([1, value])).toThrow(
        `sharpnessProfile: operator.apply must give finite numbers, got ${value}`,
      );
  });
});
