// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { checkGradient, lbfgs, type Oracle, withDifferences } from '../../lib/solvers/index.ts';
import { devices } from '../support/devices.ts';
import { codeOf, hostOracle, rosenbrock, vector } from './problems.ts';

describe.each(devices)('lbfgs on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  /** ½ Σ wᵢ (xᵢ − 1)², on the device. */
  const quadratic = (x: Tensor, weights: readonly number[]): Oracle & { count: number } => {
    const w = vector(device, weights, x.dtype as 'f32' | 'f64');
    const one = Tensor.full(device, x.shape, 1, { dtype: x.dtype });
    const gradient = (out: Tensor): void => {
      ops.linearCombination(device, { out: [out], terms: [x, one], coefficients: [1, -1] });
      ops.multiply(device, { out: [out], x: [out], y: [w] });
    };
    const oracle = {
      params: [x],
      count: 0,
      value(out: Tensor) {
        using g = new Tensor(device, x.shape, x.dtype);
        gradient(g);
        using d = new Tensor(device, x.shape, x.dtype);
        ops.linearCombination(device, { out: [d], terms: [x, one], coefficients: [0.5, -0.5] });
        ops.dots(device, { x: [g], y: [d], out });
      },
      gradient([out]: readonly Tensor[], value?: Tensor) {
        oracle.count += 1;
        gradient(out!);
        if (value) oracle.value(value);
      },
    };
    return oracle;
  };

  it.each([[2], [10], [100]])('finds the end of a valley of %i variables in lists of tensors', async (n) => {
    const start = Array.from({ length: n }, (_, i) => (i % 2 ? 1 : -1.2));
    const params = [vector(device, start.slice(0, 1)), vector(device, start.slice(1))];
    const oracle = hostOracle(params, rosenbrock);
    const result = await lbfgs(oracle, { tol: 1e-10, history: true });
    expect(result.status).toBe('converged');
    expect(result.gradNorm).toBeLessThanOrEqual(1e-10);
    expect(result.evaluations).toBe(oracle.count);
    expect(result.iterations).toBeLessThan(60);
    expect(result.history).toHaveLength(result.iterations + 1);
    expect(result.history!.at(-1)).toBe(result.value);
    for (const part of params) for (const x of await part.read()) expect(Math.abs(Number(x) - 1)).toBeLessThan(1e-9);
  });

  it('takes curvatures that lie 1e10 apart, and f32', async () => {
    const skewed = quadratic(vector(device, [3, -2, 5, 1.5]), [1e5, 1, 1e-5, 7]);
    expect((await lbfgs(skewed, { tol: 1e-12, maxIterations: 500 })).status).toBe('converged');
    for (const x of await skewed.params[0]!.read()) expect(Math.abs(Number(x) - 1)).toBeLessThan(1e-6);
    const single = quadratic(vector(device, [3, -2, 5], 'f32'), [4, 1, 2]);
    expect((await lbfgs(single, { tol: 1e-5 })).status).toBe('converged');
    for (const x of await single.params[0]!.read()) expect(Number(x)).toBeCloseTo(1, 4);
  });

  it('goes on to rounding, and says so', async () => {
    const oracle = hostOracle([vector(device, [-1.2, 1])], rosenbrock);
    const result = await lbfgs(oracle, { tol: 0 });
    expect(['at-precision', 'converged']).toContain(result.status);
    expect(result.gradNorm).toBeLessThan(1e-12);
  });

  it('has nothing to do at a minimum, one step at a time, and a value that falls without end', async () => {
    const done = quadratic(vector(device, [1, 1]), [1, 2]);
    expect(await lbfgs(done)).toMatchObject({ status: 'converged', iterations: 0, evaluations: 1, value: 0 });
    const one = hostOracle([vector(device, [-1.2, 1])], rosenbrock);
    expect(await lbfgs(one, { maxIterations: 1 })).toMatchObject({ status: 'max-iterations', iterations: 1 });
    const endless = hostOracle([vector(device, [0])], ([x]) => ({
      value: -Math.exp(x!),
      gradient: [-Math.exp(x!)],
    }));
    expect((await lbfgs(endless)).status).toBe('diverged');
  });

  it('takes an infinite value for a step too far', async () => {
    // The barrier −ln x + x has its minimum at 1 and no value at or below 0.
    const oracle = hostOracle([vector(device, [30])], ([x]) =>
      x! > 0 ? { value: x! - Math.log(x!), gradient: [1 - 1 / x!] } : { value: Infinity, gradient: [0] },
    );
    expect((await lbfgs(oracle, { tol: 1e-10 })).status).toBe('converged');
    expect(Number((await oracle.params[0]!.read())[0])).toBeCloseTo(1, 9);
  });

  it('says that no step leads down where the gradient is wrong', async () => {
    const oracle = hostOracle([vector(device, [2, 3])], ([x, y]) => ({
      value: x! * x! + y! * y!,
      gradient: [-2 * x!, -2 * y!],
    }));
    expect((await lbfgs(oracle)).status).toBe('search-failed');
    expect([...(await oracle.params[0]!.read())]).toEqual([2, 3]);
    expect(await checkGradient(oracle)).toBeGreaterThan(1);
    const endless = hostOracle([vector(device, [2])], () => ({ value: Infinity, gradient: [1] }));
    await expect(checkGradient(endless)).rejects.toMatchObject({
      message: 'checkGradient: oracle.value must give finite numbers, got Infinity',
    });
  });

  it('leaves parameters as before where functions throw, give NaN or dispose, and when aborted', async () => {
    const make = (spoil: (count: number, grads: readonly Tensor[], value?: Tensor) => void): Oracle => {
      const inner = hostOracle([vector(device, [-1.2, 1])], rosenbrock);
      return {
        params: inner.params,
        value: (out) => inner.value(out),
        async gradient(grads, value) {
          await inner.gradient(grads, value);
          spoil(inner.count, grads, value);
        },
      };
    };
    const failures: [string, string, Oracle][] = [
      ['ERR_ARGUMENT', 'lbfgs: oracle.gradient has failed: no luck', make((count) => { if (count === 5) throw new Error('no luck'); })], // biome-ignore format: one line
      ['ERR_ARGUMENT', 'lbfgs: oracle.gradient must give numbers, got NaN', make((count, _, value) => { if (count === 5) value!.write(Float64Array.of(NaN)); })], // biome-ignore format: one line
      ['ERR_ARGUMENT', 'lbfgs: oracle.gradient must give numbers, got NaN', make((count, grads) => { if (count === 1) grads[0]!.write(Float64Array.of(1, NaN)); })], // biome-ignore format: one line
      ['ERR_DISPOSED', 'lbfgs: oracle.gradient has disposed of a tensor that it was given', make((count, grads) => { if (count === 3) grads[0]!.dispose(); })], // biome-ignore format: one line
    ];
    for (const [code, message, oracle] of failures) {
      await expect(lbfgs(oracle)).rejects.toMatchObject({ code, message });
      expect([...(await oracle.params[0]!.read())]).toEqual([-1.2, 1]);
    }
    const controller = new AbortController();
    const oracle = hostOracle([vector(device, [-1.2, 1])], rosenbrock);
    const reason = new Error('enough');
    const call = lbfgs(oracle, {
      tol: 0,
      signal: controller.signal,
      onProgress: ({ iterations }) => iterations === 4 && controller.abort(reason),
    });
    await expect(call).rejects.toBe(reason);
    expect([...(await oracle.params[0]!.read())]).toEqual([-1.2, 1]);
    const endless = { ...oracle, gradient: () => new Promise<void>(() => {}) };
    await expect(lbfgs(endless, { signal: AbortSignal.timeout(10) })).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('refuses what is no oracle and no option', async () => {
    const x = vector(device, [1]);
    const good = quadratic(x, [1]);
    expect(await codeOf(lbfgs({} as never))).toBe('ERR_ARGUMENT');
    expect(await codeOf(lbfgs({ ...good, params: [] }))).toBe('ERR_ARGUMENT');
    expect(await codeOf(lbfgs({ ...good, params: [x, vector(device, [1], 'f32')] }))).toBe('ERR_DTYPE');
    expect(await codeOf(lbfgs({ ...good, params: [Tensor.zeros(device, [0], { dtype: 'f64' })] }))).toBe('ERR_SHAPE');
    expect(await codeOf(lbfgs({ ...good, gradient: 1 } as never))).toBe('ERR_ARGUMENT');
    for (const options of [{ tol: -1 }, { memory: 0 }, { maxIterations: 0.5 }, { most: 1 }, { sample: -1 }])
      expect(await codeOf(lbfgs(good, options as never))).toBe('ERR_ARGUMENT');
  });

  it('compares gradients with values, and makes products of the Hessian of gradients', async () => {
    const params = [vector(device, [-1.2]), vector(device, [1])];
    const oracle = hostOracle(params, rosenbrock);
    expect(await checkGradient(oracle, { seed: 3 })).toBeLessThan(1e-7);
    const { hessianProduct } = withDifferences(oracle);
    const out = [vector(device, [0]), vector(device, [0])];
    await hessianProduct([vector(device, [1]), vector(device, [2])], out);
    // [1200 x² − 400 y + 2, −400 x; −400 x, 200]
    const [a, b] = [1200 * 1.44 - 400 + 2, 480];
    expect(Math.abs(Number((await out[0]!.read())[0]) - (a + 2 * b))).toBeLessThan(1e-5);
    expect(Math.abs(Number((await out[1]!.read())[0]) - (b + 400))).toBeLessThan(1e-5);
    await hessianProduct([vector(device, [0]), vector(device, [0])], out);
    expect(Number((await out[0]!.read())[0])).toBe(0);
    expect([(await params[0]!.read())[0], (await params[1]!.read())[0]]).toEqual([-1.2, 1]);
  });
});
