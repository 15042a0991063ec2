// Devices: cpu, cuda
// Values: attention over whole windows in plain numbers (offline.ts); how far the published recursion is off at scores of
// that size is known of the authors' program: infinite, or 5e22.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { continual } from '../../lib/streaming/index.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { apart, attention, sequenceOf } from './offline.ts';

type Dtype = 'f32' | 'f64';
type Inputs = readonly [Float64Array, Float64Array, Float64Array];

describe.each(devices)('attention on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const tensor = (data: ArrayLike<number>, shape: readonly number[], dtype: Dtype): Tensor =>
    Tensor.from(device, dtype === 'f64' ? Float64Array.from(data) : Float32Array.from(data), shape);
  const drawn = (streams: number, channels: number, time: number, scale = 1): Inputs => {
    const one = (seed: number, by: number) =>
      Float64Array.from(normal(streams * channels * time, seed, by), Math.fround);
    return [one(1, scale), one(2, scale), one(3, 1)];
  };
  /** The inputs of a stream from time `from` on, [channels][count]. */
  const windowOf = (
    inputs: Inputs,
    shape: readonly [number, number, number],
    stream: number,
    from: number,
    count: number,
  ) =>
    inputs.map((data) =>
      sequenceOf(data, shape)[stream]!.map((places) => places.slice(from, from + count)),
    ) as unknown as [number[][], number[][], number[][]];
  const at = (
    data: Float64Array,
    [streams, channels, time]: readonly [number, number, number],
    t: number,
    dtype: Dtype,
  ): Tensor =>
    tensor(
      Float64Array.from({ length: streams * channels }, (_, i) => data[i * time + t]!),
      [streams, channels],
      dtype,
    );

  it.each(['single', 'retroactive'] as const)('of mode %s gives what whole windows give', async (mode) => {
    for (const [heads, channels, length, dtype] of [
      [1, 3, 1, 'f32'],
      [2, 6, 5, 'f64'],
      [3, 12, 8, 'f32'],
      [1, 40, 33, 'f32'],
    ] as const) {
      const time = 2 * length + 3;
      const shape = [2, channels, time] as const;
      const inputs = drawn(...shape);
      using layer = continual.attention({ heads, length, mode });
      expect([layer.delay, layer.receptiveField, layer.stride]).toEqual([length - 1, length, 1]);
      for (let t = 0; t < time; ++t) {
        const [q, k, v] = inputs.map((data) => at(data, shape, t, dtype)) as [Tensor, Tensor, Tensor];
        using y = layer.step(q, k, v);
        expect(y === null).toBe(t < length - 1);
        if (!y) continue;
        const found = await y.read();
        const expected = [0, 1].flatMap((stream) => {
          const whole = attention(...windowOf(inputs, shape, stream, t - length + 1, length), heads);
          return mode === 'single' ? whole.map((places) => places.at(-1)!) : whole.flat();
        });
        expect(apart(found, expected)).toBeLessThan(dtype === 'f64' ? 1e-13 : 2e-6);
      }
      const cut = inputs.map((data) => tensor(sequenceOf(data, shape).flatMap((channel) => channel.map((places) => places.slice(0, length))).flat(), [2, channels, length], dtype)) as [Tensor, Tensor, Tensor]; // biome-ignore format: one line
      using whole = layer.forward(...cut);
      layer.reset();
      using steps = layer.steps(...cut);
      const last = mode === 'single' ? [2, channels, 1] : [2, channels, length];
      expect(whole.shape).toEqual(last);
      expect(steps!.shape).toEqual(mode === 'single' ? last : [...last, 1]);
      expect(apart(await steps!.read(), await whole.read())).toBeLessThan(dtype === 'f64' ? 1e-13 : 2e-6);
    }
  });

  // Scores have a deviation of scale²: 64 at the largest scale.
  it.each([
    [1, 2e-6],
    [3, 2e-3],
    [4, 3e-3],
    [8, 5e-3],
  ])('drifts at scale %i by less than %f in f32', async (scale, bound) => {
    const [length, channels, time] = [32, 16, kind === 'cpu' ? 600 : 100];
    const shape = [1, channels, time] as const;
    const inputs = drawn(...shape, scale);
    const run = async (options: { exact?: boolean; refreshEvery?: number }) => {
      using layer = continual.attention({ length, mode: 'retroactive', ...options });
      let [worst, sum] = [0, 0];
      for (let t = 0; t < time; ++t) {
        const [q, k, v] = inputs.map((data) => at(data, shape, t, 'f32')) as [Tensor, Tensor, Tensor];
        using y = layer.step(q, k, v);
        if (!y || (t % 7 !== 0 && t < time - 20)) continue;
        const error = apart(await y.read(), attention(...windowOf(inputs, shape, 0, t - length + 1, length), 1).flat());
        [worst, sum] = [Math.max(worst, error), sum + error];
      }
      return { worst, sum };
    };
    const plain = await run({});
    expect(plain.worst).toBeLessThan(bound);
    const exact = await run({ exact: true });
    expect(exact.worst).toBeLessThan(2e-6 * scale * scale);
    // The worst may be of a step whose own rounding is large, which sums that are taken anew do not lessen.
    if (scale === 8) expect((await run({ refreshEvery: 4 })).sum).toBeLessThan(plain.sum);
  });

  it('sees NaN and infinity while they are in the window, and leaves them behind with their places', async () => {
    for (const mode of ['single', 'retroactive'] as const)
      for (const bad of [NaN, Infinity]) {
        const [length, time] = [4, 14];
        const shape = [1, 4, time] as const;
        const inputs = drawn(...shape);
        // A key and a value of the places 3 and 5.
        inputs[1][3] = bad;
        inputs[2][5] = bad;
        using layer = continual.attention({ length, mode, heads: 2 });
        const seen: boolean[] = [];
        for (let t = 0; t < time; ++t) {
          const [q, k, v] = inputs.map((data) => at(data, shape, t, 'f32')) as [Tensor, Tensor, Tensor];
          using y = layer.step(q, k, v);
          if (!y) continue;
          const whole = attention(...windowOf(inputs, shape, 0, t - length + 1, length), 2);
          const expected = mode === 'single' ? whole.map((places) => places.at(-1)!) : whole.flat();
          const found = await y.read();
          expect(apart(found, expected)).toBeLessThan(2e-6);
          seen.push(!found.every(Number.isFinite));
        }
        // The window ends at the places 3 to 13; an infinite key may have a weight of 0.
        expect(seen.slice(6)).toEqual([false, false, false, false, false]);
        expect(seen.slice(0, 6).filter(Boolean).length).toBeGreaterThan(Number.isNaN(bad) ? 5 : 3);
      }
  });

  it('leaves a large value behind with the place that had it', async () => {
    for (const large of [1e3, 1e5, 1e7]) {
      const [length, time] = [16, 70];
      const shape = [1, 8, time] as const;
      const inputs = drawn(...shape);
      for (let c = 0; c < 8; ++c) inputs[2][c * time + 20] = large;
      // It leaves little by little, too.
      for (let i = 0; i < 8; ++i) inputs[2][21 + i] = large * 0.1 ** i;
      using layer = continual.attention({ length, mode: 'retroactive', heads: 2 });
      for (let t = 0; t < time; ++t) {
        const [q, k, v] = inputs.map((data) => at(data, shape, t, 'f32')) as [Tensor, Tensor, Tensor];
        using y = layer.step(q, k, v);
        if (t < 28 + length) continue;
        const whole = attention(...windowOf(inputs, shape, 0, t - length + 1, length), 2);
        expect(apart(await y!.read(), whole.flat())).toBeLessThan(2e-5);
      }
    }
  });
});

