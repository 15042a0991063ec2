// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type PointClouds, sinkhorn, Tensor } from '../../lib/index.ts';
import { pairwiseCosts } from '../reference/pairwise-costs.ts';
import { columnSumsOf, distance, planOf, rowSumsOf } from '../reference/transport.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { sameBits } from '../support/same-bits.ts';
import { settledMemory } from '../support/settled.ts';
import { valuesOf } from '../support/tensors.ts';
import { massesOf, numbers } from '../support/transport.ts';

const metrics = ['sqeuclidean', 'euclidean', 'l1'] as const;

describe.each(devices)('point clouds on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const points = (n: number, d: number, seed: number, dtype: 'f32' | 'f64' = 'f64') =>
    Tensor.from(device, numbers(n * d, seed, -1, 1, dtype), [n, d]).cast(dtype);

  it.each(metrics.flatMap((metric) => [3, 19].map((d) => [metric, d] as const)))(
    '%s, of %i coordinates: the result of the matrix of distances, by either method, in f32 and f64',
    async (metric, d) => {
      for (const dtype of ['f64', 'f32'] as const) {
        const [n, m] = [20, 31];
        using x = points(n, d, 1, dtype);
        using y = points(m, d, 2, dtype);
        const costs = pairwiseCosts(await valuesOf(x), await valuesOf(y), d, metric);
        using cost = Tensor.from(device, costs, [n, m]);
        const options = { a: massesOf(n, 3), b: massesOf(m, 4), eps: d / 30, tol: dtype === 'f64' ? 1e-10 : 1e-5 };
        using expected = await sinkhorn(cost, { ...options, tol: 1e-11 });
        for (const method of ['sinkhorn', 'sns'] as const) {
          using result = await sinkhorn({ x, y, metric }, { ...options, method });
          expect(result.status).toBe('converged');
          expect(result.iterations.newton === 0).toBe(method === 'sinkhorn');
          expect(result.f.dtype).toBe(dtype);
          const digits = dtype === 'f64' ? 8 : 4;
          expect(result.value).toBeCloseTo(expected.value, digits);
          expect(result.cost).toBeCloseTo(expected.cost, digits);
          const [plan, other] = [await valuesOf(await result.plan()), await valuesOf(await expected.plan())];
          for (const [k, p] of plan.entries()) expect(p).toBeCloseTo(other[k]!, digits);
          const sparse = await result.plan({ threshold: 1e-3 });
          expect(sparse.values.length).toBe(plan.filter((p) => p >= 1e-3).length);
        }
      }
    },
  );

  it.each(metrics)('%s in f32: the plan is the one that apply, gradient and marginalError speak of', async (metric) => {
    const [n, m] = [40, 30];
    using x = points(n, 2, 1, 'f32');
    using y = points(m, 2, 2, 'f32');
    const exact = pairwiseCosts(await valuesOf(x), await valuesOf(y), 2, metric);
    for (const [eps, method] of [
      [0.1, 'auto'],
      [0.01, 'sns'],
      [0.001, 'sinkhorn'],
    ] as const) {
      using result = await sinkhorn({ x, y, metric }, { eps, method, tol: 1e-6, maxSweeps: 200 });
      const [f, g] = await Promise.all([valuesOf(result.f), valuesOf(result.g)]);
      const plan = await valuesOf(await result.plan());
      const right = planOf(exact, f, g, eps);
      // One rounding to f32 each, and the exponent's.
      const largest = Math.max(...[...f, ...g].map(Math.abs));
      for (const [k, p] of plan.entries())
        expect(Math.abs(p - right[k]!)).toBeLessThanOrEqual(
          right[k]! * (2 ** -24 + (2 ** -48 * largest) / eps) + 1e-40,
        );
      const sums = (of: Float64Array) =>
        distance(rowSumsOf(of, n, m), new Float64Array(n).fill(1 / n)) +
        distance(columnSumsOf(of, n, m), new Float64Array(m).fill(1 / m));
      expect(Math.abs(sums(right) - result.marginalError)).toBeLessThan((2 ** -46 * largest) / eps);
      expect(result.cost).toBeCloseTo(
        right.reduce((sum, p, k) => sum + p * exact[k]!, 0),
        11,
      );
    }
    using one = Tensor.from(device, Float32Array.of(0.3), [1, 1]);
    using two = Tensor.from(device, Float32Array.of(-1.7), [1, 1]);
    using alone = await sinkhorn({ x: one, y: two, metric }, { eps: 2e-6, method: 'auto' });
    const [[f], [g], [p]] = await Promise.all([valuesOf(alone.f), valuesOf(alone.g), alone.plan().then(valuesOf)]);
    const [cost] = pairwiseCosts(await valuesOf(one), await valuesOf(two), 1, metric);
    const mass = Math.exp((f! + g! - cost!) / 2e-6);
    expect(alone.marginalError).toBeCloseTo(2 * Math.abs(mass - 1), 8);
    expect(p).toBeCloseTo(mass, 6);
  });

  it('memory is of the size of the points, not of their pairs', async () => {
    await using device = Device.open(kind);
    const [n, m] = [800, 700];
    using x = Tensor.from(device, Float32Array.from(numbers(2 * n, 1)), [n, 2]);
    using y = Tensor.from(device, Float32Array.from(numbers(2 * m, 2)), [m, 2]);
    const { live } = await settledMemory(device);
    using result = await sinkhorn({ x, y }, { eps: 2, tol: 1e-3, method: 'sinkhorn', maxSweeps: 4 });
    using gradient = await result.gradient('x');
    using applied = await result.apply(y);
    expect([gradient.shape, applied.shape]).toEqual([
      [n, 2],
      [n, 2],
    ]);
    // A matrix of bytes would take 8 bits a pair.
    expect(device.info.memory.peak - live).toBeLessThan((n * m) / 4);
  });

  it.each([1, 9, 33])('nor in %i dimensions', async (d) => {
    await using device = Device.open(kind);
    const [n, m] = [400, 350];
    using x = Tensor.from(device, Float32Array.from(numbers(d * n, 1)), [n, d]);
    using y = Tensor.from(device, Float32Array.from(numbers(d * m, 2)), [m, d]);
    const { live } = await settledMemory(device);
    for (const metric of metrics) {
      using result = await sinkhorn({ x, y, metric }, { eps: d, tol: 1e-3, method: 'sinkhorn' });
      expect(result.status).toBe('converged');
    }
    // The points themselves are copied once; a matrix would take 4 bytes a pair, or 8.
    expect(device.info.memory.peak - live).toBeLessThan((n * m) / 2 + 4 * d * (n + m));
  });

  it.each(metrics)(
    '%s: rows and columns agree to the last digits, in clouds far from 0 and from each other',
    async (metric) => {
      const [n, d] = [60, 24];
      const cloudOf = (seed: number) => numbers(n * d, seed).map((x, at) => (at % (2 * d) < d ? 1e4 + x : 3e4 + x));
      using x = Tensor.from(device, cloudOf(1), [n, d]);
      using y = Tensor.from(device, cloudOf(2), [n, d]);
      using result = await sinkhorn({ x, y, metric }, { eps: 0.5, tol: 1e-10 });
      expect(result.status).toBe('converged');
      const [xs, ys] = [await valuesOf(x), await valuesOf(y)];
      const costs = pairwiseCosts(xs, ys, d, metric);
      using cost = Tensor.from(device, costs, [n, n]);
      using expected = await sinkhorn(cost, { eps: 0.5, tol: 1e-10, method: 'sinkhorn' });
      expect(result.value).toBeCloseTo(expected.value, 8);
    },
  );

  it('may be disposed of before the last use of the result, and are not written to', async () => {
    const [x, y] = [points(9, 2, 1), points(13, 2, 2)];
    const before = await x.read();
    const result = await sinkhorn({ x, y, metric: 'l1' }, { eps: 0.3 });
    expect(sameBits(await x.read(), before)).toBe(true);
    x.dispose();
    y.dispose();
    using plan = await result.plan();
    expect((await valuesOf(plan)).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
    result.dispose();
    await expect(result.gradient('x')).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('leave no memory behind', async () => {
    await using device = Device.open(kind);
    using x = Tensor.from(device, numbers(40, 1), [20, 2]);
    const { live } = await settledMemory(device);
    for (const method of ['sinkhorn', 'sns'] as const) {
      using result = await sinkhorn({ x, y: x }, { eps: 0.1, method });
      (await result.gradient('y')).dispose();
      (await result.apply(x, { transpose: true })).dispose();
      await sinkhorn({ x, y: x }, { eps: 0.1, method, a: [1] }).catch(() => {});
    }
    expect(device.info.memory.live).toBe(live);
  });
});

describe.each(onlyCpu)('point clouds', () => {
  const device = Device.open('cpu');
  const other = Device.open('cpu');
  afterAll(async () => {
    await device.close();
    await other.close();
  });
  const x = Tensor.from(device, numbers(6, 1), [3, 2]);
  it.each<[string, Record<string, unknown>, string, string]>([
    ['no tensor', { x: [[1]] }, 'ERR_ARGUMENT', 'sinkhorn: x must be a Tensor, got a list'],
    ['no y', { y: undefined }, 'ERR_ARGUMENT', 'sinkhorn: y must be a Tensor, got undefined'],
    ['bf16', { x: x.cast('bf16') }, 'ERR_DTYPE', 'x must be f32 or f64, got bf16'],
    ['a vector', { x: Tensor.zeros(device, [3]) }, 'ERR_SHAPE', 'x must be a matrix with elements, got [3]'],
    ['two dtypes', { y: x.cast('f32') }, 'ERR_DTYPE', 'y must have the dtype of x, f64, got f32'],
    ['other coordinates', { y: x.reshape([2, 3]) }, 'ERR_SHAPE', 'y must have the columns of x, 2, got 3'],
    [
      'another device',
      { y: Tensor.from(other, numbers(6, 1), [3, 2]) },
      'ERR_DEVICE',
      'sinkhorn: y is on another device',
    ],
    [
      'another metric',
      { metric: 'cosine' },
      'ERR_ARGUMENT',
      "metric must be one of 'sqeuclidean', 'euclidean', 'l1', got 'cosine'",
    ],
    ['an unknown field', { z: 1 }, 'ERR_ARGUMENT', 'sinkhorn: z is not an option'],
    [
      'NaN',
      { x: Tensor.from(device, Float64Array.of(1, NaN), [1, 2]) },
      'ERR_ARGUMENT',
      'x must be finite, got NaN at 1',
    ],
    [
      'points too far apart',
      { x: Tensor.from(device, Float64Array.of(1e160, 0), [1, 2]) },
      'ERR_ARGUMENT',
      'x and y must have finite distances, got one of',
    ],
  ])('refuse %s', async (_, change, code, message) => {
    const call = sinkhorn({ x, y: x, ...change } as unknown as PointClouds, { eps: 1 });
    await expect(call).rejects.toThrow(message);
    await expect(call).rejects.toMatchObject({ code });
  });
});
