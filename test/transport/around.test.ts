// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import {
  type BarycenterProgress,
  barycenter,
  Device,
  sinkhorn,
  sinkhornDivergence,
  Tensor,
  type TransportBatch,
  type TransportBatchProgress,
  transportBatch,
} from '../../lib/index.ts';
import { pairwiseCosts } from '../reference/pairwise-costs.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { valuesOf } from '../support/tensors.ts';
import { massesOf, numbers } from '../support/transport.ts';

const metrics = ['sqeuclidean', 'euclidean', 'l1'] as const;
const totalOf = (x: Iterable<number>): number => [...x].reduce((a, b) => a + b, 0);

describe.each(devices)('sinkhornDivergence on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const cloud = (n: number, seed: number, low = 0) => Tensor.from(device, numbers(2 * n, seed, low, low + 1), [n, 2]);

  it.each(metrics)('%s: the three values by Newton, and 0 for equal sets', async (metric) => {
    const [n, m, eps] = [17, 23, 0.1];
    const [a, b] = [massesOf(n, 1), massesOf(m, 2)];
    using x = cloud(n, 3);
    using y = cloud(m, 4);
    const value = async (p: Tensor, q: Tensor, masses: [Float64Array, Float64Array]) => {
      using result = await sinkhorn(
        { x: p, y: q, metric },
        { a: masses[0], b: masses[1], eps, method: 'sns', tol: 1e-12 },
      );
      return result.value;
    };
    let looks = 0;
    const onProgress = () => {
      looks++;
    };
    const expected = (await value(x, y, [a, b])) - ((await value(x, x, [a, a])) + (await value(y, y, [b, b]))) / 2;
    using divergence = await sinkhornDivergence({ x, y, metric }, { a, b, eps, tol: 1e-9, onProgress });
    expect(divergence.status).toBe('converged');
    expect(looks).toBeGreaterThanOrEqual(3);
    expect(divergence.marginalError).toBeLessThanOrEqual(1e-9);
    expect(divergence.value).toBeCloseTo(expected, 9);
    expect(divergence.value).toBeGreaterThan(0);
    expect(await valuesOf(divergence.xx.f)).toEqual(await valuesOf(divergence.xx.g));
    const costs = async (p: Tensor, q: Tensor) =>
      Tensor.from(device, pairwiseCosts(await valuesOf(p), await valuesOf(q), 2, metric), [p.shape[0]!, q.shape[0]!]);
    using stored = await sinkhornDivergence(
      { xy: await costs(x, y), xx: await costs(x, x), yy: await costs(y, y) },
      { a, b, eps, method: 'sns' },
    );
    expect(stored.value).toBeCloseTo(expected, 9);
    using same = await sinkhornDivergence({ x, y: x, metric }, { a, b: a, eps });
    expect(Math.abs(same.value)).toBeLessThan(1e-12);
  });

  it('is not negative where sets are nearly equal, in f32 too', async () => {
    for (const dtype of ['f64', 'f32'] as const) {
      const points = numbers(60, 5, 0, 1, dtype);
      using x = Tensor.from(device, points, [30, 2]).cast(dtype);
      using y = Tensor.from(
        device,
        points.map((p, i) => p + (i % 2 === 0 ? 1e-4 : 0)),
        [30, 2],
      ).cast(dtype);
      using divergence = await sinkhornDivergence({ x, y }, { eps: 0.05, tol: dtype === 'f64' ? 1e-9 : 1e-4 });
      expect(divergence.value).toBeGreaterThan(dtype === 'f64' ? 0 : -1e-8);
      // All points move by as much: by the square of it.
      expect(divergence.value).toBeCloseTo(1e-8, dtype === 'f64' ? 11 : 7);
    }
  });

  it.each([
    ['x', 'sqeuclidean'],
    ['y', 'sqeuclidean'],
    ['x', 'l1'],
    ['a', 'euclidean'],
    ['b', 'sqeuclidean'],
  ] as const)('the gradient by %s, %s, agrees with differences', async (by, metric) => {
    const [n, m, h] = [6, 8, 1e-4];
    const problem = { x: numbers(2 * n, 1), y: numbers(2 * m, 2), a: numbers(n, 3, 0.5, 1), b: numbers(m, 4, 0.5, 1) };
    for (const side of ['a', 'b'] as const) {
      const total = totalOf(problem[side]);
      problem[side] = problem[side].map((p) => p / total);
    }
    const solve = async (p: typeof problem) => {
      using x = Tensor.from(device, p.x, [n, 2]);
      using y = Tensor.from(device, p.y, [m, 2]);
      return await sinkhornDivergence({ x, y, metric }, { a: p.a, b: p.b, eps: 0.1, tol: 1e-12, maxSweeps: 5000 });
    };
    const raw = numbers(problem[by].length, 9, -1, 1);
    const mean = totalOf(raw) / raw.length;
    const direction = by === 'a' || by === 'b' ? raw.map((p) => 0.1 * (p - mean)) : raw;
    const values = [];
    for (const t of [h, -h]) {
      using moved = await solve({ ...problem, [by]: problem[by].map((p, i) => p + t * direction[i]!) });
      values.push(moved.value);
    }
    using divergence = await solve(problem);
    const gradient = await valuesOf(await divergence.gradient(by));
    const slope = (values[0]! - values[1]!) / (2 * h);
    expect(Math.abs(slope)).toBeGreaterThan(1e-4);
    expect(totalOf(gradient.map((p, i) => p * direction[i]!))).toBeCloseTo(slope, 6);
  });

  it('refuses costs that do not fit together', async () => {
    const cost = Tensor.from(device, numbers(6, 1), [2, 3]);
    await expect(sinkhornDivergence(cost as never, { eps: 1 })).rejects.toThrow(
      'costs must be points x, y or costs xy, xx, yy',
    );
    await expect(sinkhornDivergence({ xy: cost, xx: cost, yy: cost }, { eps: 1 })).rejects.toMatchObject({
      code: 'ERR_SHAPE',
    });
    const [square, single] = [Tensor.zeros(device, [2, 2], { dtype: 'f64' }), Tensor.zeros(device, [3, 3])];
    await expect(sinkhornDivergence({ xy: cost, xx: square, yy: single }, { eps: 1 })).rejects.toThrow(
      'yy must have the dtype of xy, f64, got f32',
    );
    const unbalanced = { eps: 1, unbalanced: { rhoA: 1 } };
    await expect(sinkhornDivergence({ x: cost, y: cost }, unbalanced)).rejects.toThrow('unbalanced is not an option');
    using divergence = await sinkhornDivergence({ x: cost, y: cost }, { eps: 1 });
    await expect(divergence.gradient('eps' as never)).rejects.toThrow(
      "gradient: by must be one of 'x', 'y', 'a', 'b', got 'eps'",
    );
  });
});

