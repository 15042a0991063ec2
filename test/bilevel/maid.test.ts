// Devices: cpu, cuda
// Values: the optimum of a problem in closed form, and how many steps lead there (NumPy); the true function and its gradient
// by elimination.
import { afterAll, describe, expect, it } from 'vitest';
import { Maid, type MaidOptions, type MaidProblem, MaidState } from '../../lib/bilevel/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { constants, gradientAt, leastSquares, optimum, valueAt } from './least-squares.ts';

const read = async (x: Tensor) => [...(await x.read())].map(Number);
const { mu, lipschitz, B } = constants;
const bounds = { B, LB: 0, LAinv: 0 };
const options: MaidOptions = { mu, lipschitz, bounds, step0: 0.01, gradTol: 1e-7 };
const start = (device: Device, dtype: 'f32' | 'f64' = 'f64') => Tensor.full(device, [5, 1], 1, { dtype });
const zeros = (device: Device, dtype: 'f32' | 'f64' = 'f64') => Tensor.zeros(device, [5, 1], { dtype });

describe.each(onlyCpu)('Maid on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('the optimum is the one that the problem is known for', () => {
    expect(valueAt(optimum.theta)).toBeCloseTo(optimum.value, 13);
    expect(valueAt([1, 1, 1, 1, 1])).toBeCloseTo(0.54421158, 8);
    expect(Math.hypot(...gradientAt(optimum.theta))).toBeLessThan(1e-7);
  });

  it.each([
    [1e-1, 92, 1110, 382],
    [1e-3, 93, 902, 368],
    [1e-6, 92, 774, 363],
  ])('converges whatever the first accuracy, %f, and certifies each step', async (eps, steps, lowerCalls, cgCalls) => {
    const problem = leastSquares(device);
    /** θ and the gradient of each call, of which the last one before a step counts. */
    let last: { theta: number[]; p: number[] } | undefined;
    const seen: { theta: number[]; p: number[] }[] = [];
    const { lower, upper } = problem;
    const watched: MaidProblem = {
      upper,
      lower: {
        ...lower,
        jacobianTransposed: async (x, theta, v, out) => {
          await lower.jacobianTransposed(x, theta, v, out);
          last = { theta: await read(theta), p: (await read(out)).map((value) => -value) };
        },
      },
    };
    const theta = start(device);
    const result = await new Maid(watched, { ...options, eps0: eps, delta0: eps }).run(theta, zeros(device), {
      onProgress: () => {
        seen.push(last!);
      },
    });
    expect(result.status).toBe('converged');
    expect(result.certified).toBe(true);
    expect(Math.abs(result.iterations - steps)).toBeLessThanOrEqual(3);
    // Rounding counts here, and a step that leads up for certain is not tried again at a higher accuracy.
    expect(Math.abs(result.lowerCalls / lowerCalls - 1)).toBeLessThan(0.15);
    // Fewer than of solves that begin at zero: each begins with the last one's solution.
    expect(result.cgCalls).toBeLessThan(0.6 * cgCalls);
    expect(result.cgCalls).toBeGreaterThan(result.iterations);
    expect(valueAt(await read(theta)) - optimum.value).toBeLessThan(1e-12);
    expect(result.history).toHaveLength(result.iterations);
    let before = Infinity;
    for (const [i, { theta: at, p }] of seen.entries()) {
      const exact = gradientAt(at);
      const { error, gradNorm, value } = result.history[i]!;
      expect(Math.hypot(...p.map((one, j) => one - exact[j]!))).toBeLessThanOrEqual(error);
      expect(gradNorm).toBeCloseTo(Math.hypot(...p), 12);
      expect(value).toBeGreaterThan(0);
      expect(valueAt(at)).toBeLessThan(before);
      before = valueAt(at);
    }
    expect(valueAt(await read(theta))).toBeLessThan(before);
  });

  it.each([
    [1e-1, 0],
    [1e-3, 69],
    [1e-6, 81],
  ])('with the accuracy %f fixed it stalls at about step %i', async (eps, step) => {
    const theta = start(device);
    const fixed = { ...options, eps0: eps, delta0: eps, fixedAccuracy: true };
    const { status, iterations, x } = await new Maid(leastSquares(device), fixed).run(theta, zeros(device));
    expect(status).toBe('search-failed');
    expect(Math.abs(iterations - step)).toBeLessThanOrEqual(step === 0 ? 0 : 3);
    if (step === 0) expect(await read(theta)).toEqual([1, 1, 1, 1, 1]);
    x.dispose();
  });

  it("the authors' test of a step takes one that leads up", () => {
    // g = sin, whose derivative is 1-Lipschitz, and accuracies of 1: the old point at its top, the new one up from the foot.
    const [eps, lipschitzOfG] = [1, 1];
    const half = (lipschitzOfG * eps * eps) / 2;
    const [old, next] = [Math.PI / 2, -Math.PI / 2 + 1.145];
    const above = Math.sin(next) + Math.abs(Math.cos(next)) * eps + half;
    const below = Math.sin(old) - Math.abs(Math.cos(old)) * eps;
    expect(above - below).toBeLessThan(-2e-3); // they take it, …
    expect(above - (below - half)).toBeGreaterThan(0); // … we do not, …
    expect(Math.sin(next + eps)).toBeGreaterThan(Math.sin(old + eps)); // … and it may lead up.
  });

  it("the authors' bound, without the constant of the upper gradient, does not hold", async () => {
    const { lower, upper } = leastSquares(device);
    const factor = 1000;
    const scaled = (out: Tensor) => ops.linearCombination(device, { out: [out], terms: [out], coefficients: [factor] });
    let last: { theta: number[]; p: number[] } | undefined;
    const problem: MaidProblem = {
      lower: {
        ...lower,
        jacobianTransposed: async (x, theta, v, out) => {
          await lower.jacobianTransposed(x, theta, v, out);
          last = { theta: await read(theta), p: (await read(out)).map((value) => -value) };
        },
      },
      upper: {
        lipschitz: factor * constants.upper,
        value: async (x, out) => {
          await upper.value(x, out);
          scaled(out);
        },
        gradient: async (x, out) => {
          await upper.gradient(x, out);
          scaled(out);
        },
      },
    };
    let broken = 0;
    const { x } = await new Maid(problem, { ...options, delta0: 1e-8, gradTol: 1e-3, maxIterations: 30 }).run(
      start(device),
      zeros(device),
      {
        onProgress: ({ eps, delta, error }) => {
          const exact = gradientAt(last!.theta).map((value) => factor * value);
          const off = Math.hypot(...last!.p.map((value, j) => value - exact[j]!));
          expect(off).toBeLessThanOrEqual(error);
          broken += Number(off > (B / mu) * (eps + delta));
        },
      },
    );
    x.dispose();
    expect(broken).toBeGreaterThan(0);
  });
});

