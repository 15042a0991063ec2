// Devices: cpu
// npm run experiment -- total-variation: its problem against differences, its constants, a tiny run, and the page of runs that are made up.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { experiment } from '../../scripts/experiments/total-variation/index.mjs';
import { above, all, judge, pageOf, seeds, workOf } from '../../scripts/experiments/total-variation/page.mjs';
import { clean, noisy, side } from '../../scripts/experiments/total-variation/picture.mjs';
import { bounds, lipschitzOf, problemOf, tiles } from '../../scripts/experiments/total-variation/problem.mjs';
import { run } from '../../scripts/experiments/total-variation/run.mjs';
import { normal } from '../support/data.ts';
import { shownQuickly } from './quick.ts';

describe('the experiment of total variation', () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());
  const { lower, upper } = problemOf(device, noisy(1, 0.1), clean());
  const picture = (x: ArrayLike<number>) => Tensor.from(device, Float64Array.from(x), [side, side]);
  const weights = (x: ArrayLike<number>) => Tensor.from(device, Float64Array.from(x), [tiles, tiles]);
  const gradient = async (u: ArrayLike<number>, theta: ArrayLike<number>) => {
    const out = picture(u);
    lower.gradient(picture(u), weights(theta), out);
    return out.read();
  };
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, x, i) => sum + x * b[i]!, 0);
  const size = (x: ArrayLike<number>) => Math.sqrt(dot(x, x));
  const u = noisy(2, 0.1);
  const theta = [...normal(tiles * tiles, 5)].map((x) => x - 2);
  const v = [...normal(side * side, 6)];
  const eps = 1e-5;

  it('has second derivatives that are the differences of its gradient', async () => {
    const out = picture(v);
    lower.hessianProduct(picture(u), weights(theta), picture(v), out);
    const product = await out.read();
    const [plus, minus] = [await gradient(u.map((x, i) => x + eps * v[i]!), theta), await gradient(u.map((x, i) => x - eps * v[i]!), theta)]; // biome-ignore format: one line
    expect(size(product.map((x, i) => x - (plus[i]! - minus[i]!) / (2 * eps)))).toBeLessThan(1e-6 * size(product));
    const toTheta = weights(theta);
    lower.jacobianTransposed(picture(u), weights(theta), picture(v), toTheta);
    const found = await toTheta.read();
    for (const at of [0, 6, 15]) {
      const [up, down] = [eps, -eps].map((step) => theta.map((x, i) => x + (i === at ? step : 0))) as [number[], number[]]; // biome-ignore format: one line
      const [a, b] = [await gradient(u, up), await gradient(u, down)];
      expect(found[at]).toBeCloseTo((dot(a, v) - dot(b, v)) / (2 * eps), 6);
    }
    // ∇²ₓθ h is within B here, and the Hessian between 1 and L.
    expect(size(found)).toBeLessThan(bounds.B * size(v));
    expect(dot(product, v) / dot(v, v)).toBeGreaterThan(1);
    expect(dot(product, v) / dot(v, v)).toBeLessThan(await lipschitzOf(weights(theta)));
  });

  it('judges by the distance to the clean picture', async () => {
    const out = Tensor.zeros(device, [1], { dtype: 'f64' });
    upper.value(picture(u), out);
    expect((await out.read())[0]).toBeCloseTo(size(u.map((x, i) => x - clean()[i]!)) ** 2 / 2, 10);
  });

  it('gets nearer in small', async () => {
    const { value, certified, falls } = await run({ revision: 1, size: 'quick', way: 'certified', eps: 1, seed: 1 });
    expect(value).toBeLessThan(4.8);
    expect([certified, falls]).toEqual([true, true]);
  });

  it('makes all tiny runs in little time', { timeout: 60_000 }, async () => {
    const shown = await shownQuickly(experiment);
    for (const text of ['certified', 'estimated', 'fixed', 'tiny runs prove nothing']) expect(shown).toContain(text);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = all.flatMap(({ way, eps }) =>
      seeds.map((seed) => {
        const value = way === 'fixed' && eps > 0.05 ? 4 : 3;
        const [work, certified] = [way === 'certified' ? 900 : way === 'fixed' ? 800 : 700, way === 'certified'];
        return { way, eps, seed, value, certified, status: 'converged', length: 0.01, gradNorm: 0.011, error: 0.005, isWithin: true, falls: true, lowerCalls: 2000, cgCalls: 50, weights: Array(16).fill(0.1), curve: [[100, 5], [work, value]] }; // biome-ignore format: one line
      }),
    );
    expect([above(made, { seed: 1, value: 6 }), workOf(made, made[0]), workOf(made, { seed: 1, value: 4 })]).toEqual([1, 900, Number.POSITIVE_INFINITY]); // biome-ignore format: one line
    expect(judge(made)).toEqual({ holds: 'seen', robust: 'seen', stalls: '2 of 4', cheaper: 'refuted', estimated: 'seen' }); // biome-ignore format: one line
    expect(judge([{ ...made[0]!, error: 1e-4 }, ...made.slice(1)]).holds).toBe('in 11 of 12 cases only');
    const page = pageOf(made, 'runs took 2 s');
    for (const text of ['3.000, 3.000', 'never, never', '*2 of 4*', '0.100']) expect(page).toContain(text);
  });
});