describe.each(devices)('barycenter on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const grid = Tensor.from(
    device,
    Float64Array.from({ length: 41 }, (_, i) => i / 40),
    [41, 1],
  );
  const bump = (at: number, width: number) => {
    const masses = Float64Array.from({ length: 41 }, (_, i) => Math.exp(-((i / 40 - at) ** 2) / (2 * width ** 2)));
    const total = totalOf(masses);
    return masses.map((p) => p / total);
  };
  const meanOf = (p: Float64Array) => totalOf(p.map((q, i) => (q * i) / 40));
  const varianceOf = (p: Float64Array) => totalOf(p.map((q, i) => q * (i / 40 - meanOf(p)) ** 2));

  it('of two bumps stands between them, by weights; debiased it is as wide as they are', async () => {
    const measures = [bump(0.3, 0.06), bump(0.7, 0.06)];
    for (const weights of [undefined, [3, 1]]) {
      const at = weights ? 0.4 : 0.5;
      const blurred = await barycenter({ x: grid, y: grid }, measures, { eps: 0.01, weights, tol: 1e-7 });
      const sharp = await barycenter({ x: grid, y: grid }, measures, {
        eps: 0.01,
        weights,
        debiased: true,
        tol: 1e-7,
      });
      for (const result of [blurred, sharp]) {
        expect([result.status, result.marginalError <= 1e-7]).toEqual(['converged', true]);
        const masses = await valuesOf(result.masses);
        expect(totalOf(masses)).toBeCloseTo(1, 12);
        expect(meanOf(masses)).toBeCloseTo(at, 4);
      }
      const width = 0.06 ** 2;
      // Gaussians blur by eps / 2 each way under the squared distance.
      expect(varianceOf(await valuesOf(sharp.masses))).toBeCloseTo(width, 4);
      expect(varianceOf(await valuesOf(blurred.masses))).toBeGreaterThan(1.15 * width);
    }
  });

  it('its conditions hold: each plan has it as its columns, and the weighted potentials cancel', async () => {
    const measures = [massesOf(13, 1), massesOf(13, 2), massesOf(13, 3)];
    using cost = Tensor.from(device, numbers(13 * 9, 4), [13, 9]);
    const { masses } = await barycenter(cost, measures, { eps: 0.1, tol: 1e-12, weights: [1, 2, 3] });
    const p = await valuesOf(masses);
    // The derivative of Σ wₖ OT(aₖ, p) by p is constant: Σ wₖ gₖ, each but for its mean.
    const slope = new Float64Array(9);
    for (const [k, a] of measures.entries()) {
      using result = await sinkhorn(cost, { a, b: p, eps: 0.1, tol: 1e-12 });
      for (const [j, g] of (await valuesOf(await result.gradient('b'))).entries()) slope[j]! += ((k + 1) / 6) * g;
    }
    for (const s of slope) expect(s).toBeCloseTo(0, 8);
  });

  it('leaves no memory behind, and refuses what it cannot do', async () => {
    await using own = Device.open(kind);
    using cost = Tensor.from(own, numbers(6, 1), [2, 3]);
    const { live } = await settledMemory(own);
    (await barycenter(cost, [[1, 1]], { eps: 1 })).masses.dispose();
    const call = (measures: unknown, options: object) =>
      expect(barycenter(cost, measures as number[][], { eps: 1, ...options })).rejects;
    await call([], {}).toThrow('measures must be a list of at least one');
    await call([[1]], {}).toThrow('a must have 2 elements, got 1');
    await call([[1, 1]], { weights: [1, 2] }).toThrow('weights must be 1 numbers');
    await call([[1, 1]], { weights: [-1] }).toThrow('weights must be finite and not negative, got -1');
    await call([[1, 1]], { debiased: true }).toThrow('cost must be square for debiased, got [2,3]');
    await call([[1, 1]], { eps: -1 }).toThrow('eps must be a positive number');
    await call([[1, 1]], { signal: AbortSignal.abort(new Error('enough')) }).toThrow('enough');
    await call([[1, 1]], { signal: 1 }).toThrow('signal must be an AbortSignal, got 1');
    const onProgress = ({ sweeps, marginalError }: BarycenterProgress) => {
      throw new Error(`after ${sweeps}: ${marginalError >= 0}`);
    };
    await call([[1, 1]], { onProgress }).toThrow('after 10: true');
    expect(own.info.memory.live).toBe(live);
  });
});

