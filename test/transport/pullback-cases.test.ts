// Devices: cpu, cuda
// Gradients of PyTorch, an independent program: test/golden/transport-pullback.json says how they were made; closed forms; edges.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Metric, sinkhorn, Tensor, type TransportCotangents } from '../../lib/index.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { valuesOf } from '../support/tensors.ts';
import { massesOf, numbers, plane, splitMix } from '../support/transport.ts';

interface Golden {
  readonly metric: Metric;
  readonly eps: number;
  readonly rhoA: number | null;
  readonly rhoB: number | null;
  readonly rows: number;
  readonly columns: number;
  readonly dimension: number;
  readonly width: number;
  readonly x: number[];
  readonly y: number[];
  readonly v: number[];
  readonly t: number[];
  readonly w: number[];
  readonly z: number[];
  readonly a: number[];
  readonly b: number[];
  readonly gradients: Record<'x' | 'y' | 'a' | 'b' | 'eps' | 'cost', number[]>;
}
const file = path.join(import.meta.dirname, '..', 'golden', 'transport-pullback.json');
const { problems } = JSON.parse(readFileSync(file, 'utf8')) as { problems: Golden[] };

/** Differences are computed here, for all devices. */
const cpu = Device.open('cpu');
afterAll(() => cpu.close());

