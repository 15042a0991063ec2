// Devices: cpu, cuda
// Values: the closed form of linear models, and figures of the prototype for logistic regression.
import { afterAll, describe, expect, it } from 'vitest';
import { type SurrogateModel, TargetSurrogate } from '../../lib/curvature/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { normal, uniform } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { dot, relative, rowsOf, solverOf } from './dense.ts';

describe.each(devices)('TargetSurrogate on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  /** z = x·w for samples x, and the mean logistic loss of labels of ±1. */
  function logistic(n: number, d: number, dtype: 'f32' | 'f64' = 'f64', span = 10, scale = 1) {
    // Features of lengths from 1 to 1 / span: one gradient step does not solve for all.
    const x = normal(n * d, 1, scale).map((value, at) => value * span ** -((at % d) / (d - 1)));
    const truth = normal(d, 2, 3);
    const chance = uniform(3);
    const rows = rowsOf(x, d);
    const y = Float64Array.from(rows, (row) => (chance() < 1 / (1 + Math.exp(-dot(row, truth))) ? 1 : -1));
    const data = Tensor.from(device, dtype === 'f64' ? x : Float32Array.from(x), [n, d]);
    const w = Tensor.zeros(device, [d], { dtype });
    const product = (from: Tensor, to: Tensor, transA: 'none' | 'transposed') =>
      ops.gemm(device, { a: data, b: from.reshape([from.size, 1]), c: to.reshape([to.size, 1]), transA });
    const model: SurrogateModel = {
      params: [w],
      targets: [n],
      forward: (z) => product(w, z, 'none'),
      vjp: (u, [grad]) => product(u, grad!, 'transposed'),
    };
    const loss = (z: ArrayLike<number>) => y.reduce((sum, label, i) => sum + Math.log1p(Math.exp(-label * z[i]!)), 0) / n; // biome-ignore format: one line
    const slope = (z: ArrayLike<number>) => y.map((label, i) => -label / (1 + Math.exp(label * z[i]!)) / n);
    let calls = 0;
    const targetGrad = async (z: Tensor, out: Tensor): Promise<number> => {
      calls += 1;
      const at = (await z.read()) as Float64Array;
      out.write(dtype === 'f64' ? slope(at) : Float32Array.from(slope(at)));
      return loss(at);
    };
    const lossAt = (at: Float64Array) => loss(rows.map((row) => dot(row, at)));
    /** The least loss, by Newton's method. */
    const least = (): number => {
      let at = new Float64Array(d);
      for (let step = 0; step < 30; ++step) {
        const z = rows.map((row) => dot(row, at));
        const s = slope(z);
        const g = Float64Array.from({ length: d }, (_, j) => rows.reduce((sum, row, i) => sum + s[i]! * row[j]!, 0));
        const weights = z.map((value) => 1 / (1 + Math.exp(value)) / (1 + Math.exp(-value)) / n);
        const h = Array.from({ length: d }, (_, a) => Float64Array.from({ length: d }, (_, b) => rows.reduce((sum, row, i) => sum + weights[i]! * row[a]! * row[b]!, 0))); // biome-ignore format: one line
        const move = solverOf(h)(g);
        at = at.map((value, j) => value - move[j]!);
      }
      return lossAt(at);
    };
    return { model, w, rows, loss, slope, targetGrad, lossAt, least, calls: () => calls };
  }

  it('comes three times as near in as many calls of the loss, which never rises', async () => {
    const outer = kind === 'cuda' ? 4 : 200;
    const gaps: number[] = [];
    for (const inner of kind === 'cuda' ? [1, 5] : [1, 5, 20]) {
      const { model, w, targetGrad, lossAt, least, calls } = logistic(200, 10);
      const one = new TargetSurrogate({ targetStep: 4 * 200, inner });
      let before = lossAt(new Float64Array(10));
      for (let step = 0; step < outer; ++step) {
        const { surrogate, innerSteps, status } = await one.step(model, targetGrad);
        const now = lossAt((await w.read()) as Float64Array);
        expect(now).toBeLessThanOrEqual(before + 1e-15);
        // The surrogate is an upper bound.
        expect(now).toBeLessThanOrEqual(surrogate + 1e-15);
        if (status === 'max-iterations') expect(innerSteps).toBe(inner);
        before = now;
      }
      expect(calls()).toBe(outer);
      expect(one.steps).toBe(outer);
      gaps.push(before - least());
    }
    expect(gaps[1]).toBeLessThan(kind === 'cuda' ? gaps[0]! : gaps[0]! / 3);
    if (gaps[2] !== undefined) expect(gaps[2]).toBeLessThan(gaps[1]! * 1.5 + 1e-9);
  });

  it.each(onlyCpu)(
    'bounds the loss for a target step of the inverse of its smoothness, and not for four times that: %s',
    () => {
      const n = 200;
      const { loss, slope, rows } = logistic(n, 10, 'f64', 1);
      const targetsAt = (w: Float64Array) => Float64Array.from(rows, (row) => dot(row, w));
      const from = targetsAt(normal(10, 4, 0.1));
      const [value, q] = [loss(from), slope(from)];
      const violations = new Map([4 * n, 16 * n].map((eta) => [eta, 0]));
      // Weights at random.
      for (let trial = 0; trial < 10_000; ++trial) {
        const z = targetsAt(normal(10, 10 + trial, 0.5));
        const step = z.map((x, i) => x - from[i]!);
        const [here, slopes, square] = [loss(z), dot(q, step), dot(step, step)];
        for (const [eta, count] of violations)
          if (here > value + slopes + square / (2 * eta) + 1e-15) violations.set(eta, count + 1);
      }
      expect(violations.get(4 * n)).toBe(0);
      expect(violations.get(16 * n)).toBeGreaterThan(5000);
    },
  );

  it('of a linear model, many inner steps are a projected gradient step in the space of targets', async () => {
    const [n, d, eta] = [30, 4, 20];
    const { model, w, rows, slope, targetGrad } = logistic(n, d, 'f64', 1);
    const q = slope(new Float64Array(n));
    const square = Array.from({ length: d }, (_, a) => Float64Array.from({ length: d }, (_, b) => rows.reduce((sum, row) => sum + row[a]! * row[b]!, 0))); // biome-ignore format: one line
    const side = Float64Array.from({ length: d }, (_, j) => rows.reduce((sum, row, i) => sum + row[j]! * q[i]!, 0));
    const expected = solverOf(square)(side).map((x) => -eta * x);
    await new TargetSurrogate({ targetStep: eta, inner: kind === 'cuda' ? 40 : 400 }).step(model, targetGrad);
    const error = relative((await w.read()) as Float64Array, expected);
    expect(error).toBeLessThan(kind === 'cuda' ? 0.1 : 1e-6);
  });

  it.each(['f32', 'f64'] as const)(
    'is at the precision of %s near the optimum, and takes features of any scale',
    async (dtype) => {
      const words = new Set<string>();
      for (const [n, eta] of [
        [50, 20],
        [50, 200],
        [20, 80],
      ] as const) {
        // biome-ignore format: one line
        const { model, targetGrad } = logistic(n, 4, dtype, 1);
        const end = await new TargetSurrogate({ targetStep: eta, inner: kind === 'cuda' ? 60 : 400 }).step(
          model,
          targetGrad,
        );
        words.add(end.status);
      }
      if (kind !== 'cuda') expect(words).toContain('at-precision');
      expect(words).not.toContain('search-failed');
      for (const scale of [1e-4, 1e3, 1e5]) {
        const { model, targetGrad } = logistic(50, 4, dtype, 1, scale);
        const end = await new TargetSurrogate({ targetStep: 200, inner: 5 }).step(model, targetGrad);
        expect(end).toMatchObject({ status: 'max-iterations', innerSteps: 5 });
      }
    },
  );

  it('takes shorter target steps by a schedule, and goes on from a number of steps', async () => {
    const moved = async (options: object, steps: number): Promise<number> => {
      const { model, w, targetGrad } = logistic(30, 4, 'f32');
      const one = new TargetSurrogate({ targetStep: 20, inner: kind === 'cuda' ? 10 : 100, ...options });
      one.restore(steps);
      await one.step(model, targetGrad);
      expect(one.steps).toBe(steps + 1);
      return Math.hypot(...((await w.read()) as Float32Array));
    };
    const whole = await moved({}, 0);
    expect(await moved({}, 8)).toBe(whole);
    expect(await moved({ schedule: 'sqrt' }, 0)).toBeCloseTo(whole, kind === 'cuda' ? 1 : 2);
    expect((await moved({ schedule: 'sqrt' }, 8)) / whole).toBeCloseTo(1 / 3, kind === 'cuda' ? 1 : 2);
    expect((await moved({ schedule: 'exp', horizon: 10 }, 9)) / whole).toBeCloseTo(1 / 10, kind === 'cuda' ? 1 : 2);
  });

  it('says how it ends, and leaves the last point that was taken', async () => {
    const { model, w, targetGrad, slope } = logistic(30, 4);
    const silent = new TargetSurrogate({ targetStep: 1 }).step(model, () => 5); // gradOut is not written
    await expect(silent).rejects.toThrow('TargetSurrogate.step: targetGrad must give finite numbers, got NaN');
    const none = async (z: Tensor, out: Tensor) => {
      ops.fill(device, { x: [out] });
      return z.size;
    };
    const before = await w.read();
    const done = await new TargetSurrogate({ targetStep: 1 }).step(model, none);
    expect(done).toEqual({ surrogate: 30, innerSteps: 0, backtracks: 0, status: 'converged' });
    const wrong = { ...model, vjp: async (u: Tensor, grads: readonly Tensor[]) => { await model.vjp(u, grads); ops.linearCombination(device, { out: grads, terms: grads, coefficients: [-1] }); } }; // biome-ignore format: one line
    const lost = await new TargetSurrogate({ targetStep: 1, lineSearch: { trials: 7 } }).step(wrong as SurrogateModel, targetGrad); // biome-ignore format: one line
    expect(lost).toMatchObject({ status: 'search-failed', innerSteps: 0, backtracks: 7 });
    expect(await w.read()).toEqual(before);
    expect(slope(new Float64Array(30))).toHaveLength(30);
    const short = { c: 0.1, beta: 0.5, first: 1e3, expand: 1 };
    const taken = await new TargetSurrogate({ targetStep: 1, lineSearch: short }).step(model, targetGrad);
    expect(taken).toMatchObject({ status: 'max-iterations', innerSteps: 1 });
    expect(taken.backtracks).toBeGreaterThan(1);
  });

  it('names what goes wrong, the parameters as before', async () => {
    const { model, w, targetGrad } = logistic(10, 3);
    w.write(Float64Array.of(1, 2, 3));
    for (const options of [{}, { targetStep: 0 }, { targetStep: 1, inner: 0 }, { targetStep: 1, schedule: 'linear' }, { targetStep: 1, schedule: 'exp' }, { targetStep: 1, horizon: 3 }, { targetStep: 1, lineSearch: { beta: 1 } }, { targetStep: 1, lineSearch: { c: 0 } }]) // biome-ignore format: one line
      expect(() => new TargetSurrogate(options as never)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    const one = new TargetSurrogate({ targetStep: 1, inner: 3 });
    expect(() => one.restore(-1)).toThrow(expect.objectContaining({ code: 'ERR_STATE' }));
    const rejected = (of: unknown, grad: unknown = targetGrad, options = {}) =>
      expect(one.step(of as SurrogateModel, grad as typeof targetGrad, options)).rejects;
    await rejected({}).toThrow('TargetSurrogate.step: model.params must be a list of tensors, got undefined');
    await rejected({ ...model, vjp: 1 }).toThrow('TargetSurrogate.step: model must have a function vjp, got 1');
    await rejected({ ...model, targets: [0] }).toMatchObject({ code: 'ERR_SHAPE' });
    await rejected({ ...model, params: [Tensor.zeros(device, [3]).cast('bf16')] }).toMatchObject({ code: 'ERR_DTYPE' });
    await rejected(model, 5).toThrow('TargetSurrogate.step: targetGrad must be a function, got 5');
    await rejected(model, () => NaN).toThrow('TargetSurrogate.step: targetGrad must give finite numbers, got NaN');
    await rejected(model, () => 'no').toThrow("TargetSurrogate.step: targetGrad must give a number, got 'no'");
    const thrown = () => {
      throw new Error('no');
    };
    await rejected({ ...model, vjp: thrown }).toThrow('TargetSurrogate.step: model.vjp has failed: no');
    const nan = (z: Tensor) => ops.fill(device, { x: [z], value: Number.NaN });
    await rejected({ ...model, forward: nan }).toThrow('TargetSurrogate.step: model.forward must give finite numbers');
    const disposing = (z: Tensor, out: Tensor) => {
      out.dispose();
      return z.size;
    };
    await rejected(model, disposing).toMatchObject({ code: 'ERR_DISPOSED' });
    const controller = new AbortController();
    const aborting = () => {
      controller.abort(new Error('enough'));
      return 1;
    };
    await rejected(model, aborting, { signal: controller.signal }).toThrow('enough');
    expect(one.steps).toBe(0);
    expect([...(await w.read())]).toEqual([1, 2, 3]);
    const pending = one.step(model, targetGrad);
    await rejected(model).toMatchObject({ code: 'ERR_STATE' });
    expect((await pending).innerSteps).toBeGreaterThan(0);
  });
});
