// Devices: cpu
// npm run experiment -- fairness: its derivatives, a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { judge, pageOf } from '../../scripts/experiments/fairness/page.mjs';
import { problemOf, samplesOf, variables } from '../../scripts/experiments/fairness/problem.mjs';
import { run } from '../../scripts/experiments/fairness/run.mjs';

describe('the experiment of equal errors', () => {
  it('has derivatives that fit its values', async () => {
    const problem = problemOf(samplesOf('quick', 1).train, true);
    const m = problem.constraints;
    const w = Float64Array.from({ length: variables }, (_, i) => Math.sin(i) / 5);
    const lambda = Float64Array.of(0.3, -0.7);
    const made = (size: number, f: (out: Float64Array) => unknown) => {
      const out = new Float64Array(size);
      f(out);
      return out;
    };
    const gradient = (x: Float64Array) => made(variables, (out) => problem.gradient(x, out));
    const jacobian = (x: Float64Array) => made(m * variables, (out) => problem.jacobian(x, out));
    const slope = (x: Float64Array) => {
      const j = jacobian(x);
      return gradient(x).map((g, i) => g + lambda[0]! * j[i]! + lambda[1]! * j[variables + i]!);
    };
    const hessian = made(variables ** 2, (out) => problem.hessian(w, lambda, out));
    for (const at of [0, 60, 149]) {
      const [above, below] = [1e-5, -1e-5].map((h) => w.with(at, w[at]! + h)) as [Float64Array, Float64Array];
      const difference = (f: (x: Float64Array) => Float64Array) => {
        const end = f(below);
        return f(above).map((x, i) => (x - end[i]!) / 2e-5);
      };
      const value = difference((x) => Float64Array.of(problem.value(x) as number))[0]!;
      expect(Math.abs(value - gradient(w)[at]!)).toBeLessThan(1e-8);
      const constraint = difference((x) => made(m, (out) => problem.constraint(x, out)));
      for (const k of [0, 1]) expect(Math.abs(constraint[k]! - jacobian(w)[k * variables + at]!)).toBeLessThan(1e-8);
      const row = difference(slope);
      for (const [i, x] of row.entries()) expect(Math.abs(x - hessian[at * variables + i]!)).toBeLessThan(1e-8);
    }
  });

  it('makes errors equal that were not', async () => {
    const { free, fair } = await run({ size: 'quick', seed: 1 });
    const expected = (way: typeof free) => way.train.map((one) => one.expected);
    expect(Math.max(...expected(free)) - Math.min(...expected(free))).toBeGreaterThan(0.1);
    expect(Math.max(...expected(fair)) - Math.min(...expected(fair))).toBeLessThan(1e-5);
    expect(fair.value).toBeGreaterThan(free.value);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const errors = (first: number, last: number) => [first, 0.2, last].map((x) => ({ expected: x, wrong: x }));
    const made = (first: number, last: number) => ({
      ...{ size: 'full', seed: 1 },
      free: { value: 0.5, train: errors(0.1, 0.5), test: errors(0.1, 0.5) },
      fair: { status: 'converged', iterations: 5, value: 0.58, kkt: [0.5, 0.1, 1e-2, 1e-5, 1e-10], alphas: [1, 1, 1, 1], train: errors(0.2, 0.2), test: errors(first, last) },
      block: { status: 'converged', iterations: 3, inner: 999, apart: 1e-4 },
    }); // biome-ignore format: one line each
    expect(judge([made(0.19, 0.21)])).toEqual({
      ...{ constraint: 'seen', test: 'seen', superlinear: 'seen', sketch: 'seen', fewer: 'seen' },
    });
    expect(judge([made(0.1, 0.6)]).test).toBe('refuted');
    const page = pageOf([made(0.19, 0.21)], 'runs took 2 s');
    for (const text of ['19.0 %, 20.0 %, 21.0 %', '999 inner', '*seen*']) expect(page).toContain(text);
  });
});
