// Devices: cpu, cuda
// Values: closed forms: the quotient Σ hᵢ uᵢ² / Σ uᵢ² of a diagonal, and the Hessian of a quadratic function.
import { afterAll, describe, expect, it } from 'vitest';
import { directionalSharpness, flat } from '../../lib/curvature/index.ts';
import { clipCoordinates, Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { diagonalOn, f64On } from './diagonal.ts';

describe.each(devices)('directionalSharpness on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const diagonal = (values: readonly number[], dtype?: 'f32' | 'f64') => diagonalOn(device, values, dtype);
  const f64 = (values: readonly number[]) => f64On(device, values);

  it('is the quotient of Rayleigh, whatever the length of u, and leaves u as it is', async () => {
    const operator = diagonal([4, -1, 2, 0]);
    for (const scale of [1, 1e-200, 1e200]) {
      const values = [1, -2, 3, 5].map((x) => x * scale);
      const u = f64(values);
      expect(await directionalSharpness(operator, u)).toBeCloseTo(18 / 39, 14);
      expect([...(await u.read())]).toEqual(values);
    }
    const small = Tensor.from(device, [1e-30, -2e-30, 3e-30, 5e-30], [4]);
    expect(await directionalSharpness(diagonal([4, -1, 2, 0], 'f32'), small)).toBeCloseTo(18 / 39, 6);
    const list = [f64([1]), Tensor.from(device, Float64Array.of(-2, 3, 5), [3, 1])];
    expect(await directionalSharpness(operator, list)).toBeCloseTo(18 / 39, 14);
  });

  it('falls as more of the gradient of a badly scaled quadratic is clipped', async () => {
    const curvature = Array.from({ length: 1000 }, (_, i) => (i < 50 ? 200 : 1));
    const operator = diagonal(curvature);
    const gradient = normal(1000, 1).map((x, i) => curvature[i]! * x);
    const along = async (fraction: number) => {
      const u = f64([...gradient]);
      if (fraction > 0) clipCoordinates([u], { fraction }).dispose();
      return await directionalSharpness(operator, u);
    };
    const found = await Promise.all([0, 0.01, 0.05, 0.1, 0.5].map(along));
    expect(found[0]).toBeGreaterThan(199);
    for (const [i, sharpness] of found.entries()) if (i > 0) expect(sharpness).toBeLessThanOrEqual(found[i - 1]!);
    expect(found[3]).toBeLessThan(found[0]! / 4);
    const signs = f64([...gradient].map(Math.sign));
    expect(await directionalSharpness(operator, signs)).toBeCloseTo(10.95, 12);
  });

  it('says nothing of how far the best step along a direction leads: there the gradient itself is best', async () => {
    const curvature = Array.from({ length: 1000 }, (_, i) => (i < 50 ? 200 : 1));
    const gradient = normal(1000, 1).map((x, i) => curvature[i]! * x);
    const clipped = (fraction: number) => {
      const u = f64([...gradient]);
      clipCoordinates([u], { fraction }).dispose();
      return u.read();
    };
    /** (g·u)² / (2 u·A u), the fall of the value by the best step along u. */
    const fallOf = (u: ArrayLike<number>) => {
      let [slope, bend] = [0, 0];
      for (let i = 0; i < 1000; ++i) {
        slope += gradient[i]! * u[i]!;
        bend += curvature[i]! * u[i]! ** 2;
      }
      return slope ** 2 / (2 * bend);
    };
    const plain = fallOf(gradient);
    for (const other of [await clipped(0.1), gradient.map(Math.sign)]) expect(fallOf(other)).toBeLessThan(0.9 * plain);
  });

  it('takes the Hessian and the Gauss–Newton matrix of an oracle of nn', async () => {
    const make = nn.init(device, { seed: 1, dtype: 'f64' });
    const model = { w: make.normal([3, 2], 1), b: make.normal([3], 1) };
    const x = Tensor.from(device, normal(10, 2), [5, 2]);
    const y = Tensor.from(device, normal(15, 3), [5, 3]);
    type Model = nn.Traced<typeof model>;
    const loss = (m: Model, input: Tensor, target: Tensor) =>
      nn.squaredError(nn.linear({ weight: m.w, bias: m.b }, input), target);
    using oracle = nn.oracle(loss, model, () => [x, y]);
    const u = [Tensor.from(device, normal(6, 4), [3, 2]), Tensor.from(device, normal(3, 5), [3])];
    // The loss is quadratic: vᵀ H v = 2 Σ (x dWᵀ + db)² / 15 / |u|².
    const [xs, dw, db] = [await x.read(), await u[0]!.read(), await u[1]!.read()] as Float64Array[];
    let sum = 0;
    for (let i = 0; i < 5; ++i)
      for (let o = 0; o < 3; ++o) sum += (xs![2 * i]! * dw![2 * o]! + xs![2 * i + 1]! * dw![2 * o + 1]! + db![o]!) ** 2;
    const expected = (2 * sum) / 15 / [...dw!, ...db!].reduce((total, value) => total + value * value, 0);
    for (const curvature of ['hessian', 'gauss-newton'] as const)
      expect(await directionalSharpness(flat(oracle, curvature), u)).toBeCloseTo(expected, 9);
    const operator = flat(oracle, 'hessian');
    expect(operator.shapes).toEqual([[3, 2], [3]]); // biome-ignore format: one line
    for (const wrong of [[u[1]!, u[0]!], [u[0]!], [f64([...normal(9, 6)])]]) // biome-ignore format: one line
      await expect(directionalSharpness(operator, wrong)).rejects.toThrow(
        expect.objectContaining({ code: 'ERR_SHAPE' }),
      );
    expect(await directionalSharpness(operator, f64([...dw!, ...db!]))).toBeCloseTo(expected, 9);
    const [v, out] = [f64([...normal(9, 7)]), f64([...normal(9, 8)])];
    const before = await out.read();
    const wide = Tensor.zeros(device, [3, 3], { dtype: 'f64' });
    const refused = (vector: Tensor, to: Tensor) => expect(operator.apply(vector, to)).rejects;
    await refused(f64([...normal(12, 9)]), out).toThrow('flat.apply: x must have shape [9], got [12]');
    await refused(wide, out).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    await refused(v, wide).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    await refused(Tensor.zeros(device, [9], { dtype: 'f32' }), out).toThrow('flat.apply: x must be f64, got f32');
    const other = Device.open(kind);
    await refused(Tensor.zeros(other, [9], { dtype: 'f64' }), out).toThrow(
      expect.objectContaining({ code: 'ERR_DEVICE' }),
    );
    await other.close();
    expect(await out.read()).toEqual(before);
  });

  it('refuses directions of no length, and operators that give no numbers', async () => {
    const operator = diagonal([1, 2]);
    const rejected = (u: unknown, of = operator) => expect(directionalSharpness(of, u as Tensor)).rejects;
    for (const values of [[0, 0], [Number.NaN, 1], [Infinity, 1]]) // biome-ignore format: one line
      await rejected(f64(values)).toThrow('directionalSharpness: u must have a finite length above 0, got');
    await rejected(f64([1, 2, 3])).toThrow('directionalSharpness: u must have 2 elements, got 3');
    await rejected([f64([1]), 2]).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    await rejected(Tensor.from(device, [1, 2], [2])).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }));
    await rejected(f64([1, 2]), diagonal([1, Number.NaN])).toThrow(
      'directionalSharpness: operator.apply must give finite numbers, got NaN',
    );
  });

  it('flat refuses an oracle without the products, and other words', () => {
    const make = nn.init(device, { seed: 1, dtype: 'f32' });
    const model = { w: make.normal([3], 1) };
    using oracle = nn.oracle(
      (m: nn.Traced<typeof model>) => nn.sum(m.w),
      model,
      () => [],
    );
    expect(() => flat(oracle, 'hessian')).toThrow('flat: oracle must have a function hessianProduct, got none');
    expect(() => flat(oracle, 'fisher' as never)).toThrow("flat: curvature must be one of 'hessian', 'gauss-newton'");
    expect(() => flat(oracle, 'gauss-newton', -1)).toThrow('flat: sample must be a whole number from 0 on, got -1');
  });
});
