// Devices: cpu, cuda
// Source: formula of ZOODiP "x -= lr*mhat/(sqrt(vhat)+1e-3)"
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { ZoodipOptimizer } from '../../lib/quantized/index.ts';
import { fileBytes } from '../files/bytes.ts';
import { Folder } from '../files/folder.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { thrownBy, valuesOf } from '../support/tensors.ts';

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

describe.each(devices)('ZoodipOptimizer on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const vector = (d: number, seed: number) => Tensor.from(device, Float64Array.from(normal(d, seed)), [d]);
  /** Σ weight · x² / 2. */
  const bowl = (weights: Tensor) => {
    const out = Tensor.zeros(device, [1], { dtype: 'f64' });
    const product = Tensor.zeros(device, weights.shape, { dtype: 'f64' });
    return (x: Tensor) => {
      ops.multiply(device, { x: [x], y: [weights], out: [product] });
      ops.dots(device, { x: [product], y: [x], out });
      ops.linearCombination(device, { out: [out], terms: [out], coefficients: [0.5] });
      return out;
    };
  };

  it('takes the step of the formula, projection included', async () => {
    const [d, n, history, mu, lr] = [12, 3, 6, 1e-3, 0.01];
    const x = vector(d, 1);
    const weights = Tensor.full(device, [d], 2, { dtype: 'f64' });
    const loss = bowl(weights);
    using zoodip = new ZoodipOptimizer(x, { directions: n, history, lr, nu: 0.2 });
    const [m, v] = [new Float64Array(d), new Float64Array(d)];
    for (let t = 1; t <= 2 * history; ++t) {
      const before = await valuesOf(x);
      const basis = zoodip.basis();
      const rows = basis ? await valuesOf(basis) : new Float64Array();
      const removed = rows.length / d;
      const f = (at: ArrayLike<number>) => dot(at, at);
      const g = new Float64Array(d);
      for (let i = 0; i < n; ++i) {
        const z = Tensor.zeros(device, [d], { dtype: 'f64' });
        ops.random(device, { x: [z], seed: t, stream: i, distribution: 'normal' });
        const direction = await valuesOf(z);
        const c = (f(before.map((value, k) => value + mu * direction[k]!)) - f(before)) / mu;
        for (let k = 0; k < d; ++k) g[k]! += (c * direction[k]!) / (n * Math.sqrt((d - removed + n - 1) / n));
      }
      for (let r = 0; r < removed; ++r) {
        const row = rows.subarray(r * d, (r + 1) * d);
        const along = dot(row, g);
        for (let k = 0; k < d; ++k) g[k]! -= along * row[k]!;
      }
      const step = await zoodip.step(loss, t);
      expect(step).toMatchObject({ removed, status: 'ok' });
      expect(step.loss).toBeCloseTo(f(before), 10);
      expect(step.gradNorm).toBeCloseTo(Math.sqrt(dot(g, g)), 6);
      const after = await valuesOf(x);
      for (let k = 0; k < d; ++k) {
        m[k] = 0.9 * m[k]! + 0.1 * g[k]!;
        v[k] = 0.999 * v[k]! + 0.001 * g[k]! ** 2;
        const move = (lr * (m[k]! / (1 - 0.9 ** t))) / (Math.sqrt(v[k]! / (1 - 0.999 ** t)) + 1e-3);
        expect(after[k]).toBeCloseTo(before[k]! - move, 7);
      }
    }
    expect(zoodip.removed).toBeGreaterThan(0);
  });

  it('projects orthonormal directions out, of which none is arbitrary', async () => {
    const [d, history] = [20, 8];
    const x = vector(d, 2);
    const loss = bowl(Tensor.full(device, [d], 1, { dtype: 'f64' }));
    using zoodip = new ZoodipOptimizer(x, { history, nu: 0.3 });
    const values: Float64Array[] = [];
    for (let t = 0; t < history; ++t) {
      expect(zoodip.basis()).toBe(undefined);
      await zoodip.step(loss, t);
      values.push(await valuesOf(x));
    }
    const e = zoodip.removed;
    // The history without its mean has rank history − 1, and at least the first direction stays.
    expect(e).toBeGreaterThan(0);
    expect(e).toBeLessThanOrEqual(history - 2);
    const rows = await valuesOf(zoodip.basis()!);
    const row = (i: number) => rows.subarray(i * d, (i + 1) * d);
    for (let i = 0; i < e; ++i) for (let j = 0; j < e; ++j) expect(dot(row(i), row(j))).toBeCloseTo(i === j ? 1 : 0, 9);
    // Their variance, of standardized columns, is at most the share nu, and with one direction more it is not.
    const columns = Array.from({ length: d }, (_, k) => {
      const column = values.map((value) => value[k]!);
      const mean = column.reduce((sum, value) => sum + value, 0) / history;
      const deviation = Math.sqrt(column.reduce((sum, value) => sum + (value - mean) ** 2, 0));
      return column.map((value) => (value - mean) / deviation);
    });
    let quiet = 0;
    for (let i = 0; i < e; ++i)
      for (let t = 0; t < history; ++t) quiet += dot(columns.map((column) => column[t]!), row(i)) ** 2; // biome-ignore format: one line
    expect(quiet / d).toBeLessThan(0.3);
    expect((await zoodip.step(loss, 99)).removed).toBe(e);
  });

  it('goes on bit for bit from what it has saved', async () => {
    using folder = new Folder();
    const run = async (steps: number, from: number, save?: string, load?: string, start?: Float64Array) => {
      const x = start ? Tensor.from(device, start, [10]) : vector(10, 3);
      using zoodip = new ZoodipOptimizer(x, { history: 4, nu: 0.3 });
      if (load) await zoodip.load(load);
      const loss = bowl(Tensor.full(device, [10], 1, { dtype: 'f64' }));
      for (let i = from; i < from + steps; ++i) await zoodip.step(loss);
      if (save) await zoodip.save(save);
      return { x: await valuesOf(x), removed: zoodip.removed, steps: zoodip.steps };
    };
    const whole = await run(14, 0);
    const half = await run(6, 0, folder.file('zoodip'));
    expect(await run(8, 6, undefined, folder.file('zoodip'), half.x)).toEqual(whole);
    using other = new ZoodipOptimizer(vector(10, 3), { history: 5 });
    await expect(other.load(folder.file('zoodip'))).rejects.toMatchObject({ code: 'ERR_STATE' });
  });

  it('refuses numbers of a file that no steps give', async () => {
    using folder = new Folder();
    const [d, history] = [3, 6];
    using zoodip = new ZoodipOptimizer(vector(d, 3), { history });
    const file = folder.file('zoodip');
    await zoodip.save(file);
    const good = readFileSync(file);
    const length = Number(good.readBigUInt64LE());
    const header = JSON.parse(good.toString('utf8', 8, 8 + length)) as { __metadata__: Record<string, string> };
    const load = (numbers: object) => {
      header.__metadata__['numbers'] = JSON.stringify(numbers);
      writeFileSync(file, fileBytes(JSON.stringify(header), good.subarray(8 + length)));
      return zoodip.load(file);
    };
    for (const numbers of [
      { steps: 9, moves: 9, removed: d },
      { steps: 5, moves: 5, removed: 1 },
      { steps: 5, moves: 6, removed: 0 },
      { steps: 2 ** 40, moves: 2 ** 31, removed: 0 },
      { steps: 2 ** 53, moves: 0, removed: 0 },
    ])
      await expect(load(numbers), JSON.stringify(numbers)).rejects.toMatchObject({ code: 'ERR_STATE' });
    expect(zoodip.steps).toBe(0);
    await load({ steps: 9, moves: 8, removed: d - 1 });
    expect([zoodip.steps, zoodip.removed]).toEqual([9, d - 1]);
  });

  it('leaves everything as it was for a loss that is not finite, or that fails', async () => {
    const x = Tensor.from(device, Float32Array.from([1, 2, 3, 4]), [2, 2]);
    using zoodip = new ZoodipOptimizer(x, { history: 2, nu: 0.5 });
    for (const place of [0, 1, 2]) {
      let count = 0;
      const step = await zoodip.step(() => (count++ === place ? NaN : 1));
      expect(step).toMatchObject({ status: 'nonfinite', gradNorm: NaN, removed: 0 });
    }
    // Finite losses of which the estimate is not.
    let count = 0;
    expect((await zoodip.step(() => (count++ === 0 ? 0 : 3e38))).status).toBe('nonfinite');
    await expect(zoodip.step(() => Promise.reject(new Error('no')))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    const disposing = (at: Tensor) => {
      at.dispose();
      return 1;
    };
    await expect(zoodip.step(disposing)).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect([...(await valuesOf(x))]).toEqual([1, 2, 3, 4]);
  });

  it('stands still where the loss does, and gives all back', async () => {
    const x = vector(6, 4);
    const before = await settledMemory(device);
    {
      using zoodip = new ZoodipOptimizer(x, { history: 2 });
      const start = await valuesOf(x);
      for (let i = 0; i < 5; ++i) expect((await zoodip.step(() => 1)).gradNorm).toBe(0);
      expect(await valuesOf(x)).toEqual(start);
      expect(zoodip.removed).toBe(0);
      expect(zoodip.stateBytes).toBe(6 * 8 * (2 + 2 + 2) + 4);
    }
    expect(await settledMemory(device)).toEqual(before);
    const code = (options: object) => thrownBy(() => new ZoodipOptimizer(x, options)).code;
    for (const options of [{ history: 1 }, { nu: 0 }, { nu: 1 }, { directions: 0 }, { mu: 0 }, { eps: 0 }, { tau: 2 }])
      expect(code(options)).toBe('ERR_ARGUMENT');
    expect(thrownBy(() => new ZoodipOptimizer(Tensor.zeros(device, [0]))).code).toBe('ERR_SHAPE');
    expect(thrownBy(() => new ZoodipOptimizer(Tensor.zeros(device, [2], { dtype: 'f16' }))).code).toBe('ERR_DTYPE');
  });
});

