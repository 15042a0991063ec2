// Devices: cpu, cuda
// Axes: products
// AuON's formula: specification of the method, section on its brake.
import { afterAll, describe, expect, it } from 'vitest';
import { AuON, Device, HybridAuON, Muon, SGD, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { bits, numbers, tensor } from './classes.ts';

const norm = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x));
const minus = (x: number[], y: number[]): number[] => x.map((v, i) => v - (y[i] ?? 0));

describe.each(devices)('on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const from = (data: Float64Array, shape: number[]): Tensor => Tensor.from(device, data, shape);
  const zeros = (shape: number[]): Tensor => Tensor.zeros(device, shape, { dtype: 'f64' });
  const oneHot = (size: number): Float64Array => Float64Array.from({ length: size }, (_, i) => (i === 3 ? 2 : 0));
  /** One step without momentum: what was subtracted, and the report. */
  const move = async (data: Float64Array, shape: number[], options: object) => {
    const weight = zeros(shape);
    const optimizer = new AuON([weight], { momentum: 0, lr: 1, ...options });
    optimizer.step([from(data, shape)]);
    return { moved: (await numbers(weight)).map((x) => -x), report: await optimizer.report() };
  };

  describe.each(['paper', 'head'] as const)('%s', (variant) => {
    it.each([
      [[4, 4], 1],
      [[8, 16], 1.5],
      [[64, 64], 1.5],
      [[4, 6], 5],
      [[96, 64], 0.1],
    ] as const)('brakes within its bounds, %j, gamma %d', async (shape, gamma) => {
      const size = shape[0] * shape[1];
      const most = Math.sqrt(1 + Math.sinh(gamma) ** 2 / size) - 1;
      const least = gamma ** 2 / (2 * size);
      const options = { variant, gamma, eps: 0 };
      for (const [name, data] of [
        ['one element', oneHot(size)],
        ['normal', normal(size, 1)],
        ['equal', new Float64Array(size).fill(0.3)],
      ] as const) {
        const { report } = await move(data, [...shape], options);
        // The lower bound is √(1 + γ²/N) − 1, which γ²/2N is but for its square.
        expect(report.brake, name).toBeGreaterThan(Math.sqrt(1 + gamma ** 2 / size) - 1 - 1e-12);
        expect(report.brake, name).toBeLessThan(most * (1 + 1e-9));
        if (gamma <= 1.5 && size > 16) expect(report.brake! / least).toBeGreaterThan(0.98);
        if (name === 'one element') expect(report.brake! / most).toBeCloseTo(1, 9);
        // From its definition.
        const length = norm(data);
        const mean = data.reduce((sum, u) => sum + Math.sinh((gamma * u) / length) ** 2, 0) / size;
        expect(report.brake! / (mean / (1 + Math.sqrt(1 + mean))), name).toBeCloseTo(1, 9);
      }
    });
  });

  it.each(['paper', 'head', 'rms'] as const)(
    '%s holds momenta of f16 in their range, infinite ones not',
    async (variant) => {
      const moved = async (stateDtype: 'f16' | 'f64', size: number) => {
        const weight = zeros([4, 3]);
        const optimizer = new AuON([weight], { variant, stateDtype, lr: 1e-9 });
        for (let step = 0; step < 2; ++step) optimizer.step([from(new Float64Array(12).fill(size), [4, 3])]);
        return numbers(weight);
      };
      // Momenta that are held are alike in all elements; their size goes into the steps of `head` alone.
      const [held, wide] = [await moved('f16', 1e7), await moved('f64', 1e7)];
      const share = variant === 'head' ? held[0]! / wide[0]! : 1;
      expect(share).toBeGreaterThan(0.1);
      for (const [i, x] of held.entries()) expect(x / wide[i]! / share).toBeCloseTo(1, 12);
      for (const x of await moved('f16', Infinity)) expect(x).toBeNaN();
    },
  );

  it('head is SGD with EMA-Nesterov momentum, but for γ²/2N', async () => {
    const [a, b] = [zeros([64, 64]), zeros([64, 64])];
    const auon = new AuON([a], { variant: 'head', lr: 0.1 });
    const sgd = new SGD([b], { lr: 0.1, momentum: 0.95, nesterov: true, momentumForm: 'ema' });
    for (let step = 0; step < 50; ++step) {
      const grad = from(normal(4096, step), [64, 64]);
      auon.step([grad]);
      sgd.step([grad]);
    }
    const [x, y] = [await numbers(a), await numbers(b)];
    const apart = norm(minus(x, y)) / norm(y);
    const bound = 1.5 ** 2 / (2 * 4096);
    expect(apart).toBeLessThan(bound * 1.05);
    expect(apart).toBeGreaterThan(bound * 0.9);
  });

  it('paper moves by at most lr·√max(1, m/n) in Frobenius norm, whatever the gradient', async () => {
    for (const [shape, scale] of [
      [[8, 8], 1],
      [[4, 16], 1],
      [[16, 4], 2],
    ] as const) {
      for (const data of [normal(64, 2, 1e-3), normal(64, 3, 1e3), oneHot(64)]) {
        const { moved } = await move(data, [...shape], {});
        expect(norm(moved)).toBeLessThanOrEqual(scale);
        expect(norm(moved)).toBeGreaterThan(scale * 0.98);
      }
    }
  });

  it('rms brakes as a normal distribution says: r² ≈ (1 + exp 2γ²) / 2', async () => {
    for (const gamma of [0.3, 0.5, 1]) {
      const { report } = await move(normal(300 * 300, 5), [300, 300], { variant: 'rms', gamma });
      const r = 1 + (report.brake ?? 0);
      expect(r ** 2 / ((1 + Math.exp(2 * gamma ** 2)) / 2)).toBeCloseTo(1, 1);
    }
    // Values of equal size: z = γ.
    const { report, moved } = await move(new Float64Array(64).fill(7), [8, 8], { variant: 'rms', gamma: 0.5 });
    expect(1 + report.brake!).toBeCloseTo(Math.cosh(0.5), 12);
    expect(moved[0]).toBeCloseTo(1 / (Math.sqrt(8) * Math.cosh(0.5)), 12);
  });

  it('rms stays finite where cosh² overflows', async () => {
    for (const dtype of ['f32', 'f64'] as const) {
      const weight = Tensor.zeros(device, [64, 64], { dtype });
      const optimizer = new AuON([weight], { variant: 'rms', gamma: 100, momentum: 0 });
      optimizer.step([Tensor.from(device, oneHot(4096), [64, 64])]);
      expect((await numbers(weight)).every(Number.isFinite)).toBe(true);
      expect((await optimizer.report()).updateRms).toBeLessThan(1e-30);
    }
  });

  it('takes a norm a matrix, but for head, which takes one of the whole tensor', async () => {
    const data = normal(60, 1);
    for (const variant of ['paper', 'head', 'rms'] as const) {
      const { moved } = await move(data, [3, 4, 5], { variant });
      const parts = await Promise.all(
        [0, 1, 2].map(async (i) => (await move(data.slice(i * 20, i * 20 + 20), [4, 5], { variant })).moved),
      );
      if (variant === 'head') expect(moved).not.toEqual(parts.flat());
      else expect(moved).toEqual(parts.flat());
    }
    const { moved } = await move(data, [3, 4, 5], { variant: 'head' });
    expect(moved).toEqual((await move(data, [60], { variant: 'head' })).moved);
  });

  it('has the rate and the gamma of its variant, in groups too', async () => {
    const w = (): Tensor[] => [zeros([2, 2])];
    for (const [variant, lr] of [
      ['paper', 0.055],
      ['head', 0.24],
      ['rms', 0.055],
    ] as const) {
      expect(new AuON(w(), { variant }).groups[0]?.lr).toBe(lr);
      expect(new AuON([{ params: w(), variant }]).groups[0]?.lr).toBe(lr);
      expect(new AuON(w(), { variant, lr: 0.1 }).groups[0]?.lr).toBe(0.1);
      expect(new HybridAuON(w(), { variant }).groups[0]?.lr).toBe(lr);
    }
    expect(new AuON([{ params: w(), variant: undefined } as never], { variant: 'head' }).groups[0]?.lr).toBe(0.24);
    for (const [variant, gamma] of [
      ['paper', 1],
      ['head', 1.5],
      ['rms', 0.5],
    ] as const) {
      const data = normal(12, 1);
      expect((await move(data, [3, 4], { variant })).moved).toEqual(
        (await move(data, [3, 4], { variant, gamma })).moved,
      );
    }
  });

  it('lets head step vectors and numbers', async () => {
    for (const Class of [AuON, HybridAuON]) {
      const weights = [tensor(device, [5], 1), tensor(device, [], 2), tensor(device, [3, 2], 3)];
      const before = await bits(weights);
      const optimizer = new Class(weights, { variant: 'head' });
      optimizer.step([tensor(device, [5], 4), tensor(device, [], 5), tensor(device, [3, 2], 6)]);
      for (const [i, now] of (await bits(weights)).entries()) expect(now).not.toBe(before[i]);
    }
  });

  it('of HybridAuON head is Muon without a scale, but for the brake', async () => {
    const [a, b] = [zeros([48, 64]), zeros([48, 64])];
    const hybrid = new HybridAuON([a], { variant: 'head', lr: 0.02 });
    const muon = new Muon([b], { lr: 0.02, coefficients: 'jordan', shapeScale: 'none' });
    for (let step = 0; step < 20; ++step) {
      const grad = from(normal(48 * 64, step), [48, 64]);
      hybrid.step([grad]);
      muon.step([grad]);
    }
    const [x, y] = [await numbers(a), await numbers(b)];
    const bound = 1.5 ** 2 / (2 * 48 * 64);
    expect(norm(minus(x, y)) / norm(y)).toBeLessThan(bound * 1.05);
    expect(norm(minus(x, y)) / norm(y)).toBeGreaterThan(bound * 0.9);
    expect((await hybrid.report()).brake! / bound).toBeCloseTo(1, 1);
  });

  it('of HybridAuON without a step of Newton–Schulz is AuON', async () => {
    for (const variant of ['paper', 'rms'] as const) {
      const [a, b] = [zeros([6, 9]), zeros([6, 9])];
      const hybrid = new HybridAuON([a], { variant, nsSteps: 0, eps: 0 });
      const auon = new AuON([b], { variant, eps: 0 });
      for (const optimizer of [hybrid, auon])
        for (let step = 0; step < 3; ++step) optimizer.step([from(normal(54, step), [6, 9])]);
      const expected = await numbers(b);
      for (const [i, x] of (await numbers(a)).entries()) expect(x).toBeCloseTo(expected[i] ?? 0, 13);
    }
  });

  it('of HybridAuON paper moves by one in Frobenius norm', async () => {
    const weight = zeros([6, 9]);
    new HybridAuON([weight], { lr: 1, momentum: 0 }).step([from(normal(54, 1), [6, 9])]);
    const length = norm(await numbers(weight));
    expect(length).toBeLessThanOrEqual(1);
    expect(length).toBeGreaterThan(0.98);
  });
});
