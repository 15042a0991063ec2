// Gradients of PyTorch, an independent program: test/golden/transport-pullback.json says how they were made; closed forms; edges.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Metric, sinkhorn, Tensor, type TransportCotangents } from '../../lib/index.ts';
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

/** Where differences are computed, for all devices. */
const cpu = Device.open('cpu');
afterAll(() => cpu.close());

describe.each(Device.available)('pullbacks on %s:', (kind) => {
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
    using apart = await sinkhorn(barred, { eps: 0.1, a: [0.6, 0.2, 0.2], b: [0.2, 0.4, 0.4] });
    expect(apart.status).toBe('infeasible');
    const gradients = await apart.pullback({ f: made([1, 2, 3], [3]), cost: 1 }, ['a', 'b', 'cost']);
    for (const gradient of Object.values(gradients))
      expect((await valuesOf(gradient)).every((x) => Number.isFinite(x))).toBe(true);
  });

  it('what is wrong is said', async () => {
    using cost = made(numbers(6, 1), [2, 3]);
    using result = await sinkhorn(cost, { eps: 0.1 });
    const [f, plan] = [made([1, 2], [2]), made(numbers(6, 2), [2, 3])];
    const call = (cotangents: unknown, by: unknown = 'cost', options?: object) =>
      result.pullback(cotangents as TransportCotangents, by as 'cost', options);
    await expect(call({ f }, 'tol')).rejects.toThrow('pullback: by must be cost, x, y, a, b, eps, got tol');
    await expect(call({ f }, [])).rejects.toThrow('pullback: by must name something, got an empty list');
    await expect(call({ f }, ['a', 'x'])).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    await expect(call(undefined)).rejects.toThrow('pullback: options must be an object, got undefined');
    await expect(call({ value: 1 })).rejects.toThrow('pullback: value is not an option');
    await expect(call({ f: [1, 2] })).rejects.toThrow('pullback: f must be a Tensor, got a list');
    await expect(call({ g: f })).rejects.toThrow('pullback: g must have shape [3], got [2]');
    await expect(call({ f: f.cast('bf16') })).rejects.toMatchObject({ code: 'ERR_DTYPE' });
    await expect(call({ plan: f })).rejects.toThrow('pullback: plan must have shape [2,3], got [2]');
    await expect(call({ plan: 1 })).rejects.toThrow('pullback: plan must be a Tensor, got 1');
    await expect(call({ plan: { left: f, right: f } })).rejects.toThrow('plan.right must have shape [3,k], got [2]');
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

describe('pullbacks of larger problems', () => {
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
    await expect(result.pullback({ plan: ofPlan }, 'cost', { maxIterations: 1 })).rejects.toThrow(
      'pullback: maxIterations must reach a residual of',
    );
  });

  it('the event loop turns, and a signal ends the work', async () => {
    using cost = Tensor.from(device, plane(700), [700, 700]);
    using result = await sinkhorn(cost, { eps: 0.01 });
    using plan = Tensor.from(device, numbers(700 * 700, 3), [700, 700]);
    let isDone = false;
    let longest = 0;
    const work = result.pullback({ plan }, 'cost').then((gradient) => {
      isDone = true;
      gradient.dispose();
    });
    for (let last = performance.now(); !isDone; ) {
      await setImmediate();
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }
    await work;
    expect(longest).toBeLessThan(200);
    await cost.read();
    const { live } = device.info.memory;
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