describe.each(onlyCpu)('ZoodipOptimizer', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('loses no more of the estimate than the directions that are projected out', async () => {
    // With the gradient in what is left, squares of the estimate are as of d − e + 2 numbers, not of d + 2.
    const [d, history, draws] = [24, 100, 4000];
    const x = Tensor.from(device, Float64Array.from(normal(d, 1)), [d]);
    const out = Tensor.zeros(device, [1], { dtype: 'f64' });
    const dots = (a: Tensor, b: Tensor) => {
      ops.dots(device, { x: [a], y: [b], out });
      return out;
    };
    using folder = new Folder();
    using zoodip = new ZoodipOptimizer(x, { directions: 1, history, lr: 1e-3, nu: 1e-4 });
    for (let t = 0; t < history; ++t) await zoodip.step((at) => dots(at, at), t);
    const e = zoodip.removed;
    expect(e).toBe(8);
    const rows = await valuesOf(zoodip.basis()!);
    // A gradient orthogonal to all rows, of length 1.
    const slope = Float64Array.from(normal(d, 2));
    for (let r = 0; r < e; ++r) {
      const row = rows.subarray(r * d, (r + 1) * d);
      const along = dot(row, slope);
      for (let k = 0; k < d; ++k) slope[k]! -= along * row[k]!;
    }
    const length = Math.sqrt(dot(slope, slope));
    const weights = Tensor.from(device, slope.map((value) => value / length), [d]); // biome-ignore format: one line
    // With one direction, the estimate before the projection is c·z / √(d − e), with c = wᵀ·z.
    using z = Tensor.zeros(device, [d], { dtype: 'f64' });
    zoodip.lr = 0;
    let [whole, rest] = [0, 0];
    const state = folder.file('zoodip');
    await zoodip.save(state);
    for (let i = 0; i < draws; ++i) {
      const seed = 1000 + i;
      // E is found anew each time the history is full: what is asked for here is one E.
      if (i % (history - 1) === 0) await zoodip.load(state);
      ops.random(device, { x: [z], seed, stream: 0, distribution: 'normal' });
      const step = zoodip.step((at) => dots(at, weights), seed);
      const [{ gradNorm, removed }, drawn] = await Promise.all([step, valuesOf(z)]);
      expect(removed).toBe(e);
      whole += ((dot(drawn, slope) / length) ** 2 * dot(drawn, drawn)) / (d - e);
      rest += gradNorm ** 2;
    }
    expect(rest / whole / ((d - e + 2) / (d + 2))).toBeGreaterThan(0.95);
    expect(rest / whole / ((d - e + 2) / (d + 2))).toBeLessThan(1.05);
  });

  it('comes to the minimum of a quadratic in 16 of 768 numbers', async () => {
    const d = 768;
    const x = Tensor.from(
      device,
      Float64Array.from({ length: d }, (_, i) => (i < 16 ? 0.994 : 0.5)),
      [d],
    );
    const weights = Tensor.from(
      device,
      Float64Array.from({ length: d }, (_, i) => (i < 16 ? 1 : 0)),
      [d],
    );
    const product = Tensor.zeros(device, [d], { dtype: 'f64' });
    const out = Tensor.zeros(device, [1], { dtype: 'f64' });
    const loss = (at: Tensor) => {
      ops.multiply(device, { x: [at], y: [weights], out: [product] });
      ops.dots(device, { x: [product], y: [at], out });
      return out;
    };
    using zoodip = new ZoodipOptimizer(x);
    let { loss: last } = await zoodip.step(loss);
    expect(last).toBeCloseTo(15.8, 1);
    for (let i = 0; i < 800; ++i) last = (await zoodip.step(loss)).loss;
    expect(last).toBeLessThan(1e-3);
    expect(zoodip.removed).toBeGreaterThan(90);
  });
});
