// Devices: cpu, cuda
// Values: published solutions of Hock and Schittkowski's problems, and counts of steps of the prototype.
import { afterAll, describe, expect, it } from 'vitest';
import { adaSketchNewton, type EqualityProblem } from '../../../lib/constrained/index.ts';
import { Device } from '../../../lib/index.ts';
import { codeOf } from '../../solvers/problems.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { circle, falling, hs6, hs7, hs28, logistic } from './problems.ts';

const list = (...values: number[]) => Float64Array.of(...values);

describe.each(devices)('AdaSketch–Newton on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const near = (found: Float64Array, expected: readonly number[], tolerance = 1e-8) => {
    for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value)).toBeLessThan(tolerance);
  };

  it.each([
    ['circle', circle, [-1.2, -0.5], [-1, -1], 5],
    ['problem 6', hs6, [-1.2, 1], [1, 1], 19],
    ['problem 7', hs7, [2, 2], [0, Math.sqrt(3)], 8],
    ['problem 28', hs28, [-4, 1, 1], [0.5, -0.5, 0.5], 1],
  ] as const)(
    'solves the %s in few steps, by a factorization and by blocks alike',
    async (_, problem, from, to, most) => {
      // Sketches take thousands of operations, each of which the emulator takes long for.
      const all = [['direct', undefined], ['block', 2]] as const; // biome-ignore format: one line
      for (const [sketch, block] of kind === 'cpu' ? all : all.slice(0, 1)) {
        const end = await adaSketchNewton(problem, list(...from), list(1), { sketch, block, tol: 1e-8, device });
        expect(end.status).toBe('converged');
        expect(end.iterations).toBeLessThanOrEqual(most);
        near(end.x, to, 1e-7);
        expect(end.kkt.at(-1)!).toBeLessThanOrEqual(1e-8);
        expect([end.kkt.length - 1, end.alphas.length, end.inner.length]).toEqual(Array(3).fill(end.iterations));
        if (problem === circle) near(end.lambda, [0.5]);
        expect(end.value).toBeCloseTo(problem.value(Float64Array.from(to)) as number, 7);
      }
    },
  );

  it('ends at once at a maximum, which fulfils the same conditions', async () => {
    const start = Float64Array.of(1, 1);
    const end = await adaSketchNewton(circle, start, list(-0.5), { sketch: 'direct', device });
    expect(end).toMatchObject({ status: 'converged', iterations: 0 });
    expect(end.x).toEqual(start);
  });

  it('has a status for each end', async () => {
    const twice: EqualityProblem = {
      ...hs28,
      constraints: 2,
      constraint: ([a, b, c], out) => out.set([a! + 2 * b! + 3 * c! - 1, 2 * a! + 4 * b! + 6 * c! - 2]),
      jacobian: (_, out) => out.set([1, 2, 3, 2, 4, 6]),
    };
    const wrong: EqualityProblem = {
      ...hs28,
      value: ([a, b, c]) => 1e3 * ((a! + 4) ** 2 + (b! - 1) ** 2 + (c! - 1) ** 2),
    };
    const run = (problem: EqualityProblem, from: Float64Array, options: object) =>
      adaSketchNewton(problem, from, new Float64Array(problem.constraints).fill(1), {
        sketch: 'direct',
        device,
        ...options,
      });
    const statuses = {
      converged: run(circle, list(-1.2, -0.5), {}),
      'max-iterations': run(circle, list(-1.2, -0.5), { maxIterations: 2 }),
      infeasible: run(twice, list(-4, 1, 1), {}),
      'at-precision': run(hs7, list(2, 2), { tol: 1e-300 }),
      'search-failed': run(wrong, list(-4, 1, 1), {}),
      diverged: run(falling, list(3, -2), {}),
      breakdown: run(falling, list(3, -2), { eta1: 2e8, eta2: 1e3 }),
      budget: run(falling, list(3, -2), { sketch: 'gaussian', maxInner: 1, eta2: 1e3 }),
    };
    for (const [status, end] of Object.entries(statuses)) {
      const found = await end;
      expect(found.status).toBe(status);
      expect([...found.x, ...found.lambda, ...found.kkt].every(Number.isFinite)).toBe(true);
    }
  });

  it('takes the same steps for the same seed', async () => {
    const [problem, start] = kind === 'cpu' ? [hs7, list(2, 2)] : [hs28, list(-4, 1, 1)];
    const [maxInner, maxIterations] = kind === 'cpu' ? [1e6, 100] : [20, 1];
    const run = (seed: number) =>
      adaSketchNewton(problem, start, list(1), { block: 2, tol: 1e-8, seed, maxInner, maxIterations, device });
    const [first, second, third] = [await run(1), await run(1), await run(2)];
    expect(second).toEqual(first);
    expect(third.kkt).not.toEqual(first.kkt);
    if (kind === 'cpu') expect(third.status).toBe('converged');
  });

  it('names functions that fail, and takes those that answer later', async () => {
    const run = (part: Partial<EqualityProblem>, options: object = {}) =>
      adaSketchNewton({ ...circle, ...part }, list(-1.2, -0.5), list(1), { sketch: 'direct', device, ...options });
    const fail = () => {
      throw new Error('no model');
    };
    await expect(run({ gradient: fail })).rejects.toThrow('adaSketchNewton: problem.gradient has failed: no model');
    await expect(run({ value: () => NaN })).rejects.toThrow(/problem.value must give finite numbers at x0, got NaN/);
    await expect(run({ jacobian: () => {} })).rejects.toThrow(/problem.jacobian must give finite/);
    await expect(run({ hessian: (_, __, out) => out.set([1, 2, 3, 4]) })).rejects.toThrow(/symmetric/);
    await expect(run({ hessian: (_, __, out) => out.set([Infinity, 0, 0, 1]) })).rejects.toThrow(
      /hessian must give finite/,
    );
    const taken = (_: Float64Array, out: Float64Array) =>
      void structuredClone(out, { transfer: [out.buffer as ArrayBuffer] });
    expect(await codeOf(run({ constraint: taken }))).toBe('ERR_SHAPE');
    const later = await run({
      value: async (x) => circle.value(x),
      hessian: async (x, lambda, out) => circle.hessian(x, lambda, out),
    });
    expect(later.status).toBe('converged');
    // A function that writes into x changes nothing.
    const same = await run({
      gradient: (x, out) => {
        x.fill(NaN);
        out.fill(1);
      },
    });
    expect(same.x).toEqual(later.x);
    // A number that is not finite on the way is of a step that is too long.
    const edge = await run({ value: ([a, b]) => (a! < -1.25 ? NaN : a! + b!) });
    expect(edge.status).toBe('converged');
  });

  it('refuses what is no problem, and options that do not fit', async () => {
    const run = (problem: object, options: object = {}, x0 = list(1, 1), lambda0 = list(1)) =>
      codeOf(adaSketchNewton(problem as EqualityProblem, x0, lambda0, { device, ...options }));
    expect(await run({ ...circle, constraints: 3 })).toBe('ERR_ARGUMENT');
    expect(await run({ ...circle, hessian: undefined })).toBe('ERR_ARGUMENT');
    expect(await run(circle, {}, list(1))).toBe('ERR_SHAPE');
    expect(await run(circle, {}, list(1, NaN))).toBe('ERR_ARGUMENT');
    for (const bad of [{ tol: 0 }, { block: 4 }, { block: 0 }, { sketch: 'direct', block: 1 }, { beta: 0.5 }, { nu: 1 }, { theta: 2 }, { xi: 0 }]) // biome-ignore format: one line
      expect(await run(circle, bad)).toBe('ERR_ARGUMENT');
  });
});

