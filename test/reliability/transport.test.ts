// Devices: cpu
// Random transport problems, hard ones among them: what is called converged is, numbers stay numbers, and all have a status.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, sinkhorn, Tensor, type TransportMethod } from '../../lib/index.ts';
import { columnSumsOf, distance, planOf, rowSumsOf } from '../reference/transport.ts';
import { uniform } from '../support/data.ts';
import { goal } from '../support/goal.ts';
import { valuesOf } from '../support/tensors.ts';

const certificates = goal('R11', { ci: 200, deep: 20_000 });
const methods: readonly TransportMethod[] = ['auto', 'sns', 'sns', 'sinkhorn', 'ssns', 'splr', 'lbfgs'];

/** A problem of its own for each seed: sizes, masses of 0, ties, forbidden pairs, eps from 1e-1 to 1e-6. */
function problem(seed: number) {
  const next = uniform(seed);
  const whole = (below: number) => Math.floor(below * next());
  const [n, m] = [1 + whole(24), 1 + whole(24)];
  const dtype = next() < 0.2 ? ('f32' as const) : ('f64' as const);
  const ties = next() < 0.3;
  const holes: number = next() < 0.2 ? 0.3 : 0;
  const round = (x: number) => (dtype === 'f32' ? Math.fround(x) : x);
  const cost = Float64Array.from({ length: n * m }, () => {
    const x = next();
    return next() < holes ? Infinity : round(ties ? Math.floor(4 * x) / 4 : x);
  });
  const masses = (size: number) => {
    const power: number = next() < 0.3 ? 6 : 1;
    const list = Array.from({ length: size }, () => (next() < 0.1 ? 0 : next() ** power + 1e-9));
    if (!list.some((x) => x > 0)) list[0] = 1;
    const total = list.reduce((x, y) => x + y, 0);
    return Float64Array.from(list, (x) => x / total);
  };
  return {
    ...{ n, m, dtype, cost },
    a: masses(n),
    b: masses(m),
    eps: 10 ** -(1 + 5 * next()),
    tol: 10 ** -(4 + 6 * next()),
    method: methods[whole(methods.length)]!,
    gauge: next() < 0.2 ? ('last' as const) : ('balanced' as const),
  };
}

describe('R11: transport certificates', certificates.tagged, () => {
  const device = Device.open('cpu', { threads: 1 });
  afterAll(() => device.close());

  it(
    'converged is converged, the dual is not above the primal, nothing is NaN',
    async () => {
      const seen = new Set<string>();
      await certificates.each(async (seed) => {
        const { n, m, dtype, cost, a, b, ...options } = problem(seed);
        const { eps, tol, method } = options;
        const numbers = dtype === 'f32' ? Float32Array.from(cost) : cost;
        using tensor = Tensor.from(device, numbers, [n, m]);
        const bare = (mass: Float64Array, at: (i: number, k: number) => number, others: number) =>
          mass.some(
            (x, i) => x > 0 && Array.from({ length: others }, (_, k) => cost[at(i, k)]!).every((c) => c === Infinity),
          );
        const isBare = bare(a, (i, j) => i * m + j, m) || bare(b, (j, i) => i * m + j, n);
        const solved = sinkhorn(tensor, { a, b, ...options, maxSweeps: 300, maxNewton: 100 });
        if (isBare) return expect(solved).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
        using result = await solved;
        seen.add(result.status);
        const [f, g] = await Promise.all([valuesOf(result.f), valuesOf(result.g)]);
        const plan = planOf(cost, f, g, eps);
        const error = distance(a, rowSumsOf(plan, n, m)) + distance(b, columnSumsOf(plan, n, m));
        const isNumber = [result.value, result.cost, result.marginalError, error].every(Number.isFinite);
        expect(isNumber, `${method} ${result.status}`).toBe(true);
        for (const [i, x] of [...f, ...g].entries())
          expect(Number.isFinite(x) || (x === -Infinity && [...a, ...b][i] === 0)).toBe(true);
        const largest = [...f, ...g].reduce((most, x) => (x === -Infinity ? most : Math.max(most, Math.abs(x))), 1);
        // Exponents are rounded at the size of the potentials, and each sum feels that at its own.
        const rounding = (1e-13 + (2 ** -50 * largest) / eps) * (1 + error);
        expect(Math.abs(error - result.marginalError)).toBeLessThan(rounding);
        if (result.status === 'converged') expect(error).toBeLessThanOrEqual(tol + rounding);
        if (result.status !== 'converged') expect(result.marginalError).toBeGreaterThan(tol);
        // The primal of a plan that is right but for its error, and the dual of its potentials.
        const weighted = (x: Float64Array, mass: Float64Array) =>
          x.reduce((sum, y, i) => (mass[i] === 0 ? sum : sum + y * mass[i]!), 0);
        const total = plan.reduce((x, y) => x + y, 0);
        const dual = weighted(f, a) + weighted(g, b) - eps * (total - 1);
        // The value is ⟨f, P 1⟩ + ⟨g, Pᵀ 1⟩ of the sums that marginalError is of; the total is of the plan here.
        const missing = result.marginalError * largest + error * eps;
        expect(dual).toBeLessThanOrEqual(result.value + missing + 1e-12 * (largest + eps));
      });
      if (certificates.count > 100) expect(seen).toContain('converged');
    },
    certificates.limit(120_000),
  );
});
