// Devices: cpu, cuda
// Axes: products
import { afterAll, describe, expect, it } from 'vitest';
import { coefficientSets, Device, Muon, type ShapeScale, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { numbers } from './classes.ts';

describe.each(devices)('Muon on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  /** The amount that one step without momentum subtracts at a rate of 1. */
  async function update(shape: number[], options = {}, seed = 1): Promise<number[]> {
    const weight = Tensor.zeros(device, shape, { dtype: 'f64' });
    const grad = Tensor.from(
      device,
      normal(
        shape.reduce((a, b) => a * b, 1),
        seed,
      ),
      shape,
    );
    new Muon([weight], { lr: 1, momentum: 0, shapeScale: 'none', ...options }).step([grad]);
    return (await numbers(weight)).map((x) => -x);
  }

  // How far singular values of a normal matrix end from 1: the range of each set on [1e-2, 1].
  it.each([
    ['jordan', 0.33],
    ['you5', 0.04],
    ['polar-express', 0.16],
    ['polar-express-kj', 0.15],
    ['deepseek-v4', 0.001],
  ] as const)('moves by a nearly orthogonal matrix, %s', async (coefficients, error) => {
    for (const [m, n] of [
      [6, 40],
      [40, 6],
    ] as const) {
      const o = await update([m, n], { coefficients });
      const k = Math.min(m, n);
      const at = (i: number, j: number): number => (m < n ? o[i * n + j]! : o[j * n + i]!);
      for (let a = 0; a < k; ++a)
        for (let b = 0; b < k; ++b) {
          let dot = 0;
          for (let j = 0; j < Math.max(m, n); ++j) dot += at(a, j) * at(b, j);
          // Singular values within 1 ± e: the Gram matrix is within (1 + e)² − 1 of the identity.
          expect(Math.abs(dot - (a === b ? 1 : 0))).toBeLessThan((1 + error) ** 2 - 1);
        }
    }
  });

  it('keeps the direction: the update agrees with the gradient', async () => {
    for (const coefficients of Object.keys(coefficientSets) as (keyof typeof coefficientSets)[]) {
      const [o, g] = [await update([8, 12], { coefficients }), normal(96, 1)];
      expect(o.reduce((sum, x, i) => sum + x * g[i]!, 0)).toBeGreaterThan(0);
    }
  });

  it.each<[ShapeScale, (m: number, n: number) => number]>([
    ['none', () => 1],
    ['original', (m, n) => Math.sqrt(Math.max(1, m / n))],
    ['match_rms_adamw', (m, n) => 0.2 * Math.sqrt(Math.max(m, n))],
    ['spectral', (m, n) => Math.sqrt(m / n)],
    ['max', (m, n) => Math.sqrt(Math.max(m, n))],
  ])('scales by shape: %s', async (shapeScale, scale) => {
    for (const [m, n] of [
      [4, 9],
      [9, 4],
    ] as const) {
      const [scaled, plain] = [await update([m, n], { shapeScale }), await update([m, n])];
      for (const [i, x] of scaled.entries()) expect(x).toBeCloseTo(plain[i]! * scale(m, n), 12);
    }
    // A convolution by its flattened matrix.
    const [scaled, plain] = [await update([9, 2, 2, 1], { shapeScale }), await update([9, 4])];
    for (const [i, x] of scaled.entries()) expect(x).toBeCloseTo(plain[i]! * scale(9, 4), 12);
  });

  it.each([true, false])(
    'steps the same by either form of momentum when eps is scaled, nesterov %s',
    async (nesterov) => {
      const run = async (options: object): Promise<number[]> => {
        const weight = Tensor.zeros(device, [5, 7], { dtype: 'f64' });
        const optimizer = new Muon([weight], { nesterov, ...options });
        for (let step = 0; step < 6; ++step) optimizer.step([Tensor.from(device, normal(35, step, 1e-3), [5, 7])]);
        return numbers(weight);
      };
      const ema = await run({ momentum: 0.9, eps: 1e-4 });
      const heavy = await run({ momentum: 0.9, eps: 1e-3, momentumForm: 'heavy-ball' });
      for (const [i, x] of ema.entries()) expect(x).toBeCloseTo(heavy[i]!, 11);
      // And not when it is not.
      const other = await run({ momentum: 0.9, eps: 1e-4, momentumForm: 'heavy-ball' });
      expect(Math.max(...other.map((x, i) => Math.abs(x - ema[i]!)))).toBeGreaterThan(1e-5);
    },
  );

  it('takes as many steps of Newton–Schulz as it is told', async () => {
    for (const nsSteps of [0, 1, 3, 5]) {
      const steps = coefficientSets.jordan.steps;
      const named = await update([5, 7], { coefficients: 'jordan', nsSteps });
      expect(named).toEqual(await update([5, 7], { coefficients: [...steps], nsSteps }));
      if (nsSteps === 0) expect(Math.hypot(...named)).toBeCloseTo(1, 6);
    }
  });
});
