// Devices: cpu, cuda
// Values: the published rule on vectors of three elements, worked out by hand and printed to nine digits; conversions of
// predictions against x₀ and ε that are known; two classes in the plane with exact predictions.
import { afterAll, describe, expect, it } from 'vitest';
import { AdaptiveProjectedGuidance, predictionTo } from '../../lib/guidance/index.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { floatingDtypes } from '../support/dtypes.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

const near = (actual: ArrayLike<number>, expected: readonly number[], within: number) => {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(actual[i]! - value)).toBeLessThan(within);
};

describe.each(devices)('AdaptiveProjectedGuidance on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const row = (x: readonly number[], dtype: 'f64' | 'f32' = 'f64') => tensorOf(device, x, [1, x.length], dtype);

  it.each([
    ['f64', 1e-8],
    ['f32', 1e-4],
  ] as const)('gives the golden values in %s', async (dtype, within) => {
    const [c, u] = [row([3, 4, 0], dtype), row([1, 1, 1], dtype)];
    const once = (options: object) => valuesOf(new AdaptiveProjectedGuidance({ scale: 5, ...options }).apply(c, u));
    near(await once({}), [2.36, 4.48, -4], within);
    near(await once({ eta: 1 }), [11, 16, -4], within);
    near(await once({ rescale: 2 }), [2.65790561, 4.25657079, -2.13808994], within);
    near(await once({ base: 'uncond' }), [0.2, 1.6, -4], within);
    using guidance = new AdaptiveProjectedGuidance({ scale: 5, eta: 0.5, rescale: 2, momentum: -0.5 });
    const first = [4.96704274, 7.3354203, -2.13808994];
    const second = [1.32760182, 4.22413273, 8.50844632];
    expect(guidance.stateBytes).toBe(0);
    near(await valuesOf(guidance.apply(c, u)), first, within);
    expect(guidance.stateBytes).toBe(3 * (dtype === 'f64' ? 8 : 4));
    near(await valuesOf(guidance.apply(row([2, 4, 1], dtype), row([1, 2, -1], dtype))), second, within);
    guidance.reset();
    near(await valuesOf(guidance.apply(c, u)), first, within);
  });

  it.each(floatingDtypes)('in %s a batch is its samples one by one, in any order', async (dtype) => {
    const shape = [3, 2, 5, 4];
    const sizes = { normAxes: [2, 3], projectAxes: [1, 2, 3], scale: 4, rescale: 1, momentum: -0.75 };
    const [whole, parts] = [new AdaptiveProjectedGuidance(sizes), [0, 1, 2].map(() => new AdaptiveProjectedGuidance(sizes))]; // biome-ignore format: one line
    for (let step = 0; step < 2; ++step) {
      const [c, u] = [1, 2].map((seed) => tensorOf(device, normal(120, 10 * step + seed), shape, dtype)) as [Tensor, Tensor]; // biome-ignore format: one line
      const all = await valuesOf(whole.apply(c, u));
      for (const [i, part] of parts.entries())
        expect(await valuesOf(part.apply(c.rows(i, i + 1), u.rows(i, i + 1)))).toEqual(all.slice(40 * i, 40 * i + 40));
    }
  });

  it('forgets only by reset: another shape, dtype or device before it is refused', async () => {
    const guidance = new AdaptiveProjectedGuidance({ scale: 2, momentum: 0.5 });
    const [c, u] = [row([1, 2]), row([0, 1])];
    const plain = await valuesOf(new AdaptiveProjectedGuidance({ scale: 2 }).apply(c, u));
    expect(await valuesOf(guidance.apply(c, u))).toEqual(plain);
    expect(() => guidance.apply(row([1, 2, 3]), row([1, 2, 3]))).toThrow(
      expect.objectContaining({ code: 'ERR_STATE' }),
    );
    expect(() => guidance.apply(row([1, 2], 'f32'), row([1, 2], 'f32'))).toThrow(expect.objectContaining({ code: 'ERR_STATE' })); // biome-ignore format: one line
    guidance.reset();
    expect(guidance.stateBytes).toBe(0);
    expect((await valuesOf(guidance.apply(row([1, 2, 3]), row([1, 2, 3])))).length).toBe(3);
    guidance.dispose();
    expect(() => guidance.apply(c, u)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    // Without a momentum there is nothing to forget.
    const loose = new AdaptiveProjectedGuidance({ scale: 2 });
    loose.apply(c, u);
    loose.apply(row([1, 2, 3]), row([1, 2, 3]));
  });

  it('keeps NaN in its sample, with a momentum until reset', async () => {
    const guidance = new AdaptiveProjectedGuidance({ scale: 2, momentum: 0.5, rescale: 1 });
    const [good, bad] = [tensorOf(device, [1, 2, 3, 4], [2, 2]), tensorOf(device, [NaN, 0, 0, 1], [2, 2])];
    const steps = [await valuesOf(guidance.apply(good, bad)), await valuesOf(guidance.apply(good, good))];
    for (const out of steps) {
      expect([out[0], Number.isFinite(out[2]) && Number.isFinite(out[3])]).toEqual([NaN, true]);
    }
    guidance.reset();
    expect(await valuesOf(guidance.apply(good, good))).toEqual(Float64Array.of(1, 2, 3, 4));
  });

  it('writes into a tensor that is there, and leaves one that does not fit and its state as they were', async () => {
    const guidance = new AdaptiveProjectedGuidance({ scale: 3, momentum: 0.5 });
    const [c, u] = [row([1, 2]), row([0, 1])];
    expect(() => guidance.apply(c, u, { out: row([0, 0, 0]) })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(guidance.stateBytes).toBe(0);
    const expected = await valuesOf(new AdaptiveProjectedGuidance({ scale: 3 }).apply(c, u));
    expect(guidance.apply(c, u, { out: c })).toBe(c);
    expect(await valuesOf(c)).toEqual(expected);
  });

  it('predictionTo gives each kind of prediction from each other, whatever alpha and sigma', async () => {
    const [x0, eps] = [[1.5, -2, 0.25, 3], [0.5, 1, -1.25, 2]]; // biome-ignore format: one line
    for (const [alpha, sigma] of [
      [0.8, 0.6],
      [1, 14.6],
      [0.3, 0.2],
      [-0.6, 0.8],
    ] as const) {
      // biome-ignore format: one line
      const known = { x0, eps, v: eps.map((e, i) => alpha * e - sigma * x0[i]!) };
      const noisy = x0.map((x, i) => alpha * x + sigma * eps[i]!);
      for (const from of ['x0', 'eps', 'v'] as const)
        for (const kind of ['x0', 'eps', 'v'] as const)
          for (const [dtype, within] of [
            ['f64', 1e-11],
            ['f32', 2e-4],
          ] as const) {
            // biome-ignore format: one line
            const [prediction, xt] = [known[from], noisy].map((x) => tensorOf(device, x, [2, 2], dtype)) as [Tensor, Tensor]; // biome-ignore format: one line
            const out = predictionTo(kind, prediction, xt, { alpha, sigma, from });
            expect([out.dtype, out.shape]).toEqual([dtype, [2, 2]]);
            near(await valuesOf(out), known[kind], within);
          }
    }
    for (const dtype of ['f16', 'bf16'] as const) {
      const [prediction, xt] = [[1, 2], [4, 8]].map((x) => tensorOf(device, x, [2], dtype)) as [Tensor, Tensor]; // biome-ignore format: one line
      expect(predictionTo('x0', prediction, xt, { alpha: 0.5, sigma: 1, from: 'eps', out: prediction })).toBe(
        prediction,
      );
      expect([...(await valuesOf(prediction))]).toEqual([6, 12]);
    }
    // Pure noise at the last step: v = ε there, and no x₀ can be told from it.
    const [prediction, xt] = [[NaN, 2], [1, 3]].map((x) => tensorOf(device, x, [2])) as [Tensor, Tensor]; // biome-ignore format: one line
    expect(await valuesOf(predictionTo('x0', prediction, xt, { alpha: 0, sigma: 1, from: 'v' }))).toEqual(Float64Array.of(NaN, -2)); // biome-ignore format: one line
    expect(() => predictionTo('x0', prediction, xt, { alpha: 0, sigma: 1, from: 'eps' })).toThrow(
      /alpha must not be 0, or so small, for x0 from eps, got alpha 0 and sigma 1$/,
    );
    expect(() => predictionTo('eps', prediction, xt, { alpha: 1, sigma: 0, from: 'x0' })).toThrow(
      /sigma must not be 0, or so small, for eps from x0, got alpha 1 and sigma 0$/,
    );
    expect(() => predictionTo('v', prediction, xt, { alpha: 0, sigma: 0, from: 'v' })).not.toThrow();
  });
});

describe.each(onlyCpu)('two classes in the plane', () => {
  // Exact posterior means of N((±2, 1), 0.3² I): the conditional one of the first class, the unconditional of both.
  const spread = 0.3 ** 2;
  const centers = [[2, 1], [-2, 1]] as const; // biome-ignore format: one line
  const mean = (x: readonly number[], k: number, alpha: number, sigma: number) => {
    const gain = (alpha * spread) / (alpha * alpha * spread + sigma * sigma);
    return centers[k]!.map((c, i) => c + gain * (x[i]! - alpha * c));
  };
  const both = (x: readonly number[], alpha: number, sigma: number) => {
    const scale = 2 * (alpha * alpha * spread + sigma * sigma);
    const logs = centers.map((c) => -c.reduce<number>((sum, v, i) => sum + (x[i]! - alpha * v) ** 2, 0) / scale);
    const share = 1 / (1 + Math.exp(logs[1]! - logs[0]!));
    const [a, b] = [mean(x, 0, alpha, sigma), mean(x, 1, alpha, sigma)];
    return a.map((v, i) => share * v + (1 - share) * b[i]!);
  };
  /** Mean radius of 400 samples after 50 steps of DDIM. */
  const radius = async (options: object): Promise<number> => {
    await using device = Device.open('cpu', { threads: 1 });
    using guidance = new AdaptiveProjectedGuidance({ scale: 15, ...options });
    const times = Array.from({ length: 51 }, (_, i) => 0.999 - (0.998 * i) / 50);
    const at = (t: number) => [Math.cos((Math.PI * t) / 2), Math.sin((Math.PI * t) / 2)] as const;
    let x = normal(800, 7);
    const rowsOf = (f: (row: number[]) => readonly number[]) =>
      Float64Array.from(Array.from({ length: 400 }, (_, i) => f([x[2 * i]!, x[2 * i + 1]!])).flat());
    for (let i = 0; i < 50; ++i) {
      const [alpha, sigma] = at(times[i]!);
      const [next, noise] = at(times[i + 1]!);
      using c = Tensor.from(
        device,
        rowsOf((row) => mean(row, 0, alpha, sigma)),
        [400, 2],
      );
      using u = Tensor.from(
        device,
        rowsOf((row) => both(row, alpha, sigma)),
        [400, 2],
      );
      using x0 = guidance.apply(c, u);
      using xt = Tensor.from(device, x, [400, 2]);
      using eps = predictionTo('eps', x0, xt, { alpha, sigma, from: 'x0' });
      const [clean, rest] = [await x0.read(), await eps.read()];
      x = Float64Array.from(x, (_, j) => next * Number(clean[j]) + noise * Number(rest[j]));
    }
    return rowsOf(([a, b]) => [Math.hypot(a!, b!)]).reduce((sum, r) => sum + r, 0) / 400;
  };

  it('plain guidance at scale 15 inflates the samples, projected guidance does not', async () => {
    expect(await radius({ eta: 1 })).toBeGreaterThan(3.1);
    expect(await radius({ rescale: 0.5, momentum: -0.5 })).toBeLessThan(2.33);
  });
});

describe.each(onlyCpu)('options of guidance', () => {
  const wrong: [object, RegExp][] = [
    [{}, /scale must be finite/],
    [{ scale: NaN }, /scale must be finite/],
    [{ scale: 2, momentum: 1 }, /momentum must be in \(-1, 1\), got 1/],
    [{ scale: 2, momentum: -1 }, /momentum must be in \(-1, 1\), got -1/],
    [{ scale: 2, rescale: -1 }, /rescale must be finite and not negative/],
    [{ scale: 2, eta: NaN }, /eta must be finite/],
    [{ scale: 2, normAxes: [0] }, /normAxes must be a list of axes from 1 on, each once, as axis 0 is the batch/],
    [{ scale: 2, projectAxes: [1, 1] }, /projectAxes must be a list of axes/],
    [{ scale: 2, base: 'x' }, /base must be/],
  ];
  it.each(wrong)('%j is refused', (options, message) => {
    expect(() => new AdaptiveProjectedGuidance(options as { scale: number })).toThrow(message);
  });
  it('an axis that the predictions lack, and predictions without a batch are refused', async () => {
    await using device = Device.open('cpu');
    const x = Tensor.zeros(device, [2, 3]);
    expect(() => new AdaptiveProjectedGuidance({ scale: 2, normAxes: [2] }).apply(x, x)).toThrow(
      /normAxes must be below 2/,
    );
    const vector = Tensor.zeros(device, [3]);
    expect(() => new AdaptiveProjectedGuidance({ scale: 2 }).apply(vector, vector)).toThrow(/a batch and another axis/);
  });
});
