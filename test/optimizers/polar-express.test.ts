// Devices: cpu
import { describe, expect, it } from 'vitest';
import { coefficientSets, polarExpress, type Triple } from '../../lib/index.ts';
import { polarExpressSteps } from '../../lib/optimizers/polar-express.ts';

const raw = { lower: 1e-3, steps: 8, cushion: 0.02407327424182761, safety: 1, safetyIn: 'all' } as const;

/** The largest difference between coefficients, relative to them. */
const difference = (a: readonly Triple[], b: readonly Triple[]): number => {
  expect(a.length).toBe(b.length);
  return Math.max(...a.flat().map((x, i) => Math.abs(x / b.flat()[i]! - 1)));
};

describe('polarExpress', () => {
  it('gives the published sets', () => {
    const { 'polar-express': all, 'polar-express-101': most, 'polar-express-kj': kj, cans } = coefficientSets;
    // The last two rows of the published set are rounded to its limit.
    expect(difference(polarExpress({ steps: 6 }), all.steps.slice(0, 6))).toBeLessThan(2e-14);
    expect(difference(polarExpress({ steps: 8 }), all.steps)).toBeLessThan(1e-8);
    expect(difference(polarExpress({ steps: 7, safety: 1.01 }), most.steps.slice(0, 7))).toBeLessThan(1e-9);
    const inside = polarExpress({ cushion: 0.02, safety: 1.02, safetyIn: 'recurrence' });
    expect(difference(inside, kj.steps)).toBeLessThan(1e-14);
    const without = polarExpressSteps({ ...raw, steps: 5, cushion: 0 });
    for (const [i, x] of without.flat().entries()) expect(x).toBeCloseTo(cans.steps.flat()[i]!, 4);
  });

  it('is at the fixed point of Newton where singular values are all 1', () => {
    expect(polarExpressSteps({ ...raw, lower: 1, steps: 1 })).toEqual([[1.875, -1.25, 0.375]]);
  });

  it('takes small singular values to 1', () => {
    const steps = polarExpress({ lower: 1e-10, steps: 20, safety: 1.01, safetyIn: 'recurrence' });
    for (const sigma of [1e-10, 1e-7, 1e-3, 0.3, 1]) {
      const value = steps.reduce((x, [a, b, c]) => a * x + b * x ** 3 + c * x ** 5, sigma);
      expect(Math.abs(value - 1), `${sigma}`).toBeLessThan(1e-9);
    }
  });

  it('refuses unsafe steps with the reason', () => {
    const refused = (options: object, message: RegExp): void => {
      expect(() => polarExpress(options)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
      expect(() => polarExpress(options)).toThrow(message);
    };
    refused({ safety: 1 }, /^polarExpress: safety must keep singular values up to 1.01.*, got .* for 1.001$/);
    refused({ cushion: 0, lower: 1e-6 }, /^polarExpress: steps must be so many/);
    for (const lower of [0, -1, 1.5, Number.NaN]) refused({ lower }, /lower/);
    for (const steps of [0, 1.5, 101]) refused({ steps }, /steps/);
    for (const safety of [0.9, 3, '1.05']) refused({ safety }, /safety/);
    refused({ safetyIn: 'last' }, /safetyIn/);
    refused({ cushion: 2 }, /cushion/);
    refused({ length: 5 }, /length/);
  });
});
