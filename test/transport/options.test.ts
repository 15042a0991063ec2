// Devices: cpu, cuda
// Defaults of solvers, and their words for results that have not converged.
import { afterAll, describe, expect, it } from 'vitest';
import {
  barycenter,
  Device,
  Divergence,
  OrthokitError,
  sinkhorn,
  sinkhornDivergence,
  Tensor,
  TransportBatch,
  TransportResult,
  transportBatch,
} from '../../lib/index.ts';
import { runChild } from '../support/child.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { numbers } from '../support/transport.ts';

const codeOf = async (call: () => unknown): Promise<string | undefined> => {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(OrthokitError);
    return (error as OrthokitError).code;
  }
  return undefined;
};

describe.each(devices)('transport by default on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const small = () => Tensor.from(device, Float64Array.of(0, 1, 2, 1, 0, 3), [2, 3]);

  it('needs no options', async () => {
    // Half of the rows' mass goes to two columns each: 0 · 1/3 + 2 · 1/6, and 0 · 1/3 + 3 · 1/6.
    using cost = small();
    using result = await sinkhorn(cost);
    expect([result.status, result.eps]).toEqual(['converged', 1e-3]);
    expect(result.cost).toBeCloseTo(5 / 6, 3);
    using costs = cost.reshape([1, 2, 3]);
    using batch = await transportBatch(costs);
    expect([...batch.status, batch.eps]).toEqual(['converged', 1e-3]);
    expect(batch.value[0]).toBeCloseTo(result.value, 8);
    using x = Tensor.from(device, numbers(10, 1), [5, 2]);
    using y = Tensor.from(device, numbers(8, 2), [4, 2]);
    using divergence = await sinkhornDivergence({ x, y });
    expect(divergence.xy.eps).toBe(1e-3);
    expect(divergence.value).toBeGreaterThan(0);
  });

  it('points converge, as their matrix does', async () => {
    const [n, m] = kind === 'cpu' ? [200, 32] : [40, 12];
    const masses = (size: number, seed: number) => {
      const weights = numbers(size, seed).map((x) => x * x + 1e-3);
      const total = weights.reduce((p, q) => p + q);
      return weights.map((x) => x / total);
    };
    using x = Tensor.from(device, numbers(3 * n, 1), [n, 3]);
    using y = Tensor.from(device, numbers(3 * m, 2), [m, 3]);
    const options = { a: masses(n, 3), b: masses(m, 4) };
    using result = await sinkhorn({ x, y }, options);
    expect(result.status).toBe('converged');
    using stepped = await sinkhorn({ x, y }, { ...options, method: 'sns' });
    expect(result.cost).toBeCloseTo(stepped.cost, 8);
  });

  it.each([1e-3, 1e-4])('a batch at eps %d ends as each of its problems does', async (eps) => {
    const count = kind === 'cpu' ? 60 : 4;
    const shapes = [
      [2, 3],
      [3, 4],
      [6, 6],
      [5, 9],
    ] as const;
    const sizes = Array.from({ length: count }, (_, k) => shapes[k % shapes.length]!);
    const costs = sizes.map(([n, m], k) => {
      const values = numbers(n * m, k).map((x) => (k % 3 === 0 ? Math.floor(5 * x) : x));
      return Tensor.from(device, values, [n, m]);
    });
    const shares = (size: number, k: number) => numbers(size, 1000 + k).map((x) => x + 0.01);
    const a = sizes.map(([n], k) => shares(n, k));
    const scale = (x: Float64Array, total: number) => x.map((p) => (p * total) / x.reduce((s, q) => s + q));
    const b = sizes.map(([, m], k) =>
      scale(
        shares(m, 500 + k),
        a[k]!.reduce((s, q) => s + q),
      ),
    );
    using batch = await transportBatch(costs, { a, b, eps });
    expect(batch.status.filter((status) => status !== 'converged')).toEqual([]);
    expect(Math.max(...batch.marginalError)).toBeLessThanOrEqual(1e-9);
    using plans = await batch.plan();
    expect(plans.shape[0]).toBe(count);
    for (const [k, cost] of costs.entries()) {
      using alone = await sinkhorn(cost, { a: a[k], b: b[k], eps });
      expect(batch.value[k]).toBeCloseTo(alone.value, 7);
      cost.dispose();
    }
  });

  it('what has not converged is an error, if it is asked for', async () => {
    using cost = small();
    using costs = cost.reshape([1, 2, 3]);
    using x = Tensor.from(device, numbers(10, 1), [5, 2]);
    const few = { eps: 1e-3, maxSweeps: 1, throwUnlessConverged: true };
    const results: [() => Promise<unknown>, string][] = [
      [() => sinkhorn(cost, { ...few, maxNewton: 1 }), 'sinkhorn: status must be converged, got max-iterations'],
      [() => sinkhornDivergence({ x, y: x }, { ...few, maxNewton: 1 }), 'sinkhornDivergence: status must be converged'],
      [
        () =>
          barycenter(
            cost,
            [
              [1, 1],
              [1, 2],
            ],
            few,
          ),
        'barycenter: status must be converged, got max-iterations',
      ],
      [
        () => transportBatch(costs, few),
        'status must be converged for all 1 problems, got max-iterations for problem 0',
      ],
    ];
    for (const [call, message] of results) {
      const error = await call().then(
        () => undefined,
        (reason: unknown) => reason as OrthokitError & { cause: { status: unknown; dispose?(): void } },
      );
      expect(error).toBeInstanceOf(OrthokitError);
      expect(error!.code).toBe('ERR_NOT_CONVERGED');
      expect(error!.message).toContain(message);
      expect([error!.cause.status].flat()).toEqual(['max-iterations']);
      error!.cause.dispose?.();
    }
    using fine = await sinkhorn(cost, { throwUnlessConverged: true });
    expect(fine.status).toBe('converged');
    const wrong = { throwUnlessConverged: 1 as never };
    await expect(sinkhorn(cost, wrong)).rejects.toThrow('throwUnlessConverged must be true or false, got 1');
    await expect(transportBatch(costs, wrong)).rejects.toThrow('transportBatch: throwUnlessConverged must be');
    await expect(barycenter(cost, [[1, 1]], { eps: 1, ...wrong })).rejects.toThrow('barycenter: throwUnlessConverged');
  });

  it('refuses lists with holes, and results that nothing returned', async () => {
    using cost = small();
    using costs = cost.reshape([1, 2, 3]);
    expect(await codeOf(() => transportBatch(new Array(3)))).toBe('ERR_ARGUMENT');
    expect(await codeOf(() => transportBatch(costs, { a: new Array(1) }))).toBe('ERR_ARGUMENT');
    expect(await codeOf(() => transportBatch(costs, { b: [7 as never] }))).toBe('ERR_ARGUMENT');
    expect(await codeOf(() => barycenter(cost, new Array(2), { eps: 1 }))).toBe('ERR_ARGUMENT');
    using x = Tensor.from(device, numbers(10, 1), [5, 2]);
    using divergence = await sinkhornDivergence({ x, y: x }, { eps: 1 });
    for (const by of [{}, Object.create(null), undefined, Symbol('x'), 'constructor'])
      expect(await codeOf(() => divergence.gradient(by as never))).toBe('ERR_ARGUMENT');
    for (const Class of [TransportResult, TransportBatch, Divergence])
      for (const args of [[], [1], [{}], [{}, {}, {}], [cost]])
        expect(await codeOf(() => Reflect.construct(Class, args))).toBe('ERR_ARGUMENT');
  });
});

