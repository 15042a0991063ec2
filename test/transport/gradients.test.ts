// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type SinkhornOptions, sinkhorn, Tensor, type TransportVariable } from '../../lib/index.ts';
import { planOf } from '../reference/transport.ts';
import { devices } from '../support/devices.ts';
import { valuesOf } from '../support/tensors.ts';
import { massesOf, numbers } from '../support/transport.ts';

const [n, m, d] = [6, 9, 2];
const problem = {
  cost: numbers(n * m, 1),
  x: numbers(n * d, 2),
  y: numbers(m * d, 3),
  a: massesOf(n, 4),
  b: numbers(m, 5, 0.5, 1),
};
const total = problem.b.reduce((s, q) => s + q, 0);
problem.b = problem.b.map((q) => q / total);
type Problem = typeof problem;

describe.each(devices)('gradients on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const solve = async (
    { cost, x, y, a, b }: Problem,
    metric: 'sqeuclidean' | 'euclidean' | 'l1' | undefined,
    options: Partial<SinkhornOptions>,
  ) => {
    const own = { a, b, eps: 0.1, tol: 1e-12, maxSweeps: 20_000, ...options };
    if (metric === undefined) {
      using stored = Tensor.from(device, cost, [n, m]);
      return await sinkhorn(stored, own);
    }
    using xs = Tensor.from(device, x, [n, d]);
    using ys = Tensor.from(device, y, [m, d]);
    return await sinkhorn({ x: xs, y: ys, metric }, own);
  };
  const h = 1e-4;
  /** The derivative of the value in the direction, which keeps totals. */
  const slope = async (
    by: 'cost' | 'x' | 'y' | 'a' | 'b',
    direction: Float64Array,
    ...rest: [metric: Parameters<typeof solve>[1], options: Partial<SinkhornOptions>]
  ) => {
    const at = async (t: number) => {
      const moved = problem[by].map((x, i) => x + t * direction[i]!);
      using result = await solve({ ...problem, [by]: moved }, ...rest);
      return result.value;
    };
    return ((await at(h)) - (await at(-h))) / (2 * h);
  };
  const directionOf = (by: keyof Problem, keepsTotal: boolean): Float64Array => {
    const direction = numbers(problem[by].length, 7, -1, 1).map((x, i) => (problem[by][i] === 0 ? 0 : x));
    if (!keepsTotal) return direction;
    const moving = problem[by].filter((x) => x !== 0).length;
    const mean = direction.reduce((s, x) => s + x, 0) / moving;
    return direction.map((x, i) => (problem[by][i] === 0 ? 0 : 0.1 * (x - mean)));
  };
  const along = (gradient: Float64Array, direction: Float64Array) =>
    gradient.reduce((s, x, i) => s + (direction[i] === 0 ? 0 : x * direction[i]!), 0);

  it.each<[by: Exclude<TransportVariable, 'eps'>, metric: 'sqeuclidean' | 'euclidean' | 'l1' | undefined]>([
    ['cost', undefined],
    ['a', undefined],
    ['b', undefined],
    ['b', 'l1'],
    ['x', 'sqeuclidean'],
    ['y', 'sqeuclidean'],
    ['x', 'euclidean'],
    ['y', 'euclidean'],
    ['x', 'l1'],
    ['y', 'l1'],
  ])('by %s, of %s, agree with differences of the value', async (by, metric) => {
    const direction = directionOf(by, by === 'a' || by === 'b');
    using result = await solve(problem, metric, {});
    using gradient = await result.gradient(by);
    expect(gradient.shape).toEqual({ cost: [n, m], x: [n, d], y: [m, d], a: [n], b: [m] }[by]);
    const expected = await slope(by, direction, metric, {});
    expect(Math.abs(expected)).toBeGreaterThan(1e-3);
    expect(along(await valuesOf(gradient), direction)).toBeCloseTo(expected, 6);
  });

  it.each([
    [{ rhoA: 0.3, rhoB: 0.7 }, 'a'],
    [{ rhoA: 0.3, rhoB: 0.7 }, 'x'],
    [{ rhoA: 0.3 }, 'a'],
    [{ rhoA: 0.3 }, 'b'],
    [{ rhoB: 0.5 }, 'a'],
    [{ rhoB: 0.5 }, 'b'],
    [{ rhoB: 0.5 }, 'y'],
  ] as const)('of unbalanced masses %j by %s too', async (unbalanced, by) => {
    const direction = directionOf(by, false);
    using result = await solve(problem, 'sqeuclidean', { unbalanced });
    using gradient = await result.gradient(by);
    const expected = await slope(by, direction, 'sqeuclidean', { unbalanced });
    expect(along(await valuesOf(gradient), direction)).toBeCloseTo(expected, 6);
  });

  it.each([undefined, { rhoA: 0.3 }])('by eps, unbalanced %j', async (unbalanced) => {
    const value = async (eps: number) => {
      using result = await solve(problem, 'sqeuclidean', { eps, unbalanced });
      return result.value;
    };
    using result = await solve(problem, 'sqeuclidean', { unbalanced });
    const expected = ((await value(0.1 + h)) - (await value(0.1 - h))) / (2 * h);
    expect(await result.gradient('eps')).toBeCloseTo(expected, 4);
  });

  it('the plan is applied to vectors and matrices, in their dtype', async () => {
    for (const metric of [undefined, 'euclidean'] as const) {
      using result = await solve(problem, metric, {});
      const plan = await valuesOf(await result.plan());
      for (const dtype of ['f64', 'f32'] as const) {
        const v = numbers(m * 3, 8, -1, 1, dtype);
        using matrix = Tensor.from(device, v, [m, 3]).cast(dtype);
        using out = await result.apply(matrix);
        expect([out.dtype, ...out.shape]).toEqual([dtype, n, 3]);
        for (const [at, x] of (await valuesOf(out)).entries()) {
          let sum = 0;
          for (let j = 0; j < m; j++) sum += plan[Math.floor(at / 3) * m + j]! * v[3 * j + (at % 3)]!;
          expect(x).toBeCloseTo(sum, dtype === 'f64' ? 12 : 6);
        }
        const w = numbers(n, 9, -1, 1, dtype);
        using column = Tensor.from(device, w, [n]).cast(dtype);
        using back = await result.apply(column, { transpose: true });
        expect(back.shape).toEqual([m]);
        for (const [j, x] of (await valuesOf(back)).entries())
          expect(x).toBeCloseTo(
            w.reduce((sum, y, i) => sum + plan[i * m + j]! * y, 0),
            dtype === 'f64' ? 12 : 6,
          );
      }
    }
  });

  it('what has none is refused', async () => {
    using result = await solve(problem, undefined, {});
    await expect(result.gradient('x')).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    await expect(result.gradient('tol' as 'a')).rejects.toThrow(
      "gradient: by must be one of 'cost', 'x', 'y', 'a', 'b', 'eps', got 'tol'",
    );
    using wrong = Tensor.zeros(device, [n]);
    await expect(result.apply(wrong)).rejects.toThrow('apply: v must have shape [9] or [9, k], got [6]');
    await expect(result.apply([1] as never)).rejects.toThrow('apply: v must be a Tensor');
    using half = Tensor.zeros(device, [m], { dtype: 'f16' });
    await expect(result.apply(half)).rejects.toMatchObject({ code: 'ERR_DTYPE' });
  });

  it('a mass of 0 has the gradient −infinity: the entropy of the first grain is worth everything', async () => {
    using result = await solve({ ...problem, a: Float64Array.of(0.5, 0, 0.2, 0.1, 0.1, 0.1) }, undefined, {});
    expect((await valuesOf(await result.gradient('a')))[1]).toBe(-Infinity);
  });

  it('unbalanced: the optimum of its conditions, masses of other totals and of 0 included', async () => {
    for (const metric of [undefined, 'l1'] as const) {
      const [a, b] = [massesOf(7, 1).map((x) => 2 * x), massesOf(9, 2)];
      const own = { ...problem, a: a.subarray(0, n), b };
      const [rhoA, rhoB, eps] = [0.4, 0.9, 0.1];
      using result = await solve(own, metric, { unbalanced: { rhoA, rhoB }, eps });
      expect(result.status).toBe('converged');
      const [f, g] = [await valuesOf(result.f), await valuesOf(result.g)];
      const plan = await valuesOf(await result.plan());
      const rows = own.a.map((_, i) => plan.subarray(i * m, i * m + m).reduce((s, p) => s + p, 0));
      for (const [i, sum] of rows.entries())
        expect(sum).toBeCloseTo(own.a[i] === 0 ? 0 : own.a[i]! * Math.exp(-f[i]! / rhoA), 10);
      for (let j = 0; j < m; j++) {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += plan[i * m + j]!;
        expect(sum).toBeCloseTo(b[j] === 0 ? 0 : b[j]! * Math.exp(-g[j]! / rhoB), 10);
      }
      if (metric === undefined) expect(planOf(problem.cost, f, g, eps)[0]).toBeCloseTo(plan[0]!, 12);
    }
  });

  it('unbalanced with dear marginals is nearly balanced, and refuses what does not go with it', async () => {
    using balanced = await solve(problem, 'sqeuclidean', {});
    using dear = await solve(problem, 'sqeuclidean', { unbalanced: { rhoA: 20, rhoB: 20 } });
    expect(dear.cost).toBeCloseTo(balanced.cost, 2);
    const call = (options: object) => solve(problem, undefined, options);
    await expect(call({ unbalanced: { rhoA: 1 }, method: 'sns' })).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    await expect(call({ unbalanced: {} })).rejects.toThrow('unbalanced must have rhoA or rhoB, got neither');
    await expect(call({ unbalanced: 1 })).rejects.toThrow('unbalanced must be an object, got 1');
    await expect(call({ unbalanced: { rhoA: -1 } })).rejects.toThrow(
      'unbalanced.rhoA must be a positive number, got -1',
    );
  });
});