describe.each(onlyCpu)('AdaSketch–Newton of more variables on %s', () => {
  const [x0, lambda0] = [new Float64Array(20).fill(1), new Float64Array(5).fill(1)];

  it('converges faster than linearly, with Newton steps at the end', async () => {
    const end = await adaSketchNewton(logistic(200, 20), x0, lambda0, { sketch: 'direct', tol: 1e-10 });
    expect(end.status).toBe('converged');
    expect(end.iterations).toBeLessThanOrEqual(12);
    expect([...end.alphas.subarray(-3)]).toEqual([1, 1, 1]);
    const shares = [...end.kkt.subarray(1)].map((value, i) => value / end.kkt[i]!);
    expect(shares.at(-1)!).toBeLessThan(shares.at(-2)!);
    expect(shares.at(-1)!).toBeLessThan(1e-2);
  });

  it('takes far fewer steps of blocks than of single vectors, to the same accuracy', async () => {
    const options = { tol: 1e-6, maxIterations: 20 };
    const exact = await adaSketchNewton(logistic(200, 20), x0, lambda0, { sketch: 'direct', ...options });
    const [blocks, single] = await Promise.all(
      ([['block', 8], ['gaussian', undefined]] as const).map(([sketch, block]) =>
        adaSketchNewton(logistic(200, 20), x0, lambda0, { sketch, block, ...options, maxIterations: block ? 20 : 1 }),
      ),
    ); // biome-ignore format: one line each
    expect(blocks!.status).toBe('converged');
    for (let i = 0; i < 20; ++i) expect(Math.abs(blocks!.x[i]! - exact.x[i]!)).toBeLessThan(1e-5);
    // The prototype took 897 steps of blocks of 8 for each of 7, and 35,138 of single vectors.
    expect(Math.max(...blocks!.inner)).toBeLessThan(2000);
    expect(single!.inner[0]).toBeGreaterThan(8 * blocks!.inner[0]!);
  });

  it.each(['block', 'gaussian', 'kaczmarz'] as const)('comes to the same point by sketches: %s', async (sketch) => {
    const n = 6;
    const small: EqualityProblem = {
      variables: n,
      constraints: 1,
      value: (x) => x.reduce((sum, value, i) => sum + ((1 + i) * value * value) / 2 - value, 0),
      gradient: (x, out) => out.set(x.map((value, i) => (1 + i) * value - 1)),
      hessian: (_, lambda, out) => {
        out.fill(0);
        for (let i = 0; i < n; ++i) out[i * n + i] = 1 + i + 2 * lambda[0]!;
      },
      constraint: (x, out) => out.set([x.reduce((sum, value) => sum + value * value, 0) - 1]),
      jacobian: (x, out) => out.set(x.map((value) => 2 * value)),
    };
    const from = new Float64Array(n).fill(0.4);
    const exact = await adaSketchNewton(small, from, list(0), { sketch: 'direct', tol: 1e-8 });
    const end = await adaSketchNewton(small, from, list(0), { sketch, tol: 1e-8 });
    expect([exact.status, end.status]).toEqual(['converged', 'converged']);
    for (let i = 0; i < n; ++i) expect(Math.abs(end.x[i]! - exact.x[i]!)).toBeLessThan(1e-7);
    expect(end.inner.every((steps) => steps > 1)).toBe(true);
  });

  it.each([
    ['an objective', 1e8, [[1, 1, 1]]],
    ['long gradients', 1, [[1e6, 1e6, 1e6]]],
    [
      'constraints',
      1,
      [
        [1e4, 1e4, 1e4],
        [1e-3, 0, 0],
      ],
    ],
  ] as const)('is not misled by units: %s', async (_, scale, rows) => {
    const problem: EqualityProblem = {
      variables: 3,
      constraints: rows.length,
      value: (x) => scale * x.reduce((sum, value, i) => sum + ((i + 1) * value * value) / 2 - value, 0),
      gradient: (x, out) => out.set(x.map((value, i) => scale * ((i + 1) * value - 1))),
      hessian: (_x, _lambda, out) => out.set([1, 0, 0, 0, 2, 0, 0, 0, 3].map((value) => scale * value)),
      constraint: (x, out) => out.set(rows.map((row) => row.reduce((sum, value, i) => sum + value * x[i]!, -row[0]))),
      jacobian: (_x, out) => out.set(rows.flat()),
    };
    const run = (sketch: 'direct' | 'block') =>
      adaSketchNewton(problem, list(1, 1, 1), new Float64Array(rows.length), { sketch, maxInner: 20_000 });
    const [exact, end] = [await run('direct'), await run('block')];
    expect(exact.status).toBe('converged');
    expect(end.status).toBe('converged');
    for (const [i, value] of exact.x.entries()) expect(Math.abs(end.x[i]! - value)).toBeLessThan(1e-6);
  });

  it.each([
    ['block', 300],
    ['gaussian', 1000],
    ['kaczmarz', 1000],
  ] as const)('is not misled by variables of different units: %s', async (sketch, most) => {
    const units = [1e6, 1, 1e-3];
    for (const share of [0, 0.3]) {
      // Bᵢⱼ is a share of √(Bᵢᵢ Bⱼⱼ), so that each unit taken by itself says all.
      const b = units.map((one, i) => units.map((other, j) => (i === j ? one : share * Math.sqrt(one * other))));
      const times = (x: Float64Array) => b.map((row) => row.reduce((sum, value, i) => sum + value * x[i]!, 0));
      const problem: EqualityProblem = {
        variables: 3,
        constraints: 1,
        value: (x) => times(x).reduce((sum, value, i) => sum + (value / 2 - 1) * x[i]!, 0),
        gradient: (x, out) => out.set(times(x).map((value) => value - 1)),
        hessian: (_x, _lambda, out) => out.set(b.flat()),
        constraint: (x, out) => out.set([x[0]! + x[1]! + x[2]! - 1]),
        jacobian: (_x, out) => out.set([1, 1, 1]),
      };
      const end = await adaSketchNewton(problem, list(1, 1, 1), list(1), { sketch, tol: 1e-6, maxInner: 20_000 });
      expect(end.status).toBe('converged');
      expect(end.inner.reduce((sum, one) => sum + one, 0)).toBeLessThan(most);
      const left = times(end.x).map((value) => value - 1 + end.lambda[0]!);
      for (const one of [...left, end.x[0]! + end.x[1]! + end.x[2]! - 1]) expect(Math.abs(one)).toBeLessThan(1e-6);
    }
  });

  it('ends with the signal’s reason while a system is solved', async () => {
    const controller = new AbortController();
    const slow = adaSketchNewton(logistic(50, 20), x0, lambda0, {
      sketch: 'kaczmarz',
      tol: 1e-12,
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(), 30);
    await expect(slow).rejects.toMatchObject({ name: 'AbortError' });
  });
});