describe.each(devices)('pullbacks on %s:', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const made = (x: ArrayLike<number>, shape: readonly number[], on = device) =>
    Tensor.from(on, Float64Array.from(x), shape);
  const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, within: number) => {
    expect(actual.length).toBe(expected.length);
    const most = Math.max(...Array.from(expected, Math.abs));
    for (let i = 0; i < actual.length; i++)
      expect(Math.abs(actual[i]! - expected[i]!), `${i}: ${actual[i]}, ${expected[i]}`).toBeLessThan(within * most);
  };

  it.each(problems)('automatic differentiation of $rows × $columns points, $metric, rhoA $rhoA', async (golden) => {
    const { rows: n, columns: m, dimension: d, width: k, metric, eps, a, b } = golden;
    using x = made(golden.x, [n, d]);
    using y = made(golden.y, [m, d]);
    using v = made(golden.v, [m, k]);
    const unbalanced = golden.rhoA === null ? undefined : { rhoA: golden.rhoA, rhoB: golden.rhoB! };
    using result = await sinkhorn({ x, y, metric }, { a, b, eps, tol: 1e-14, maxSweeps: 5000, unbalanced });
    using plan = await result.plan();
    using moved = await result.apply(v);
    using left = made(
      (await valuesOf(moved)).map((p, at) => p - golden.t[at]!),
      [n, k],
    );
    using f = made(golden.w, [n]);
    using g = made(golden.z, [m]);
    const names = ['x', 'y', 'a', 'b', 'eps', 'cost'] as const;
    // A loss is a sum: so are its gradients.
    const thin = await result.pullback({ f, g, plan: { left, right: v }, cost: 1 / 3 }, names);
    const square = await result.pullback({ plan }, names);
    for (const name of names) {
      const [one, other] = [thin[name], square[name]];
      const [p, q] = await Promise.all(
        [one, other].map(async (gradient) => (typeof gradient === 'number' ? [gradient] : await valuesOf(gradient))),
      );
      close(
        Array.from(p!, (value, i) => value + q![i]!),
        golden.gradients[name],
        1e-9,
      );
    }
  });

  it('of 2 × 2 symmetric costs have a closed form', async () => {
    const [c, eps] = [0.3, 0.2];
    using cost = made([0, c, c, 0], [2, 2]);
    using result = await sinkhorn(cost, { eps, tol: 1e-14 });
    const share = 1 / (1 + Math.exp(-c / eps));
    using plan = made([1, 0, 0, 0], [2, 2]);
    const { cost: byCost, eps: byEps, a } = await result.pullback({ plan }, ['cost', 'eps', 'a']);
    // P₁₁ = s(Δ / 2 eps) / 2 with the logistic function s and Δ = C₁₂ + C₂₁ − C₁₁ − C₂₂.
    const slope = (share * (1 - share)) / (4 * eps);
    close(await valuesOf(byCost), [-slope, slope, slope, -slope], 1e-13);
    expect(byEps).toBeCloseTo((-slope * 2 * c) / eps, 14);
    // More mass in the first row goes to both columns alike, by symmetry.
    const [up, down] = await valuesOf(a);
    expect(up! - down!).toBeCloseTo(0.5, 13);
  });

  it('gauge "last" differentiates the potentials that it returns', async () => {
    const [n, m] = [4, 5];
    const [costs, f, g] = [numbers(n * m, 1), numbers(n, 2), numbers(m, 3)];
    const [direction, h] = [numbers(n * m, 4, -1, 1), 1e-4];
    const solve = async (t: number, on = cpu) => {
      using cost = made(
        costs.map((x, i) => x + t * direction[i]!),
        [n, m],
        on,
      );
      return await sinkhorn(cost, { eps: 0.1, tol: 1e-13, gauge: 'last' });
    };
    const loss = async (t: number) => {
      using result = await solve(t);
      const [p, q] = [await valuesOf(result.f), await valuesOf(result.g)];
      return f.reduce((s, x, i) => s + x * p[i]!, 0) + g.reduce((s, x, j) => s + x * q[j]!, 0);
    };
    using result = await solve(0, device);
    using gradient = await result.pullback({ f: made(f, [n]), g: made(g, [m]) }, 'cost');
    const actual = (await valuesOf(gradient)).reduce((s, x, i) => s + x * direction[i]!, 0);
    expect(actual).toBeCloseTo(((await loss(h)) - (await loss(-h))) / (2 * h), 6);
  });

  it('by a mass of 0 the derivative for its first grain; infinite where its potential counts', async () => {
    const [n, m, eps, grain] = [4, 5, 0.1, 1e-5];
    const [costs, plans] = [numbers(n * m, 1), numbers(n * m, 2, -1, 1)];
    const [a, b] = [
      [0.3, 0, 0.4, 0.3],
      [0.2, 0.3, 0, 0.1, 0.4],
    ];
    const solve = async (side: 'a' | 'b', t: number, zero: number, on = cpu) => {
      using cost = made(costs, [n, m], on);
      const masses = { a: [...a], b: [...b] };
      masses[side][zero] = t;
      masses[side][0] = masses[side][0]! - t;
      return await sinkhorn(cost, { ...masses, eps, tol: 1e-13, method: 'sinkhorn' });
    };
    for (const [side, zero] of [
      ['a', 1],
      ['b', 2],
    ] as const) {
      const loss = async (t: number) => {
        using result = await solve(side, t, zero);
        using plan = await result.plan();
        return (await valuesOf(plan)).reduce((s, x, i) => s + x * plans[i]!, 0) + result.cost;
      };
      using result = await solve(side, 0, zero, device);
      using gradient = await result.pullback({ plan: made(plans, [n, m]), cost: 1 }, side);
      const values = await valuesOf(gradient);
      const slope = (4 * (await loss(grain)) - (await loss(2 * grain)) - 3 * (await loss(0))) / (2 * grain);
      expect(values[zero]! - values[0]!).toBeCloseTo(slope, 6);
      using counted = await result.pullback({ f: made([1, 2, 3, 4], [n]), g: made([1, 1, -1, 1, 1], [m]) }, side);
      expect((await valuesOf(counted))[zero]).toBe(side === 'a' ? Infinity : -Infinity);
    }
  });

  it('parts of a plan that exchange no mass: their own shifts do not count, and what is asked of them is left out', async () => {
    const block = (i: number, j: number) => (i < 3 ? j < 4 : j >= 4);
    const [n, m, eps] = [5, 7, 0.1];
    const costs = numbers(n * m, 1).map((x, at) => (block(Math.floor(at / m), at % m) ? x : Infinity));
    const [a, b] = [Array(n).fill(0.2), Float64Array.of(...Array(4).fill(0.15), ...Array(3).fill(0.4 / 3))];
    const plans = numbers(n * m, 2, -1, 1);
    const direction = numbers(n * m, 4, -1, 1);
    const solve = async (t: number, on = cpu) => {
      using cost = made(
        costs.map((x, i) => x + t * direction[i]!),
        [n, m],
        on,
      );
      return await sinkhorn(cost, { a, b, eps, tol: 1e-13, method: 'sinkhorn' });
    };
    const loss = async (t: number) => {
      using result = await solve(t);
      using plan = await result.plan();
      return (await valuesOf(plan)).reduce((s, x, i) => s + x * plans[i]!, 0);
    };
    using result = await solve(0, device);
    using gradient = await result.pullback({ plan: made(plans, [n, m]) }, 'cost');
    const values = await valuesOf(gradient);
    const actual = values.reduce((s, x, i) => s + (x === 0 ? 0 : x * direction[i]!), 0);
    expect(actual).toBeCloseTo(((await loss(1e-4)) - (await loss(-1e-4))) / 2e-4, 6);
    // Within the first part, f against f: the shift cancels. All of one part against all of the other ask for it alone.
    const of = await valuesOf(await result.pullback({ f: made([1, -1, 0, 0, 0], [n]) }, 'cost'));
    const shifted = await valuesOf(await result.pullback({ f: made([2, 0, 1, -1.5, -1.5], [n]) }, 'cost'));
    close(shifted, of, 1e-10);
    const difference = async (t: number) => {
      using moved = await solve(t);
      const f = await valuesOf(moved.f);
      return f[0]! - f[1]!;
    };
    const along = of.reduce((s, x, i) => s + (x === 0 ? 0 : x * direction[i]!), 0);
    expect(along).toBeCloseTo(((await difference(1e-4)) - (await difference(-1e-4))) / 2e-4, 6);
  });

  it('f32 costs and cotangents: f64 inside, rounded once', async () => {
    const [n, m, d] = [11, 13, 3];
    const [x, y] = [numbers(n * d, 1, 0, 1, 'f32'), numbers(m * d, 2, 0, 1, 'f32')];
    const gradients = async (dtype: 'f32' | 'f64') => {
      const of = (numbersOf: Float64Array, shape: number[]) => made(numbersOf, shape).cast(dtype);
      using result = await sinkhorn(
        { x: of(x, [n, d]), y: of(y, [m, d]) },
        { eps: 0.1, tol: dtype === 'f32' ? 1e-5 : 1e-12 },
      );
      const out = await result.pullback(
        { plan: of(numbers(n * m, 3, -1, 1, 'f32'), [n, m]), f: of(numbers(n, 4, -1, 1, 'f32'), [n]), cost: 1 },
        ['x', 'y', 'a', 'b', 'cost', 'eps'],
      );
      expect([out.x.dtype, out.y.dtype, out.a.dtype, out.cost.dtype]).toEqual([dtype, dtype, dtype, dtype]);
      expect([out.x.shape, out.y.shape, out.a.shape, out.b.shape, out.cost.shape]).toEqual([
        [n, d],
        [m, d],
        [n],
        [m],
        [n, m],
      ]);
      return out;
    };
    const [single, double] = [await gradients('f32'), await gradients('f64')];
    for (const name of ['x', 'y', 'a', 'b', 'cost'] as const)
      close(await valuesOf(single[name]), await valuesOf(double[name]), 3e-5);
    expect(single.eps / double.eps).toBeCloseTo(1, 4);
  });

  it('masses of any total; points as their stored costs; vectors as factors', async () => {
    const [n, m, d, mass] = [6, 8, 2, 3];
    using x = made(numbers(n * d, 1), [n, d]);
    using y = made(numbers(m * d, 2), [m, d]);
    const masses = { a: massesOf(n, 3).map((p) => p * mass), b: massesOf(m, 4).map((p) => p * mass) };
    const options = { ...masses, eps: 0.1, tol: 1e-13 };
    using streamed = await sinkhorn({ x, y, metric: 'euclidean' }, options);
    using cost = made(
      Array.from({ length: n * m }, (_, at) => {
        const [i, j] = [Math.floor(at / m), at % m];
        const [p, q] = [numbers(n * d, 1), numbers(m * d, 2)];
        return Math.hypot(p[2 * i]! - q[2 * j]!, p[2 * i + 1]! - q[2 * j + 1]!);
      }),
      [n, m],
    );
    using stored = await sinkhorn(cost, options);
    const [left, right] = [numbers(n, 5, -1, 1), numbers(m, 6, -1, 1)];
    const dense = Float64Array.from({ length: n * m }, (_, at) => left[Math.floor(at / m)]! * right[at % m]!);
    const names = ['cost', 'a', 'b', 'eps'] as const;
    const factors: TransportCotangents = { plan: { left: made(left, [n]), right: made(right, [m]) }, cost: 0.5 };
    const one = await streamed.pullback(factors, names);
    const other = await stored.pullback({ plan: made(dense, [n, m]), cost: 0.5 }, names);
    for (const name of ['cost', 'a', 'b'] as const) close(await valuesOf(one[name]), await valuesOf(other[name]), 1e-9);
    expect(one.eps / other.eps).toBeCloseTo(1, 9);
  });

  it('nothing asked, nothing answered; equal points have no slope', async () => {
    using x = made(numbers(8, 1), [4, 2]);
    for (const metric of ['euclidean', 'l1', 'sqeuclidean'] as const) {
      using result = await sinkhorn({ x, y: x, metric }, { eps: 0.3, tol: 1e-13 });
      const { x: zero, eps } = await result.pullback({}, ['x', 'eps']);
      expect([...(await valuesOf(zero)), eps].every((value) => value === 0)).toBe(true);
      const { x: byX, y: byY } = await result.pullback({ cost: 1 }, ['x', 'y']);
      close(await valuesOf(byX), await valuesOf(byY), 1e-9);
    }
  });

  it('cotangents of any size; plans that fall apart, of masses that nothing can carry too', async () => {
    using cost = made(numbers(25, 1), [5, 5]);
    using result = await sinkhorn(cost, { eps: 0.1, tol: 1e-12 });
    const plans = numbers(25, 2, -1, 1);
    const of = async (by: number) =>
      await valuesOf(
        await result.pullback(
          {
            plan: made(
              plans.map((x) => by * x),
              [5, 5],
            ),
          },
          'a',
        ),
      );
    const expected = await of(1);
    for (const by of [1e200, 1e-200])
      close(
        (await of(by)).map((x) => x / by),
        expected,
        1e-9,
      );
    const forbidden = [0, Infinity, Infinity, 0, 0.5, Infinity, Infinity, 0.2, 0.1];
    using barred = made(forbidden, [3, 3]);
    // No method moves the parts of such a plan as far from each other.
    using apart = await sinkhorn(barred, { eps: 0.1, a: [0.6, 0.2, 0.2], b: [0.2, 0.4, 0.4], method: 'lbfgs' });
    expect(apart.status).toBe('infeasible');
    // Three pairs are left. Of each, f + g is its cost and what the masses make of it; a shift between them is none's.
    for (const shifts of [
      [0, 0, 0],
      [3, -1, -2],
    ]) {
      const f = made(
        [1, 2, 3].map((x, i) => x + shifts[i]!),
        [3],
      );
      const gradients = await apart.pullback({ f, g: made([1, 2, 3], [3]), cost: 1 }, ['a', 'b', 'cost']);
      using plan = await apart.plan();
      const expected = [1, 0, 0, 0, 2, 0, 0, 0, 3];
      const mass = await valuesOf(plan);
      close(
        (await valuesOf(gradients.cost)).map((x, at) => x - mass[at]!),
        expected,
        1e-9,
      );
      close([...(await valuesOf(gradients.a)), ...(await valuesOf(gradients.b)), 1], [0, 0, 0, 0, 0, 0, 1], 1e-12);
    }
  });

  describe.each([
    ['Infinity', Infinity],
    ['50', 50],
  ])('two parts with costs of %s between them', (_, between) => {
    const k = 20;
    const n = 2 * k;
    const eps = 0.05;
    const names = ['a', 'b', 'cost'] as const;
    const blocks = [numbers(k * k, 7), numbers(k * k, 8)];
    const costs = Array.from({ length: n * n }, (_, at) => {
      const [i, j] = [Math.floor(at / n), at % n];
      return i < k === j < k ? blocks[i < k ? 0 : 1]![(i % k) * k + (j % k)]! : between;
    });
    // Of the first part; of the second, as much by f as by g.
    const losses = [numbers(k, 9, -1, 1), numbers(k, 10, -1, 1)];
    const columns = losses.map((f, part) => {
      const g = numbers(k, 11 + part, -1, 1);
      const excess = f.reduce((s, x) => s + x, 0) - g.reduce((s, x) => s + x, 0);
      return g.map((x) => x + excess / k);
    });
    const f = Float64Array.of(...losses[0]!, ...losses[1]!);
    const g = Float64Array.of(...columns[0]!, ...columns[1]!);

    it.each([
      ['f64', 1e-13, 1e-9],
      ['f32', 1e-5, 1e-3],
    ] as const)('%s: as two problems by themselves; losses of the shift change nothing', async (dtype, tol, within) => {
      using cost = made(costs, [n, n]).cast(dtype);
      using whole = await sinkhorn(cost, { eps, tol, method: 'sns' });
      const of = async (by: number) => {
        const shifted = f.map((x, i) => x + (i < k ? by : -by));
        const out = await whole.pullback({ f: made(shifted, [n]), g: made(g, [n]) }, names);
        return { a: await valuesOf(out.a), b: await valuesOf(out.b), cost: await valuesOf(out.cost) };
      };
      const base = await of(0);
      const shifted = await of(1);
      for (const name of names) close(shifted[name], base[name], within);
      for (const part of [0, 1]) {
        using block = made(blocks[part]!, [k, k]).cast(dtype);
        using alone = await sinkhorn(block, { eps, tol, method: 'sns' });
        const own = await alone.pullback({ f: made(losses[part]!, [k]), g: made(columns[part]!, [k]) }, names);
        const inside = base.cost.filter((_, at) => {
          const [i, j] = [Math.floor(at / n), at % n];
          return i < k === (part === 0) && j < k === (part === 0);
        });
        close(inside, await valuesOf(own.cost), within);
        // Masses are half of those of a problem by itself: its potentials move half as much by twice the mass.
        for (const name of ['a', 'b'] as const)
          close(
            base[name].slice(part * k, (part + 1) * k),
            (await valuesOf(own[name])).map((x) => 2 * x),
            within,
          );
      }
    });
  });

  it('two clusters of points far apart, whose plan is not stored: as two problems by themselves', async () => {
    const k = 20;
    const n = 2 * k;
    const eps = 0.05;
    const names = ['a', 'b', 'x', 'y'] as const;
    // In turns, so that no part has the first rows to itself.
    const points = (seed: number) => numbers(2 * n, seed).map((x, at) => x + (at % 4 < 2 ? 0 : 7));
    const part = (x: Float64Array, which: number, d: number) => x.filter((_, at) => Math.floor(at / d) % 2 === which);
    const [x, y] = [points(1), points(2)];
    const base = Float64Array.from({ length: n }, (_, i) => [1, 0.5, -1, -0.5][i] ?? 0);
    const options = { eps, tol: 1e-13, method: 'sinkhorn', maxSweeps: 20000 } as const;
    using whole = await sinkhorn({ x: made(x, [n, 2]), y: made(y, [n, 2]) }, options);
    const of = async (by: number) => {
      const f = base.map((value, i) => value + (i % 2 === 0 ? by : -by));
      const out = await whole.pullback({ f: made(f, [n]) }, names);
      return { a: await valuesOf(out.a), b: await valuesOf(out.b), x: await valuesOf(out.x), y: await valuesOf(out.y) };
    };
    const [unshifted, shifted] = [await of(0), await of(1)];
    for (const name of names) close(shifted[name], unshifted[name], 1e-8);
    for (const which of [0, 1]) {
      const [own_x, own_y] = [part(x, which, 2), part(y, which, 2)];
      using alone = await sinkhorn({ x: made(own_x, [k, 2]), y: made(own_y, [k, 2]) }, options);
      const own = await alone.pullback({ f: made(part(base, which, 1), [k]) }, names);
      for (const name of ['a', 'b'] as const)
        close(
          part(unshifted[name], which, 1),
          (await valuesOf(own[name])).map((value) => 2 * value),
          1e-8,
        );
      for (const name of ['x', 'y'] as const) close(part(unshifted[name], which, 2), await valuesOf(own[name]), 1e-8);
    }
  });

  it('a plan that nearly falls into parts, by ever weaker links: right, or an error that says so', async () => {
    const [k, eps] = [20, 0.05];
    const n = 2 * k;
    const outcomes: string[] = [];
    for (let depth = 10; depth <= 34; depth += 4) {
      const costs = numbers(n * n, 1).map((x, at) => (Math.floor(at / n) < k === at % n < k ? x : x + depth * eps));
      using cost = made(costs, [n, n]);
      using result = await sinkhorn(cost, { eps, tol: 1e-13, method: 'sns' });
      // As above: rows sum to the cotangent.
      const isRight = async (f: Float64Array, within: number) => {
        using gradient = await result.pullback({ f: made(f, [n]) }, 'cost');
        const values = await valuesOf(gradient);
        const rows = f.map((_, i) => values.subarray(i * n, (i + 1) * n).reduce((s, x) => s + x, 0));
        close(rows, f, within);
      };
      const inside = Float64Array.from({ length: n }, (_, i) => [1, -1][i] ?? 0);
      await isRight(inside, 1e-10);
      const between = inside.map((x, i) => x + (i < k ? 1 : -1));
      try {
        await isRight(between, 1e-5);
        outcomes.push('right');
      } catch (error) {
        expect((error as Error).message).toContain('pullback: the plan nearly falls into parts');
        expect(error).toMatchObject({ code: 'ERR_ARGUMENT' });
        outcomes.push('error');
      }
    }
    expect(outcomes[0]).toBe('right');
    expect(outcomes.at(-1)).toBe('error');
  });

  it('what is wrong is said', async () => {
    using cost = made(numbers(6, 1), [2, 3]);
    using result = await sinkhorn(cost, { eps: 0.1 });
    const [f, plan] = [made([1, 2], [2]), made(numbers(6, 2), [2, 3])];
    const call = (cotangents: unknown, by: unknown = 'cost', options?: object) =>
      result.pullback(cotangents as TransportCotangents, by as 'cost', options);
    await expect(call({ f }, 'tol')).rejects.toThrow(
      "pullback: by must be one of 'cost', 'x', 'y', 'a', 'b', 'eps', got 'tol'",
    );
    await expect(call({ f }, [])).rejects.toThrow('pullback: by must name something, got an empty list');
    await expect(call({ f }, ['a', 'x'])).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    await expect(call(undefined)).rejects.toThrow('pullback: options must be an object, got undefined');
    await expect(call({ value: 1 })).rejects.toThrow('pullback: value is not an option');
    await expect(call({ f: [1, 2] })).rejects.toThrow('pullback: f must be a Tensor, got a list');
    await expect(call({ g: f })).rejects.toThrow('pullback: g must have shape [3], got [2]');
    await expect(call({ f: f.cast('bf16') })).rejects.toMatchObject({ code: 'ERR_DTYPE' });
    await expect(call({ plan: f })).rejects.toThrow('pullback: plan must have shape [2,3], got [2]');
    await expect(call({ plan: 1 })).rejects.toThrow('pullback: plan must be a Tensor, got 1');
    await expect(call({ plan: { left: f, right: f } })).rejects.toThrow('plan.right must have shape [3], got [2]');
    await expect(call({ plan: { left: f } })).rejects.toThrow('plan.right must be a Tensor, got undefined');
    await expect(call({ plan: { left: f, right: made(numbers(6, 1), [3, 2]) } })).rejects.toThrow(
      'pullback: plan.right must have the columns of plan.left, 1, got 2',
    );
    await expect(call({ plan: { left: f, up: f } })).rejects.toThrow('pullback: plan: up is not an option');
    await expect(call({ cost: NaN })).rejects.toThrow('pullback: cost must be a finite number, got NaN');
    await expect(call({ f: made([1, NaN], [2]) })).rejects.toThrow('pullback: f must be finite');
    await expect(call({ plan: made([0, 1, 2, Infinity, 0, 0], [2, 3]) })).rejects.toThrow(
      'pullback: plan must be finite',
    );
    await expect(call({ f }, 'cost', { tol: 0 })).rejects.toThrow('pullback: tol must be a positive number, got 0');
    await expect(call({ f }, 'cost', { maxIterations: 0.5 })).rejects.toThrow('maxIterations must be a whole number');
    await expect(call({ f }, 'cost', { most: 1 })).rejects.toThrow('pullback: most is not an option');
    await expect(call({ f }, 'cost', { signal: 1 })).rejects.toThrow('pullback: signal must be an AbortSignal, got 1');
    await expect(call({ plan }, 'cost', { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    plan.dispose();
    await expect(call({ plan })).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    result.dispose();
    await expect(call({ f })).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });
});

describe.each(onlyCpu)('pullbacks of larger problems', () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());

  it.each([
    ['of the plane, whose plan is sparse', plane(700), 1 / 1200],
    ['of uniform costs, whose plan is dense', splitMix(700 * 700, 1n), 0.1],
  ])('%s: the gradient by costs sums to what it must, in several panels; iterations are few', async (_, costs, eps) => {
    const n = 700;
    using cost = Tensor.from(device, costs, [n, n]);
    using result = await sinkhorn(cost, { eps, tol: 1e-12 });
    const [plan, f] = [numbers(n * n, 3, -1, 1), numbers(n, 4, -1, 1)];
    using ofPlan = Tensor.from(device, plan, [n, n]);
    using ofF = Tensor.from(device, f, [n]);
    using gradient = await result.pullback({ plan: ofPlan, f: ofF }, 'cost', { maxIterations: 40 });
    const values = await valuesOf(gradient);
    // Costs s + t move the potentials by s and t and leave the plan: rows sum to f̄ but for its gauge, columns to that.
    const shift = f.reduce((s, x) => s + x, 0) / (2 * n);
    const scale = Math.max(...f.map(Math.abs));
    for (let i = 0; i < n; i++) {
      const row = values.subarray(i * n, (i + 1) * n).reduce((s, x) => s + x, 0);
      expect(Math.abs(row - (f[i]! - shift))).toBeLessThan(1e-8 * scale);
      let column = 0;
      for (let k = 0; k < n; k++) column += values[k * n + i]!;
      expect(Math.abs(column - shift)).toBeLessThan(1e-8 * scale);
    }
    await expect(result.pullback({ plan: ofPlan }, 'cost', { maxIterations: 1 })).rejects.toMatchObject({
      code: 'ERR_NOT_CONVERGED',
      message: expect.stringMatching(/^pullback: maxIterations must reach a residual norm of .*, got 1 for one of \d/),
    });
  });

  it('the event loop turns, and a signal ends the work', async () => {
    using cost = Tensor.from(device, plane(700), [700, 700]);
    using result = await sinkhorn(cost, { eps: 0.01 });
    using plan = Tensor.from(device, numbers(700 * 700, 3), [700, 700]);
    let isDone = false;
    let turns = 0;
    const work = result.pullback({ plan }, 'cost').then((gradient) => {
      isDone = true;
      gradient.dispose();
    });
    for (; !isDone; ++turns) await setImmediate();
    await work;
    expect(turns).toBeGreaterThan(20);
    await cost.read();
    const { live } = await settledMemory(device);
    const stop = new AbortController();
    const stopped = result.pullback({ plan }, 'cost', { signal: stop.signal });
    await setImmediate();
    stop.abort(new Error('enough'));
    await expect(stopped).rejects.toThrow('enough');
    // Wherever it stops.
    for (const milliseconds of [1, 3, 5, 10, 20]) {
      const late = new AbortController();
      const work = result.pullback({ plan }, 'cost', { signal: late.signal });
      const end = work.then(
        (gradient) => gradient.dispose(),
        (error: Error) => expect(error.message).toBe('enough'),
      );
      await setTimeout(milliseconds);
      late.abort(new Error('enough'));
      await end;
    }
    await cost.read();
    expect(device.info.memory.live).toBe(live);
  });
});
