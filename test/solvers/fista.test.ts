// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { fista, type Oracle, type ProximalOperator, project } from '../../lib/solvers/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { codeOf, hostOracle, type Matrix, rosenbrock, vector } from './problems.ts';

describe.each(devices)('fista on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const numbers = async (x: Tensor): Promise<number[]> => [...(await x.read())].map(Number);
  const none: ProximalOperator = () => {};
  /** prox of `weight` · ‖x‖₁ */
  const l1 =
    (weight: number): ProximalOperator =>
    (x, step) =>
      ops.map(device, { x, out: x, function: 'soft_threshold', parameters: [weight * step] });

  /** ½ ‖A x − b‖² */
  function leastSquares(x: Tensor, a: Matrix, b: readonly number[]): Oracle & { count: number } {
    return hostOracle([x], (point) => {
      const rest = a.map((row, i) => row.reduce((sum, value, j) => sum + value * point[j]!, 0) - b[i]!);
      const gradient = a[0]!.map((_, j) => a.reduce((sum, row, i) => sum + row[j]! * rest[i]!, 0));
      return { value: rest.reduce((sum, r) => sum + r * r, 0) / 2, gradient };
    });
  }
  const matrix = (rows: number, columns: number, seed: number): number[][] => {
    const drawn = normal(rows * columns, seed);
    return Array.from({ length: rows }, (_, i) => [...drawn.slice(i * columns, (i + 1) * columns)]);
  };

  it.each([
    [1, 1],
    [2, 3],
    [3, 2],
    [20, 8],
  ])('with default options solves least squares of [%i, %i], whatever the unit', async (m, n) => {
    for (const unit of [1e-6, 1, 1e6]) {
      const a = matrix(m, n, 3).map((row) => row.map((value) => value * unit));
      const x = vector(device, new Array(n).fill(0));
      const b = a.map((row) => row.reduce((sum, value, j) => sum + value * (j + 1), 0));
      const oracle = leastSquares(x, a, b);
      const { status, residualNorm, value } = await fista(oracle, none, { tol: 1e-9 * unit * unit });
      expect(status).toBe('converged');
      expect(residualNorm).toBeLessThanOrEqual(1e-9 * unit * unit);
      expect(value).toBeLessThan(1e-14 * unit * unit);
    }
  });

  it('gives closed forms of thresholds and constraints', async () => {
    // min ½ (x − c)² + 0.5 |x| is the soft threshold of c, in one step of size 1.
    const c = [3, -0.2, 0.5, -2, 0];
    const identity = c.map((_, i) => c.map((__, j) => (i === j ? 1 : 0)));
    const x = vector(device, new Array(5).fill(9));
    expect((await fista(leastSquares(x, identity, c), l1(0.5), { tol: 1e-12 })).status).toBe('converged');
    const expected = [2.5, 0, 0, -1.5, 0];
    for (const [i, value] of (await numbers(x)).entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-11);
    // The nearest point of the simplex, by f = ½ |x − c|².
    const y = vector(device, new Array(5).fill(0));
    expect((await fista(leastSquares(y, identity, c), ([p]) => project.simplex(p!), { tol: 1e-12 })).status).toBe('converged'); // biome-ignore format: one line
    const nearest = vector(device, c);
    project.simplex(nearest);
    const point = await numbers(nearest);
    for (const [i, value] of (await numbers(y)).entries()) expect(Math.abs(value - point[i]!)).toBeLessThan(1e-11);
    // A linear function over a box has its minimum at a corner.
    const slopes = [1, -2, 3];
    const z = vector(device, [0.5, 0.5, 0.5]);
    const linear = hostOracle([z], (p) => ({ value: slopes.reduce((s, k, i) => s + k * p[i]!, 0), gradient: slopes }));
    expect((await fista(linear, ([p]) => project.box(p!, 0, 1))).status).toBe('converged');
    expect(await numbers(z)).toEqual([0, 1, 0]);
  });

  it('finds the lasso, whose subgradient is 0 where it ends', async () => {
    const [m, n, weight] = [40, 100, 2];
    const a = matrix(m, n, 11);
    const b = a.map((row) => 3 * row[4]! - 2 * row[50]! + 1.5 * row[77]!);
    const x = vector(device, new Array(n).fill(0));
    const oracle = leastSquares(x, a, b);
    const result = await fista(oracle, l1(weight), { tol: 1e-9, maxIterations: 3000, history: true });
    expect(result.status).toBe('converged');
    expect(result.restarts).toBeGreaterThan(0);
    expect(result.history).toHaveLength(result.iterations);
    expect(result.history!.at(-1)).toBe(result.residualNorm);
    expect(oracle.count + result.evaluations).toBeGreaterThan(2 * result.iterations);
    const found = await numbers(x);
    const rest = a.map((row, i) => row.reduce((sum, value, j) => sum + value * found[j]!, 0) - b[i]!);
    for (const [j, value] of found.entries()) {
      const slope = a.reduce((sum, row, i) => sum + row[j]! * rest[i]!, 0);
      if (value === 0) expect(Math.abs(slope)).toBeLessThan(weight + 1e-7);
      else expect(Math.abs(slope + weight * Math.sign(value))).toBeLessThan(1e-7);
    }
    expect(found.filter((value) => value !== 0).length).toBeLessThan(20);
  });

  it('needs far fewer steps than without momentum where curvatures lie far apart', async () => {
    const a = [
      [1, 0],
      [0, 1e-2],
    ];
    const x = vector(device, [1, 1]);
    const { status, iterations } = await fista(leastSquares(x, a, [0, 0]), none, { tol: 1e-9, maxIterations: 3000 });
    expect(status).toBe('converged');
    // Steps alone take 1e4 · ln(1e5) of them.
    expect(iterations).toBeLessThan(2000);
  });

  it('takes lists of tensors, f32, a step that is far too long or too short, and a value of infinity', async () => {
    const params = [vector(device, [-1.2]), vector(device, [1])];
    const valley = await fista(hostOracle(params, rosenbrock), none, { tol: 1e-6, maxIterations: 20000 });
    expect(valley.status).toBe('converged');
    for (const part of params) expect(Math.abs((await numbers(part))[0]! - 1)).toBeLessThan(1e-4);
    for (const step of [1e9, 1e-1]) {
      const x = vector(device, [5, -5], 'f32');
      const single = leastSquares(x, [[2, 1], [1, 3]], [3, 4]); // biome-ignore format: one line
      expect((await fista(single, none, { tol: 1e-4, step })).status).toBe('converged');
      for (const value of await numbers(x)) expect(value).toBeCloseTo(1, 4);
    }
    // x − ln x has its minimum at 1 and no value at or below 0.
    const barrier = hostOracle([vector(device, [30])], ([p]) =>
      p! > 0 ? { value: p! - Math.log(p!), gradient: [1 - 1 / p!] } : { value: Infinity, gradient: [0] },
    );
    expect((await fista(barrier, none, { tol: 1e-8 })).status).toBe('converged');
    expect((await numbers(barrier.params[0]!))[0]).toBeCloseTo(1, 7);
  });

  it('says how it ended', async () => {
    const at = (values: readonly number[]) => vector(device, values);
    const done = leastSquares(at([1, 1]), [[1, 0], [0, 2]], [1, 2]); // biome-ignore format: one line
    expect(await fista(done, none)).toMatchObject({ status: 'converged', value: 0, residualNorm: 0, restarts: 0 });
    const few = leastSquares(at([5, 5]), [[1, 0], [0, 30]], [1, 2]); // biome-ignore format: one line
    const told: number[] = [];
    const onProgress = ({ iterations }: { iterations: number }) => told.push(iterations);
    expect(await fista(few, none, { maxIterations: 3, onProgress })).toMatchObject({ status: 'max-iterations', iterations: 3 }); // biome-ignore format: one line
    expect(told).toEqual([1, 2, 3]);
    const exact = leastSquares(at([5, 5]), [[1, 0.5], [0.3, 3]], [1, 2]); // biome-ignore format: one line
    const end = await fista(exact, none, { tol: 0, maxIterations: 1e5 });
    expect(['at-precision', 'converged']).toContain(end.status);
    expect(end.residualNorm).toBeLessThan(1e-7);
    const wrong = hostOracle([at([2, 3])], ([p, q]) => ({ value: p! * p! + q! * q!, gradient: [-2 * p!, -2 * q!] }));
    expect(await fista(wrong, none)).toMatchObject({ status: 'search-failed', value: 13 });
    expect(await numbers(wrong.params[0]!)).toEqual([2, 3]);
    const endless = hostOracle([at([0])], ([p]) => ({ value: p! > 3 ? -Infinity : -p!, gradient: [-1] }));
    expect((await fista(endless, none, { step: 10 })).status).toBe('diverged');
    const cliff = hostOracle([at([-0.1])], ([p]) => ({
      value: p! > 0 ? p! - Math.log(p!) : Infinity,
      gradient: [p! > 0 ? 1 - 1 / p! : -1],
    }));
    expect(await fista(cliff, none, { step: 1 })).toMatchObject({ status: 'search-failed', value: Infinity });
    expect(await numbers(cliff.params[0]!)).toEqual([-0.1]);
    const nowhere = hostOracle([at([0])], () => ({ value: Infinity, gradient: [1] }));
    expect((await fista(nowhere, none)).status).toBe('search-failed');
    expect(await numbers(nowhere.params[0]!)).toEqual([0]);
  });

  it('leaves parameters as before where functions throw, give NaN or dispose, and when aborted', async () => {
    const start = [-1.2, 1];
    const make = (spoil: (count: number, grads: readonly Tensor[], value?: Tensor) => void): Oracle => {
      const inner = hostOracle([vector(device, start)], rosenbrock);
      return {
        params: inner.params,
        value: (out) => inner.value(out),
        async gradient(grads, value) {
          await inner.gradient(grads, value);
          spoil(inner.count, grads, value);
        },
      };
    };
    const good = () => make(() => {});
    let calls = 0;
    const later =
      (spoil: (x: readonly Tensor[]) => void): ProximalOperator =>
      (x) => {
        calls += 1;
        if (calls % 5 === 0) spoil(x);
      };
    const failures: [string, string, Oracle, ProximalOperator][] = [
      ['ERR_ARGUMENT', 'fista: oracle.gradient has failed: no luck', make((count) => { if (count === 5) throw new Error('no luck'); }), none],
      ['ERR_ARGUMENT', 'fista: oracle.gradient must give numbers, got NaN', make((count, _, value) => { if (count === 5) value!.write(Float64Array.of(NaN)); }), none],
      ['ERR_ARGUMENT', 'fista: oracle.gradient must give numbers, got NaN', make((count, grads) => { if (count === 1) grads[0]!.write(Float64Array.of(1, NaN)); }), none],
      ['ERR_DISPOSED', 'fista: oracle.gradient has disposed of a tensor that it was given', make((count, grads) => { if (count === 3) grads[0]!.dispose(); }), none],
      ['ERR_ARGUMENT', 'fista: prox has failed: no luck', good(), later(() => { throw new Error('no luck'); })],
      ['ERR_ARGUMENT', 'fista: oracle.value must give numbers, got NaN', good(), later(([x]) => x!.write(Float64Array.of(NaN, 1)))],
      ['ERR_ARGUMENT', 'fista: prox must give numbers, got NaN', hostOracle([vector(device, start)], () => ({ value: 1, gradient: [1, 1] })), later(([x]) => x!.write(Float64Array.of(NaN, 1)))],
    ]; // biome-ignore format: a line each
    for (const [code, message, oracle, prox] of failures) {
      calls = 0;
      await expect(fista(oracle, prox, { tol: 0 })).rejects.toMatchObject({ code, message });
      expect(await numbers(oracle.params[0]!)).toEqual(start);
    }
    const gone = good();
    await expect(fista(gone, ([x]) => x!.dispose())).rejects.toMatchObject({ code: 'ERR_DISPOSED', message: 'fista: prox has disposed of a tensor that it was given' }); // biome-ignore format: one line
    const controller = new AbortController();
    const reason = new Error('enough');
    const oracle = good();
    const call = fista(oracle, none, {
      tol: 0,
      signal: controller.signal,
      onProgress: ({ iterations }) => iterations === 4 && controller.abort(reason),
    });
    await expect(call).rejects.toBe(reason);
    expect(await numbers(oracle.params[0]!)).toEqual(start);
    const endless = () => new Promise<void>(() => {});
    await expect(fista(oracle, endless, { signal: AbortSignal.timeout(10) })).rejects.toMatchObject({ name: 'TimeoutError' }); // biome-ignore format: one line
  });

  it('refuses what is no oracle, no operator and no option', async () => {
    const good = leastSquares(vector(device, [1]), [[1]], [0]);
    expect(await codeOf(fista({} as never, none))).toBe('ERR_ARGUMENT');
    expect(await codeOf(fista(good, undefined as never))).toBe('ERR_ARGUMENT');
    expect(await codeOf(fista({ ...good, params: [Tensor.zeros(device, [0], { dtype: 'f64' })] }, none))).toBe('ERR_SHAPE'); // biome-ignore format: one line
    for (const options of [{ tol: -1 }, { step: 0 }, { maxIterations: 0 }, { momentum: 1 }, { sample: -1 }])
      expect(await codeOf(fista(good, none, options as never))).toBe('ERR_ARGUMENT');
  });
});
