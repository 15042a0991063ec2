// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, type Tensor } from '../../lib/index.ts';
import { cg, checkAdjoint, type LinearOperator, minres } from '../../lib/solvers/index.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { codeOf, dense, diagonal, vector } from './problems.ts';

/** The second difference of n points, whose eigenvalues are 2 − 2 cos kπ / (n + 1). */
const laplacian = (n: number): number[][] =>
  Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 2 : Math.abs(i - j) === 1 ? -1 : 0))); // biome-ignore format: one line

describe.each(devices)('systems on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const numbers = async (x: Tensor): Promise<number[]> => [...(await x.read())].map(Number);
  const error = async (x: Tensor, expected: readonly number[]): Promise<number> =>
    Math.max(...(await numbers(x)).map((value, i) => Math.abs(value - expected[i]!)));
  const times = (a: readonly (readonly number[])[], x: readonly number[]): number[] =>
    a.map((row) => row.reduce((sum, value, j) => sum + value * x[j]!, 0));

  describe.each([
    ['cg', cg],
    ['minres', minres],
  ])('%s', (name, solve) => {
    it.each([[1], [2], [50], ...onlyCpu.map(() => [300])])('solves the second difference of %i points', async (n) => {
      const a = laplacian(n);
      const x = Array.from({ length: n }, (_, i) => Math.sin(i + 1));
      const operator = dense(device, a);
      const told: number[] = [];
      const result = await solve(operator, vector(device, times(a, x)), {
        tol: 1e-12,
        history: true,
        onProgress: ({ iterations }) => told.push(iterations),
      });
      expect(result.status).toBe('converged');
      expect(result.residualNorm).toBeLessThanOrEqual(1e-12);
      expect(await error(result.x, x)).toBeLessThan(1e-12 * n * n);
      expect(result.iterations).toBeLessThanOrEqual(n + 10);
      expect(result.history).toHaveLength(result.iterations + 1);
      expect(told).toEqual(Array.from(told.keys()));
    });

    it('takes eigenvalues 1e6 apart, starts at x0 and leaves it', async () => {
      const values = [1e-3, 1, 5, 20, 1e3];
      const b = vector(device, [1, 2, 3, 4, 5]);
      const x0 = vector(device, [900, 1, 1, 1, 0]);
      const { x, status } = await solve(dense(device, diagonal(values)), b, { x0, tol: 1e-11 });
      expect(status).toBe('converged');
      expect(await error(x, [1e3, 2, 0.6, 0.2, 5e-3])).toBeLessThan(1e-7);
      expect(await numbers(x0)).toEqual([900, 1, 1, 1, 0]);
      expect(await numbers(b)).toEqual([1, 2, 3, 4, 5]);
    });

    it('takes f32, b = 0, and few iterations; says where rounding ends it', async () => {
      const a = laplacian(20);
      const x = Array.from({ length: 20 }, (_, i) => (i % 3) - 1);
      const single = await solve(dense(device, a, 'f32'), vector(device, times(a, x), 'f32'));
      expect(single.status).toBe('converged');
      expect(single.x.dtype).toBe('f32');
      expect(await error(single.x, x)).toBeLessThan(1e-2);
      const zero = await solve(dense(device, a), vector(device, new Array(20).fill(0)));
      expect(zero).toMatchObject({ status: 'converged', iterations: 0, residualNorm: 0 });
      expect(await numbers(zero.x)).toEqual(new Array(20).fill(0));
      const few = await solve(dense(device, a), vector(device, times(a, x)), { maxIterations: 3 });
      expect(few).toMatchObject({ status: 'max-iterations', iterations: 3 });
      const exact = await solve(dense(device, a), vector(device, times(a, x)), { tol: 0, maxIterations: 1e4 });
      expect(['at-precision', 'converged']).toContain(exact.status);
      expect(exact.residualNorm).toBeLessThan(1e-14);
    });

    it('names what functions do wrong, and refuses what is no system', async () => {
      const b = vector(device, [1, 2]);
      const good = dense(device, diagonal([1, 2]));
      const bad = (apply: LinearOperator['apply']): LinearOperator => ({ ...good, apply });
      const call = (operator: LinearOperator, options = {}) => solve(operator, b, options);
      await expect(call(bad(() => { throw new Error('no luck'); }))).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: `${name}: operator.apply has failed: no luck` }); // biome-ignore format: one line
      await expect(call(bad((_, out) => out.dispose()))).rejects.toMatchObject({ code: 'ERR_DISPOSED', message: `${name}: operator.apply has disposed of a tensor that it was given` }); // biome-ignore format: one line
      await expect(call(bad((_, out) => ops.fill(device, { x: [out], value: NaN })))).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: `${name}: operator.apply must give numbers, got NaN` }); // biome-ignore format: one line
      await expect(call(bad(() => new Promise(() => {})), { signal: AbortSignal.timeout(10) })).rejects.toMatchObject({ name: 'TimeoutError' }); // biome-ignore format: one line
      expect(await codeOf(solve(good, vector(device, [1, NaN])))).toBe('ERR_ARGUMENT');
      expect(await codeOf(solve(good, vector(device, [1, 2, 3])))).toBe('ERR_SHAPE');
      expect(await codeOf(solve(good, vector(device, [1, 2], 'f32')))).toBe('ERR_DTYPE');
      expect(await codeOf(solve(dense(device, [[1, 2, 3]]), b))).toBe('ERR_SHAPE');
      expect(await codeOf(solve({} as never, b))).toBe('ERR_ARGUMENT');
      expect(await codeOf(solve({ ...good, shape: [2] } as never, b))).toBe('ERR_SHAPE');
      for (const options of [{ tol: NaN }, { maxIterations: 0 }, { x0: 1 }, { most: 2 }])
        expect(await codeOf(solve(good, b, options as never))).toBe('ERR_ARGUMENT');
      expect(await numbers(b)).toEqual([1, 2]);
    });
  });

  it('cg ends at an operator that is not positive, minres solves it', async () => {
    const operator = dense(device, diagonal([1, -2, 3]));
    const b = vector(device, [1, 2, 6]);
    const broken = await cg(operator, b);
    expect(broken.status).toBe('breakdown');
    expect((await numbers(broken.x)).every(Number.isFinite)).toBe(true);
    const { x, status } = await minres(operator, b);
    expect(status).toBe('converged');
    expect(await error(x, [1, -1, 2])).toBeLessThan(1e-7);
  });

  it('minres solves singular systems that have a solution, and ends at others', async () => {
    const operator = dense(device, [[1, -1, 0], [-1, 2, -1], [0, -1, 1]]); // biome-ignore format: one line
    const { x, status } = await minres(operator, vector(device, [1, 0, -1]));
    expect(status).toBe('converged');
    expect(await error(x, [1, 0, -1])).toBeLessThan(1e-7);
    expect((await minres(operator, vector(device, [1, 1, 1]))).status).toBe('breakdown');
  });

  it('cg takes a preconditioner, which may differ each time', async () => {
    const n = 60;
    const values = Array.from({ length: n }, (_, i) => 10 ** (i / 12));
    const a = diagonal(values).map((row, i) => row.map((x, j) => (i === j ? x : 0.1 / (1 + Math.abs(i - j)))));
    const x = Array.from({ length: n }, (_, i) => Math.cos(i));
    const b = vector(device, times(a, x));
    const plain = await cg(dense(device, a), b, { tol: 1e-11, maxIterations: 2000 });
    const inverse = vector(device, values.map((value) => 1 / value)); // biome-ignore format: one line
    let count = 0;
    const preconditioner: LinearOperator = {
      device,
      dtype: 'f64',
      shape: [n, n],
      apply(from, out) {
        ops.multiply(device, { x: [from], y: [inverse], out: [out] });
        // Another one each time, and not symmetric over time.
        ops.linearCombination(device, { out: [out], terms: [out], coefficients: [1 + 0.3 * (++count % 3)] });
      },
    };
    const helped = await cg(dense(device, a), b, { tol: 1e-11, preconditioner });
    expect(helped.status).toBe('converged');
    expect(await error(helped.x, x)).toBeLessThan(1e-4);
    expect(helped.iterations).toBeLessThan(plain.iterations / 2);
    const negative = { ...preconditioner, apply: (from: Tensor, out: Tensor) => ops.linearCombination(device, { out: [out], terms: [from], coefficients: [-1] }) }; // biome-ignore format: one line
    expect((await cg(dense(device, a), b, { preconditioner: negative })).status).toBe('breakdown');
    expect(await codeOf(cg(dense(device, a), b, { preconditioner: dense(device, [[1]]) }))).toBe('ERR_ARGUMENT');
  });

  it('cg with the rounding of products: b loses what a singular operator cannot give, and residuals of rounding are enough', async () => {
    const operator = dense(device, diagonal([1, 0.5, 1e-18, 0.25]));
    const b = vector(device, [1, 1, 1e-3, 1]);
    const { x, status, dropped, residualNorm } = await cg(operator, b, { tol: 1e-12, rounding: 1e-15 });
    expect(status).toBe('converged');
    expect(residualNorm).toBeLessThan(1e-12);
    expect(dropped).toBeCloseTo(1e-3 / Math.sqrt(3), 8);
    const found = await numbers(x);
    for (const [i, value] of [1, 2, undefined, 4].entries()) if (value) expect(found[i]).toBeCloseTo(value, 8);
    expect(Math.abs(found[2]!)).toBeLessThan(1);
    expect(await numbers(b)).toEqual([1, 1, 1e-3, 1]);
    // Without it, x follows b to where nothing holds it.
    expect((await cg(operator, b, { tol: 1e-12 })).dropped).toBe(0);

    const a = laplacian(40);
    const right = vector(device, new Array(40).fill(1));
    const coarse = await cg(dense(device, a), right, { tol: 0, rounding: 1e-8 });
    expect(coarse.status).toBe('converged');
    const size = Math.hypot(...(await numbers(coarse.x)));
    expect(coarse.residualNorm * Math.sqrt(40)).toBeLessThanOrEqual(1e-8 * size);
    expect(await codeOf(cg(operator, b, { rounding: -1 }))).toBe('ERR_ARGUMENT');
  });

  it('cg with the rounding of products and a preconditioner', async () => {
    const operator = dense(device, diagonal([1, 0.5, 1e-18, 0.25]));
    const b = vector(device, [1, 1, 1e-3, 1]);
    const preconditioner = dense(device, diagonal([1, 3, 1, 5]));
    const { x, status, dropped, residualNorm } = await cg(operator, b, { tol: 1e-12, rounding: 1e-15, preconditioner });
    expect(status).toBe('converged');
    expect(residualNorm).toBeLessThan(1e-12);
    expect(dropped).toBeCloseTo(1e-3 / Math.sqrt(3), 8);
    const found = await numbers(x);
    for (const [i, value] of [1, 2, undefined, 4].entries()) if (value) expect(found[i]).toBeCloseTo(value, 8);

    // No residual is small enough: iterations begin anew from the exact one until rounding hides what is left.
    const a = laplacian(40);
    const want = Array.from({ length: 40 }, (_, i) => Math.sin(i));
    const right = vector(device, times(a, want));
    const inverse = dense(device, diagonal(new Array(40).fill(0.5)));
    const exact = await cg(dense(device, a), right, { tol: 1e-15, preconditioner: inverse });
    expect(['at-precision', 'converged']).toContain(exact.status);
    expect(await error(exact.x, want)).toBeLessThan(1e-11);
  });

  it('tells an adjoint from what is none', async () => {
    const operator = dense(device, [[1, 2, 3], [4, 5, 6]]); // biome-ignore format: one line
    expect(await checkAdjoint(operator)).toBeLessThan(1e-15);
    const wrong = { ...operator, adjoint: (y: Tensor, out: Tensor) => { operator.adjoint!(y, out); ops.linearCombination(device, { out: [out], terms: [out], coefficients: [-1] }); } }; // biome-ignore format: one line
    expect(await checkAdjoint(wrong)).toBeGreaterThan(0.01);
    expect(await checkAdjoint(dense(device, [[0, 0]]))).toBe(0);
    expect(await codeOf(checkAdjoint({ ...operator, adjoint: undefined } as never))).toBe('ERR_ARGUMENT');
    const nan = { ...operator, apply: (_: Tensor, out: Tensor) => ops.fill(device, { x: [out], value: NaN }) };
    expect(await codeOf(checkAdjoint(nan))).toBe('ERR_ARGUMENT');
    const endless = { ...operator, apply: (_: Tensor, out: Tensor) => ops.fill(device, { x: [out], value: Infinity }) };
    expect(await codeOf(checkAdjoint(endless))).toBe('ERR_ARGUMENT');
  });
});