describe.each(devices)('runs of Maid on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const run = async (
    change: Partial<MaidOptions> = {},
    problem = leastSquares(device),
    dtype: 'f32' | 'f64' = 'f64',
  ) => {
    const theta = start(device, dtype);
    const result = await new Maid(problem, { ...options, eps0: 1e-3, delta0: 1e-3, maxIterations: 3, ...change }).run(
      theta,
      zeros(device, dtype),
    );
    result.x.dispose();
    return { ...result, theta: await read(theta) };
  };
  /** The problem with other functions. */
  const changed = (change: {
    lower?: Partial<MaidProblem['lower']>;
    upper?: Partial<MaidProblem['upper']>;
  }): MaidProblem => {
    const { lower, upper } = leastSquares(device);
    return { lower: { ...lower, ...change.lower }, upper: { ...upper, ...change.upper } };
  };

  const sum = (out: Tensor, a: number, x: Tensor, b: number, y: Tensor) =>
    ops.linearCombination(device, { out: [out], terms: [x, y], coefficients: [a, b] });
  /** h = (x − θ)² / 2. */
  const unit: MaidProblem['lower'] = {
    gradient: (x, theta, out) => sum(out, 1, x, -1, theta),
    hessianProduct: (x, _theta, v, out) => sum(out, 1, v, 0, x),
    jacobianTransposed: (x, _theta, v, out) => sum(out, -1, v, 0, x),
  };

  it('ends for each reason that it names', async () => {
    expect(await run({ maxIterations: 1 })).toMatchObject({ status: 'max-iterations', iterations: 1, certified: true });
    const some = await run({ maxLower: 40, maxIterations: 1000, eps0: 0.1 });
    expect(some).toMatchObject({ status: 'budget', lowerCalls: 40 });
    expect(some.history.length).toBe(some.iterations);
    const none = await run({ maxLower: 1 });
    expect(none).toMatchObject({ status: 'budget', iterations: 0, lowerCalls: 1, theta: [1, 1, 1, 1, 1] });
    expect(none.value).toBeNaN();
    expect(none.gradNorm).toBeNaN();
    expect(await run({ maxCg: 2, delta0: 1e-6, eps0: 1e-6 })).toMatchObject({ status: 'budget', cgCalls: 2 });
    expect(await run({ gradTol: 10 })).toMatchObject({ status: 'converged', iterations: 0, theta: [1, 1, 1, 1, 1] });
    // Accuracies that rounding hides are those that it leaves.
    for (const name of ['eps0', 'delta0'] as const) {
      const fine = await run({ [name]: 1e-18, maxIterations: 1 });
      expect(fine).toMatchObject({ status: 'max-iterations', iterations: 1, certified: true });
      expect(fine.history[0]![name === 'eps0' ? 'eps' : 'delta']).toBeGreaterThan(1e-17);
      expect(fine.history[0]![name === 'eps0' ? 'eps' : 'delta']).toBeLessThan(1e-9);
    }
    expect(await run({ fixedAccuracy: true, eps0: 0.1, delta0: 0.1 })).toMatchObject({
      status: 'search-failed',
      iterations: 0,
    });
    if (kind !== 'cpu') return;
    // A gradient of the wrong sign finds no way down, however near solutions are.
    const { lower } = leastSquares(device);
    const uphill = changed({
      lower: { jacobianTransposed: async (x, theta, v, out) => {
        await lower.jacobianTransposed(x, theta, v, out);
        ops.linearCombination(device, { out: [out], terms: [out], coefficients: [-1] });
      } },
    }); // biome-ignore format: one line
    expect((await run({ maxBacktracks: 2 }, uphill)).status).toMatch(/search-failed|at-precision/);
  });

  it('goes down in f32 as far as its rounding lets it see', async () => {
    const problem = leastSquares(device, 'f32');
    const steps = kind === 'cpu' ? 200 : 2;
    const { status, certified, theta, value } = await run({ gradTol: 1e-4, maxIterations: steps }, problem, 'f32');
    expect(certified).toBe(true);
    expect(valueAt(theta)).toBeLessThan(valueAt([1, 1, 1, 1, 1]));
    if (kind !== 'cpu') return;
    expect(status).toBe('converged');
    expect(valueAt(theta) - optimum.value).toBeLessThan(1e-6);
    expect(value).toBeCloseTo(optimum.value, 5);
    expect(await run({ gradTol: 1e-12, maxIterations: 200 }, problem, 'f32')).toMatchObject({ status: 'at-precision' });
  });

  it('estimates the constants that it is not given, and certifies nothing then', async () => {
    const { upper } = leastSquares(device);
    const { lipschitz: _, ...without } = upper;
    const problem = { lower: leastSquares(device).lower, upper: without };
    const steps = kind === 'cpu' ? 150 : 1;
    const cases = [[problem, undefined], [leastSquares(device), 'estimate'], [problem, bounds]] as const; // biome-ignore format: one line
    for (const [one, given] of kind === 'cpu' ? cases : cases.slice(0, 1)) {
      const result = await run({ bounds: given, gradTol: 1e-5, maxIterations: steps }, one);
      expect(result.certified).toBe(false);
      for (const [i, { value }] of result.history.slice(1).entries())
        expect(value).toBeLessThan(result.history[i]!.value);
      if (kind === 'cpu') expect(result.status).toBe('converged');
    }
  });

  it('goes on from a state bit for bit, at any step', async () => {
    const steps = kind === 'cpu' ? 9 : 2;
    for (const own of [bounds, 'estimate'] as const) {
      const run = async (parts: readonly number[]) => {
        const theta = start(device);
        using state = new MaidState(theta, zeros(device));
        let end: unknown;
        for (const maxIterations of parts) {
          const maid = new Maid(leastSquares(device), { ...options, bounds: own, eps0: 0.1, maxIterations });
          const { x, value, gradNorm } = await maid.run(theta, zeros(device), { state });
          end = [await read(x), value, gradNorm];
          x.dispose();
        }
        expect(state.steps).toBe(steps);
        return [await read(theta), end];
      };
      const whole = await run([steps]);
      for (let first = 1; first < steps; ++first) expect(await run([first, steps - first])).toEqual(whole);
      expect(await run(Array(steps).fill(1))).toEqual(whole);
      const theta = start(device);
      const maid = new Maid(leastSquares(device), { ...options, bounds: own, eps0: 0.1, maxIterations: steps });
      (await maid.run(theta, zeros(device))).x.dispose();
      expect(await read(theta)).toEqual(whole[0]);
    }
  });

  it('a state is of its θ, and stays where a run fails', async () => {
    const theta = start(device);
    using state = new MaidState(theta, zeros(device));
    const maid = new Maid(leastSquares(device), { ...options, eps0: 1e-3, maxIterations: 1 });
    await expect(maid.run(start(device), zeros(device), { state })).rejects.toThrow(
      'Maid.run: theta must be the tensor of the state, got another one',
    );
    await expect(maid.run(theta, Tensor.zeros(device, [4, 1], { dtype: 'f64' }), { state })).rejects.toMatchObject({
      code: 'ERR_SHAPE',
    });
    await expect(maid.run(theta, zeros(device), { state: {} as MaidState })).rejects.toThrow(
      /^Maid.run: state must be a MaidState, got/,
    );
    const broken = changed({ upper: { value: () => { throw new Error('boom'); } } }); // biome-ignore format: one line
    await expect(new Maid(broken, options).run(theta, zeros(device), { state })).rejects.toThrow('boom');
    expect(state.steps).toBe(0);
    const running = maid.run(theta, zeros(device), { state });
    await expect(maid.run(theta, zeros(device), { state })).rejects.toMatchObject({ code: 'ERR_STATE' });
    await running;
    expect(state.steps).toBe(1);
  });

  it('takes the constant of the lower gradient from a function of θ', async () => {
    const asked: number[][] = [];
    const { lower } = leastSquares(device);
    const result = await run({
      maxIterations: 1,
      lipschitz: async (theta) => {
        asked.push(await read(theta));
        return lipschitz;
      },
    });
    expect(asked[0]).toEqual([1, 1, 1, 1, 1]);
    expect(asked.length).toBeGreaterThan(result.iterations);
    expect(result.theta).toEqual((await run({ maxIterations: 1 })).theta);
    await expect(run({ lipschitz: () => mu / 2 }, { lower, upper: leastSquares(device).upper })).rejects.toThrow(
      /^Maid.run: lipschitz of iteration 1: the constant must be finite and at least mu, 0.26938937, got 0.1346/,
    );
  });

  it('names the function and the iteration that fail, and leaves θ as it was', async () => {
    const boom = () => {
      throw new Error('boom');
    };
    const nan = (out: Tensor) => out.write(new Float64Array(out.size).fill(Number.NaN));
    const last = (...args: unknown[]) => nan(args.at(-1) as Tensor);
    const cases = [
      ['lower.gradient', (f: never) => ({ lower: { gradient: f } })],
      ['lower.hessianProduct', (f: never) => ({ lower: { hessianProduct: f } })],
      ['lower.jacobianTransposed', (f: never) => ({ lower: { jacobianTransposed: f } })],
      ['upper.value', (f: never) => ({ upper: { value: f } })],
      ['upper.gradient', (f: never) => ({ upper: { gradient: f } })],
    ] as const;
    for (const [name, change] of cases) {
      for (const [wrong, words] of [
        [boom, 'has failed: boom'],
        [last, 'must give finite numbers, got'],
      ] as const) {
        const theta = start(device);
        const maid = new Maid(changed(change(wrong as never)), { ...options, delta0: 1e-4 });
        const failed = maid.run(theta, zeros(device));
        await expect(failed).rejects.toThrow(`Maid.run: ${name} of iteration 1 ${words}`);
        await expect(failed).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
        expect(await read(theta)).toEqual([1, 1, 1, 1, 1]);
      }
    }
    // One that fails later.
    let calls = 0;
    const { upper } = leastSquares(device);
    const late = changed({
      upper: {
        gradient: (x, out) => {
          calls += 1;
          return calls > 8 ? boom() : upper.gradient(x, out);
        },
      },
    });
    const theta = start(device);
    await expect(new Maid(late, options).run(theta, zeros(device))).rejects.toThrow(/upper.gradient of iteration \d has failed: boom/); // biome-ignore format: one line
    expect(await read(theta)).toEqual([1, 1, 1, 1, 1]);
  });

  it('finds lower problems that are not what mu and lipschitz say', async () => {
    const { lower } = leastSquares(device);
    const concave = changed({
      lower: { hessianProduct: (_x, _theta, v, out) => {
        ops.linearCombination(device, { out: [out], terms: [v], coefficients: [-1] });
      } },
    }); // biome-ignore format: one line
    await expect(run({}, concave)).rejects.toThrow(
      'Maid.run: lower.hessianProduct of iteration 1 must be of a strongly convex function, got a curvature of 0 or less',
    );
    await expect(run({ mu: 0.02, lipschitz: 0.03, eps0: 1e-6 }, { lower, upper: leastSquares(device).upper })).rejects.toThrow(
      /^Maid.run: lower.gradient of iteration 1 must be of a function that is 0.02-strongly convex, with 0.03 .* got gradients that grow$/,
    ); // biome-ignore format: one line
  });

  it('an abort, or a disposal by a function, leaves θ as it was', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const theta = start(device);
    const maid = new Maid(leastSquares(device), { ...options, eps0: 1e-3, delta0: 1e-3 });
    const aborted = maid.run(theta, zeros(device), {
      signal: controller.signal,
      onProgress: ({ iteration }) => {
        if (iteration === 1) controller.abort(reason);
      },
    });
    await expect(aborted).rejects.toBe(reason);
    expect(await read(theta)).toEqual([1, 1, 1, 1, 1]);
    // The object is as good as before.
    const { x } = await new Maid(leastSquares(device), { ...options, eps0: 1e-3, delta0: 1e-3, maxIterations: 1 }).run(
      theta,
      zeros(device),
    );
    expect(await read(theta)).not.toEqual([1, 1, 1, 1, 1]);
    expect(x.shape).toEqual([5, 1]);
    const { upper } = leastSquares(device);
    const other = start(device);
    const rude = changed({
      upper: { gradient: async (at, out) => {
        await upper.gradient(at, out);
        other.dispose();
      } },
    }); // biome-ignore format: one line
    await expect(new Maid(rude, options).run(other, zeros(device))).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('a problem without slope ends at once, and one of a single number goes down', async () => {
    const flat = changed({ upper: { value: (_x, out) => ops.fill(device, { x: [out], value: 1 }), gradient: (_x, out) => ops.fill(device, { x: [out], value: 0 }) } }); // biome-ignore format: one line
    expect(await run({}, flat)).toMatchObject({ status: 'converged', iterations: 0, gradNorm: 0, value: 1 });
    // g = x² / 2; default options.
    const tiny: MaidProblem = {
      lower: unit,
      upper: {
        value: (x, out) => ops.dots(device, { x: [x], y: [x], out }),
        gradient: (x, out) => sum(out, 2, x, 0, x),
      },
    };
    const theta = Tensor.full(device, [1], 3, { dtype: 'f64' });
    const x0 = Tensor.zeros(device, [1], { dtype: 'f64' });
    const most = kind === 'cpu' ? 1000 : 2;
    const { status, value, x } = await new Maid(tiny, { mu: 1, lipschitz: 1, maxIterations: most }).run(theta, x0);
    if (kind === 'cpu') expect(status).toBe('converged');
    expect((await read(x))[0]).toBeCloseTo((await read(theta))[0]!, 1);
    expect(value).toBeLessThan(9);
  });

  it.each(onlyCpu)('shortens a step that lands far up, or where numbers end', async () => {
    // h = (x − θ)² / 2; default options.
    const upper = (g: (x: number) => number, slope: (x: number) => number): MaidProblem => ({
      lower: unit,
      upper: {
        value: async (x, out) => out.write(Float64Array.of(g((await read(x))[0]!))),
        gradient: async (x, out) => out.write(Float64Array.of(slope((await read(x))[0]!))),
      },
    });
    for (const [begin, problem] of [
      // The first steps land at −141, and at −1091, where the square of the gradient is infinite.
      [8, upper(Math.cosh, Math.sinh)],
      [10, upper(Math.cosh, Math.sinh)],
      // The first step lands where there is no number.
      [8, upper((x) => (x < -2 ? Number.NaN : Math.cosh(x)), (x) => (x < -2 ? Number.NaN : Math.sinh(x)))], // biome-ignore format: one line
      [8, upper((x) => (x < -2 ? -Infinity : Math.cosh(x)), Math.sinh)],
      [8, upper(Math.cosh, (x) => (x < -2 ? Infinity : Math.sinh(x)))],
    ] as const) {
      const theta = Tensor.full(device, [1], begin, { dtype: 'f64' });
      const x0 = Tensor.zeros(device, [1], { dtype: 'f64' });
      const result = await new Maid(problem, { mu: 1, lipschitz: 1, gradTol: 1e-3 }).run(theta, x0);
      expect(result).toMatchObject({ status: 'converged' });
      expect(Math.abs((await read(theta))[0]!)).toBeLessThan(2e-3);
      result.x.dispose();
    }
  });

  it.each(onlyCpu)('shortens a step where the lower problem cannot be solved', async () => {
    // h = (x − θ)² / 2 and g = (x − 1)² / 2 from 0, of which the first step lands at 8.
    const upper = {
      value: async (x: Tensor, out: Tensor) => out.write(Float64Array.of(((await read(x))[0]! - 1) ** 2 / 2)),
      gradient: async (x: Tensor, out: Tensor) => out.write(Float64Array.of((await read(x))[0]! - 1)),
    };
    const gradient =
      (far: (x: number, theta: number) => number) =>
      async (x: Tensor, theta: Tensor, out: Tensor): Promise<void> => {
        const [[at], [of]] = [await read(x), await read(theta)];
        out.write(Float64Array.of(of! > 4 ? far(at!, of!) : at! - of!));
      };
    let [calls, sign] = [0, 1];
    for (const [lower, change] of [
      [{ gradient: gradient(() => Number.NaN) }, {}],
      [{ gradient: gradient(() => Infinity) }, {}],
      // Growing, and not shrinking.
      [{ gradient: gradient(() => 10 ** ++calls) }, {}],
      [{ gradient: gradient(() => (sign = -sign)) }, {}], // biome-ignore format: one line
      [{}, { lipschitz: async (theta: Tensor) => ((await read(theta))[0]! > 4 ? Infinity : 1) }],
      [{}, { lipschitz: async (theta: Tensor) => ((await read(theta))[0]! > 4 ? Number.NaN : 1) }],
    ] as const) {
      const theta = Tensor.zeros(device, [1], { dtype: 'f64' });
      const x0 = Tensor.zeros(device, [1], { dtype: 'f64' });
      const chosen = { mu: 1, lipschitz: 1, step0: 8, gradTol: 1e-3, ...change };
      const result = await new Maid({ lower: { ...unit, ...lower }, upper }, chosen).run(theta, x0);
      expect(result).toMatchObject({ status: 'converged' });
      expect((await read(theta))[0]).toBeCloseTo(1, 2);
      result.x.dispose();
    }
  });

  it.each([1e6, 1e30])('comes down from a first step that is far too long: %f', async (step0) => {
    const theta = start(device);
    const result = await new Maid(leastSquares(device), { ...options, step0 }).run(theta, zeros(device));
    expect(result.status).toBe('converged');
    expect(result.iterations).toBeLessThanOrEqual(110);
    expect(valueAt(await read(theta)) - optimum.value).toBeLessThan(1e-12);
    result.x.dispose();
  });

  it.each(onlyCpu)('takes what rounding leaves of an accuracy, if that is enough', async () => {
    // h = (x − θ)² / 2 and g = c (x − 3)² / 2, of gradients far longer than the first accuracy is relative to.
    for (const [dtype, c, target, gradTol] of [
      ['f32', 1e6, 3, 1e3],
      ['f32', 1, 1e8, 1e4],
      ['f64', 1, 1e16, 1e4],
    ] as const) {
      const one = Tensor.full(device, [1], target, { dtype });
      const upper = {
        lipschitz: c,
        value: async (x: Tensor, out: Tensor) => out.write(Float64Array.of((c * ((await read(x))[0]! - target) ** 2) / 2)),
        gradient: (x: Tensor, out: Tensor) => sum(out, c, x, -c, one),
      }; // biome-ignore format: one line
      const theta = Tensor.full(device, [1], 1, { dtype });
      const x0 = Tensor.zeros(device, [1], { dtype });
      const chosen = { mu: 1, lipschitz: 1, bounds: { B: 1, LB: 0, LAinv: 0 }, step0: 0.1 / c, gradTol };
      const result = await new Maid({ lower: unit, upper }, chosen).run(theta, x0);
      expect(result).toMatchObject({ status: 'converged', certified: true });
      expect(Math.abs((await read(theta))[0]! - target)).toBeLessThanOrEqual(gradTol / c);
      result.x.dispose();
    }
  });

  it('tells the gradient of the point where it ends, or none', async () => {
    // One iteration of conjugate gradients is enough for a point, and the second has none.
    const theta = Tensor.full(device, [1], 3, { dtype: 'f64' });
    const x0 = Tensor.zeros(device, [1], { dtype: 'f64' });
    const upper = {
      value: (x: Tensor, out: Tensor) => ops.dots(device, { x: [x], y: [x], out }),
      gradient: (x: Tensor, out: Tensor) => sum(out, 2, x, 0, x),
    };
    const few = { mu: 1, lipschitz: 1, maxCg: 1, eps0: 1e-6, delta0: 1e-6 };
    const result = await new Maid({ lower: unit, upper }, few).run(theta, x0);
    expect(result).toMatchObject({ status: 'budget', iterations: 1, gradNorm: Number.NaN });
    result.x.dispose();
  });

  it('refuses problems and options', async () => {
    const code = (problem: unknown, change: object = {}) => {
      try {
        new Maid(problem as MaidProblem, { ...options, ...change } as MaidOptions);
        return 'done';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code(leastSquares(device))).toBe('done');
    for (const problem of [undefined, {}, { lower: {} }, changed({ lower: { gradient: 1 as never } }), changed({ upper: { lipschitz: 0 } })]) // biome-ignore format: one line
      expect(code(problem)).toBe('ERR_ARGUMENT');
    for (const name of ['hessianProduct', 'jacobianTransposed'])
      expect(code(changed({ lower: { [name]: undefined } }))).toBe('ERR_UNSUPPORTED');
    for (const change of [{ mu: 0 }, { mu: -1 }, { mu: undefined }, { lipschitz: mu / 2 }, { lipschitz: undefined }, { bounds: { B: 1 } }, { bounds: { ...bounds, LB: -1 } }, { bounds: 'exact' }, { eps0: 0 }, { delta0: 0 }, { step0: 0 }, { eta: 1 }, { rho: 1 }, { tau: 0 }, { nu: 0.5 }, { maxBacktracks: 0 }, { gradTol: -1 }, { maxLower: 0 }, { maxCg: 0.5 }, { fixedAccuracy: 1 }]) // biome-ignore format: one line
      expect(code(leastSquares(device), change)).toBe('ERR_ARGUMENT');
    const maid = new Maid(leastSquares(device), options);
    await expect(maid.run(start(device), zeros(device, 'f32'))).rejects.toMatchObject({ code: 'ERR_DTYPE' });
    await expect(maid.run([1] as never, zeros(device))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});