describe.each(onlyCpu)('transport by default', (kind) => {
  it('stores no matrix of more than 64 MiB for points', async () => {
    await using device = Device.open(kind);
    const [n, m] = [2900, 2900];
    using x = Tensor.from(device, numbers(n, 1), [n, 1]);
    using y = Tensor.from(device, numbers(m, 2), [m, 1]);
    const { live } = await settledMemory(device);
    using result = await sinkhorn({ x, y }, { eps: 1, maxSweeps: 1, anneal: false });
    expect(result.iterations).toMatchObject({ sweeps: 1, newton: 0 });
    expect(device.info.memory.peak - live).toBeLessThan(1e6);
  });

  it('warns once a process of a result that is wrong', async () => {
    const { stdout } = await runChild('transport-warning.mjs');
    const lines = stdout.trim().split('\n');
    const warnings = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    expect(lines.filter((line) => !line.startsWith('{'))).toEqual([
      'converged',
      'at-precision',
      'max-iterations',
      'max-iterations',
    ]);
    expect(warnings).toEqual([
      {
        name: 'OrthokitWarning',
        code: 'ORTHOKIT_NOT_CONVERGED',
        message: expect.stringMatching(
          /^sinkhorn: status must be converged, got max-iterations at a marginal error of /,
        ),
      },
    ]);
  });
});