describe.each(devices)('transportBatch on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('agrees with sinkhorn on each problem, of one size or several', async () => {
    for (const dtype of ['f64', 'f32'] as const) {
      const sizes = [
        [5, 7],
        [12, 3],
        [1, 1],
        [12, 20],
      ] as const;
      const costs = sizes.map(([n, m], k) => Tensor.from(device, numbers(n * m, k, 0, 1, dtype), [n, m]).cast(dtype));
      const a = sizes.map(([n], k) => massesOf(n, 10 + k).map((x) => 2 * x));
      const b = sizes.map(([, m], k) => massesOf(m, 20 + k).map((x) => 2 * x));
      using batch = await transportBatch(costs, { a, b, eps: 0.1, tol: 1e-9 });
      expect(batch.status).toEqual(['converged', 'converged', 'converged', 'converged']);
      expect(new Set(batch.sweeps).size).toBeGreaterThan(2);
      const [f, g] = [await valuesOf(batch.f), await valuesOf(batch.g)];
      for (const [k, [n, m]] of sizes.entries()) {
        using exact = costs[k]!.cast('f64');
        using result = await sinkhorn(exact, { a: a[k], b: b[k], eps: 0.1, tol: 1e-10 });
        expect(batch.value[k]).toBeCloseTo(result.value, 8);
        expect(batch.cost[k]).toBeCloseTo(result.cost, 8);
        expect(batch.marginalError[k]).toBeLessThanOrEqual(1e-9);
        const [ef, eg] = [await valuesOf(result.f), await valuesOf(result.g)];
        for (let i = 0; i < n; i++)
          for (let j = 0; j < m; j++) {
            const sum = f[12 * k + i]! + g[20 * k + j]!;
            expect(sum === -Infinity ? 0 : sum).toBeCloseTo(ef[i]! + eg[j]! === -Infinity ? 0 : ef[i]! + eg[j]!, 6);
          }
      }
    }
    using stack = Tensor.from(device, numbers(6 * 20, 1), [6, 4, 5]);
    using uniform = await transportBatch(stack, { eps: 0.05 });
    expect([uniform.f.shape, uniform.g.shape]).toEqual([
      [6, 4],
      [6, 5],
    ]);
    expect(uniform.status.every((status) => status === 'converged')).toBe(true);
    using few = await transportBatch(stack, { eps: 0.001, maxSweeps: 2 });
    expect(few.status).toContain('max-iterations');
    expect([...few.sweeps]).toEqual(Array(6).fill(2));
  });

  it.each(['f64', 'f32'] as const)(
    'in %s has the plans and gradients of sinkhorn, 0 beyond a smaller problem',
    async (dtype) => {
      const sizes = [
        [6, 4],
        [3, 9],
      ] as const;
      const costs = sizes.map(([n, m], k) => Tensor.from(device, numbers(n * m, k, 0, 1, dtype), [n, m]).cast(dtype));
      const [a, b] = [sizes.map(([n], k) => massesOf(n, 10 + k)), sizes.map(([, m], k) => massesOf(m, 20 + k))];
      using batch = await transportBatch(costs, { a, b, eps: 0.1, tol: 1e-12 });
      using plans = await batch.plan();
      using byRows = await batch.gradient('a');
      using byColumns = await batch.gradient('b');
      expect([plans.shape, plans.dtype]).toEqual([[2, 6, 9], dtype]);
      const [all, rows, columns] = [await valuesOf(plans), await valuesOf(byRows), await valuesOf(byColumns)];
      for (const [k, [n, m]] of sizes.entries()) {
        using exact = costs[k]!.cast('f64');
        using result = await sinkhorn(exact, { a: a[k], b: b[k], eps: 0.1, tol: 1e-13 });
        using plan = await result.plan();
        using byA = await result.gradient('a');
        using byB = await result.gradient('b');
        const [expected, ofA, ofB] = [await valuesOf(plan), await valuesOf(byA), await valuesOf(byB)];
        for (let i = 0; i < 6; i++)
          for (let j = 0; j < 9; j++)
            expect(all[(k * 6 + i) * 9 + j]).toBeCloseTo(i < n && j < m ? expected[i * m + j]! : 0, 7);
        const near = (got: number, wanted: number) =>
          wanted === -Infinity ? expect(got).toBe(wanted) : expect(got).toBeCloseTo(wanted, 10);
        for (let i = 0; i < n; i++) near(rows[6 * k + i]!, ofA[i]!);
        for (let j = 0; j < m; j++) near(columns[9 * k + j]!, ofB[j]!);
      }
      await expect(batch.gradient('eps' as 'a')).rejects.toThrow(
        "gradient: by must be one of 'cost', 'a', 'b', got 'eps'",
      );
    },
  );

  it('tells how far it is, and stops when it is told to', async () => {
    // The second problem needs more than two hundred sweeps, with a look at every hundred, and the first one stops on its own.
    using costs = Tensor.from(device, Float64Array.of(0, 1, 1, 0, 0, 1, 0.9, 0), [2, 2, 2]);
    const options = {
      a: [
        [0.5, 0.5],
        [0.3, 0.7],
      ],
      b: [
        [0.5, 0.5],
        [0.6, 0.4],
      ],
      eps: 0.003,
      tol: 1e-9,
      anneal: false as const,
    };
    const seen: TransportBatchProgress[] = [];
    using batch = await transportBatch(costs, { ...options, onProgress: (progress) => seen.push(progress) });
    expect(batch.status).toEqual(['converged', 'converged']);
    expect(batch.sweeps[0]).toBeLessThan(100);
    expect(batch.sweeps[1]).toBeGreaterThan(200);
    expect(seen[0]).toEqual({ converged: 1, problems: 2, sweeps: 100 });
    expect(seen.at(-1)!.converged).toBe(2);
    const controller = new AbortController();
    const reason = new Error('enough');
    const call = transportBatch(costs, {
      ...options,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(call).rejects.toBe(reason);
    await expect(transportBatch(costs, { eps: 1, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await device.synchronize();
  });

  it('refuses what makes no batch, and leaves no memory behind', async () => {
    await using own = Device.open(kind);
    using cost = Tensor.from(own, numbers(6, 1), [1, 2, 3]);
    using matrix = Tensor.from(own, numbers(6, 1), [2, 3]);
    using single = matrix.cast('f32');
    using bad = Tensor.from(own, Float64Array.of(1, NaN), [1, 1, 2]);
    const { live } = await settledMemory(own);
    (await transportBatch([matrix], { eps: 1 })).dispose();
    const call = (costs: unknown, options: object = {}) =>
      expect(transportBatch(costs as Tensor, { eps: 1, ...options })).rejects;
    await call([]).toThrow('costs must be a batch or a list of matrices, got a list');
    await call(matrix).toThrow('costs must have rank 3 with elements, got [2,3]');
    await call([cost]).toThrow('costs[0] must be a matrix with elements, got [1,2,3]');
    await call([matrix, single]).toThrow('costs[1] must be f64, got f32');
    await call([matrix, 1]).toThrow('costs[1] must be a Tensor, got 1');
    await call(bad).toThrow('costs must be neither NaN nor -Infinity, got 1 of them');
    await call(cost, { eps: 0 }).toThrow('eps must be a positive number, got 0');
    await call(cost, { signal: {} }).toThrow('signal must be an AbortSignal, got an object');
    await call(cost, { onProgress: 1 }).toThrow('onProgress must be a function, got 1');
    await call(cost, { maxSweeps: 70_000 }).toThrow('maxSweeps must be at most 65536, got 70000');
    await call(cost, { a: [[1, 1, 1]] }).toThrow('a[0] must have 2 elements, got 3');
    await call(cost, { a: [] }).toThrow('a must be a list of 1 lists');
    await call(cost, { b: [[0, 0, 0]] }).toThrow('b[0] must have a positive, finite total, got 0');
    await call(cost, { a: [[1e308, 1e308]] }).toThrow('a[0] must have a positive, finite total, got Infinity');
    await call(cost, { b: [[0, -1, 0]] }).toThrow('b[0] must be finite and not negative, got -1 at 1');
    await call(cost, { a: [[1, 1]], b: [[1, 1, 1]] }).toThrow('b[0] must have the total of a[0], 2, got 3');
    expect(own.info.memory.live).toBe(live);
  });

  const matrix = (rows: number, ...costs: number[]) =>
    Tensor.from(device, Float64Array.from(costs), [rows, costs.length / rows]);
  const numbersOf = ({ value, cost, marginalError }: TransportBatch) => [...value, ...cost, ...marginalError];

  it('refuses a mass all of whose pairs are forbidden, and names it, in a problem that was filled up too', async () => {
    const fine = matrix(3, ...numbers(12, 1));
    const uniform = [1, 1, 1].map((x) => x / 3);
    const call = (costs: Tensor[], options: object = {}) =>
      expect(transportBatch(costs, { eps: 1, ...options })).rejects;
    const bareRow = matrix(2, 0, 1, Infinity, Infinity);
    const bareColumn = matrix(2, 0, Infinity, 1, Infinity);
    const row = 'costs[1] must have a finite element for every mass, got none in row 1';
    await call([fine, bareRow]).toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining(row) });
    await call([fine, bareColumn]).toThrow('costs[1] must have a finite element for every mass, got none in column 1');
    await call([bareRow]).toThrow('costs[0] must have a finite element for every mass, got none in row 1');
    // Without a mass there is nothing to carry.
    using masses = await transportBatch([fine, bareRow], {
      a: [uniform, [1, 0]],
      b: [
        [0.5, 0.2, 0.2, 0.1],
        [0.5, 0.5],
      ],
      eps: 1,
    });
    expect(masses.status).toEqual(['converged', 'converged']);
  });

  it('tells which problems are infeasible', async () => {
    const [a, b] = [
      [0.7, 0.3],
      [0.3, 0.7],
    ];
    const tight = matrix(2, 0, Infinity, 1, 0);
    // The first row can go to the second column only, which has no mass.
    const barred = matrix(2, Infinity, 0, 1, 0);
    const wide = matrix(3, 0, 1, Infinity, 1, 0, Infinity, 1, 1, 0);
    const costs = [tight, tight, barred, wide, matrix(2, 0, 1, 1, 0)];
    using batch = await transportBatch(costs, {
      a: [a, b, [0.5, 0.5], [400, 400, 200], a],
      b: [b, a, [1, 0], [200, 200, 600], b],
      eps: 0.1,
    });
    expect(batch.status).toEqual(['infeasible', 'converged', 'infeasible', 'infeasible', 'converged']);
    expect(batch.marginalError[0]).toBeCloseTo(0.8, 9);
    expect(numbersOf(batch).every(Number.isFinite)).toBe(true);
    for (const [k, cost] of costs.slice(0, 2).entries()) {
      using result = await sinkhorn(cost, { a: [a, b][k], b: [b, a][k], eps: 0.1 });
      expect(batch.status[k]).toBe(result.status);
    }
    // Costs of any size are no bans.
    const heavy = matrix(2, 0, Infinity, 1.7e308, 0);
    using dear = await transportBatch([heavy], { a: [b], b: [a], eps: 1e293 });
    using alone = await sinkhorn(heavy, { a: b, b: a, eps: 1e293 });
    expect([...dear.status, alone.status]).not.toContain('infeasible');
    using single = tight.cast('f32');
    using large = await transportBatch([single], { a: [a], b: [b], eps: 2 ** 996, maxSweeps: 65536 });
    expect(large.status).toEqual(['infeasible']);
    expect(numbersOf(large).every(Number.isFinite)).toBe(true);
  });

  it('refuses an eps for which numbers have no digits', async () => {
    const call = (cost: Tensor, eps: number) => expect(transportBatch([cost, matrix(1, 1)], { eps })).rejects;
    const message = 'transportBatch: eps must be at least 2.220446049250313e-16 for this cost, got 5.7e-309';
    await call(matrix(2, 0, 1, 1, 0.5), 5.7e-309).toMatchObject({ code: 'ERR_ARGUMENT', message });
    await call(matrix(2, 0, 1e300, 1e300, 1), 1e-10).toThrow('eps must be at least');
    await call(matrix(2, 0, 1, 1, 0), 2 ** 997).toThrow(`eps must be at most ${2 ** 996}`);
  });

  it.each(['f64', 'f32'] as const)(
    'in %s ends at the precision of f64 where numbers do not get nearer',
    async (dtype) => {
      const costs = [1e8, 1e8, 0].map((shift, k) =>
        Tensor.from(
          device,
          numbers(20, k).map((x) => shift + x),
          [4, 5],
        ).cast(dtype),
      );
      const b = [numbers(5, 7), numbers(5, 7), numbers(5, 7)];
      const scale = (x: Float64Array, total: number) => x.map((p) => (p * total) / totalOf(x));
      const totals = [1, 100, 1];
      const options = { b: b.map((x, k) => scale(x, totals[k]!)), eps: 0.5, tol: 1e-30 };
      using batch = await transportBatch(costs, options);
      // 64 · 2⁻⁵² · 1e8 / eps, of masses of total 1.
      for (const [k, total] of totals.entries()) {
        expect(batch.status[k]).toBe('at-precision');
        expect(batch.marginalError[k]).toBeLessThan(k < 2 ? 3e-6 * total : 1e-13);
      }
      // The third problem's own floor counts, not that of the others.
      using few = await transportBatch(costs, { ...options, maxSweeps: 5, maxNewton: 1, anneal: false });
      expect(few.status[2]).toBe('max-iterations');
      expect(few.marginalError[2]).toBeLessThan(2e-6);
      expect(few.marginalError[2]).toBeGreaterThan(1e-12);
    },
  );
});