describe.each(onlyCpu)('attention', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const zeros = (shape: number[]) => Tensor.zeros(device, shape);
  const message = (call: () => unknown): string => {
    try {
      call();
    } catch (error) {
      return `${(error as { code: string }).code} ${(error as Error).message}`;
    }
    return 'nothing';
  };

  it('refuses options that say nothing to its mode, and inputs that do not fit', () => {
    const options = (given: object) => message(() => continual.attention({ length: 4, ...given }));
    expect(options({ exact: true })).toBe(
      "ERR_ARGUMENT continual.attention: exact must be left out where mode is 'single', got true",
    );
    expect(options({ refreshEvery: 3 })).toMatch(/refreshEvery must be left out where mode is 'single', got 3$/);
    expect(options({ mode: 'retroactive', exact: true, refreshEvery: 3 })).toMatch(
      /left out where exact is true, got 3$/,
    );
    expect(options({ length: 0 })).toMatch(/length must be a whole number from 1 on, got 0$/);
    expect(options({ heads: 0 })).toMatch(/^ERR_ARGUMENT/);
    using layer = continual.attention({ length: 4, heads: 2 });
    const step = (...inputs: [Tensor, Tensor, Tensor]) => message(() => layer.step(...inputs));
    expect(step(zeros([2, 5]), zeros([2, 5]), zeros([2, 5]))).toMatch(
      /^ERR_SHAPE .*q must have channels for 2 heads, got 5$/,
    );
    expect(step(zeros([2, 4]), zeros([2, 6]), zeros([2, 4]))).toMatch(
      /^ERR_SHAPE .*k must have q's shape \[2,4\], got \[2,6\]$/,
    );
    expect(step(zeros([2, 514]), zeros([2, 514]), zeros([2, 514]))).toMatch(/at most 256 channels a head, got 257$/);
    expect(step(zeros([2, 4]), zeros([2, 4]), Tensor.zeros(device, [2, 4], { dtype: 'f64' }))).toMatch(
      /^ERR_DTYPE .*v must have q's dtype/,
    );
    const whole = zeros([2, 4, 5]);
    expect(message(() => layer.forward(whole, whole, whole))).toMatch(
      /^ERR_SHAPE .*q must have the 4 places of a window, got 5$/,
    );
    expect(message(() => continual.sequential(layer as never))).toMatch(
      /^ERR_ARGUMENT .*layers\[0\] must be a ContinualLayer/,
    );
  });
});
