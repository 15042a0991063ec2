// Devices: cpu, cuda
// Values: the layers over whole sequences in plain numbers (offline.ts), with zeros for padding.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { type ContinualLayer, continual } from '../../lib/streaming/index.ts';
import { normal, sizeOf } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { apart, convolution, flat, pooling, type Sequence, sequenceOf, sum } from './offline.ts';

type Dtype = 'f32' | 'f64';
type Shape = readonly [number, number, number];

describe.each(devices)('layers on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const tensor = (data: Float64Array, shape: readonly number[], dtype: Dtype): Tensor =>
    Tensor.from(device, dtype === 'f64' ? data : Float32Array.from(data), shape);
  /** Numbers as the dtype holds them. */
  const drawn = (shape: readonly number[], seed: number, dtype: Dtype): Float64Array =>
    Float64Array.from(normal(sizeOf(shape), seed), (x) => (dtype === 'f64' ? x : Math.fround(x)));
  const tolerance = (dtype: Dtype): number => (dtype === 'f64' ? 1e-13 : 1e-6);

  /** Steps through a sequence; what they give, and the steps that give nothing before the first one that does. */
  async function stepped(
    layer: ContinualLayer,
    x: Sequence,
    dtype: Dtype,
  ): Promise<{ outputs: Float64Array[]; late: number }> {
    const outputs: Float64Array[] = [];
    let late = 0;
    for (let t = 0; t < x[0]![0]!.length; ++t) {
      using input = tensor(
        Float64Array.from(x.flatMap((channels) => channels.map((places) => places[t]!))),
        [x.length, x[0]!.length],
        dtype,
      );
      using y = layer.step(input);
      if (y) outputs.push(Float64Array.from(await y.read()));
      else if (outputs.length === 0) late += 1;
    }
    return { outputs, late };
  }
  /** Compares steps with the offline outputs, as many as there are before the end's padding, and `forward` with all. */
  async function expectOffline(
    layer: ContinualLayer,
    shape: Shape,
    seed: number,
    dtype: Dtype,
    offline: (x: Sequence) => Sequence,
  ): Promise<void> {
    const data = drawn(shape, seed, dtype);
    const x = sequenceOf(data, shape);
    const whole = offline(x);
    using input = tensor(data, shape, dtype);
    using all = layer.forward(input);
    const scale = Math.max(1, ...flat(whole).map(Math.abs));
    expect(all.shape).toEqual([shape[0], whole[0]!.length, whole[0]![0]!.length]);
    expect(apart(await all.read(), flat(whole)) / scale).toBeLessThan(tolerance(dtype));
    const { outputs, late } = await stepped(layer, x, dtype);
    const count = shape[2] > layer.delay ? Math.floor((shape[2] - 1 - layer.delay) / layer.stride) + 1 : 0;
    expect(late).toBe(Math.min(layer.delay, shape[2]));
    expect(outputs.length).toBe(count);
    for (const [i, output] of outputs.entries())
      expect(
        apart(
          output,
          whole.flatMap((channels) => channels.map((places) => places[i]!)),
        ) / scale,
      ).toBeLessThan(tolerance(dtype));
    // Several steps at once, and what they go on with.
    layer.reset();
    using some = layer.steps(input);
    expect(some?.shape ?? null).toEqual(count > 0 ? [shape[0], whole[0]!.length, count] : null);
    if (!some) return;
    const cut = whole.flatMap((channels) => channels.flatMap((places) => places.slice(0, count)));
    expect(apart(await some.read(), cut) / scale).toBeLessThan(tolerance(dtype));
  }

  const grid = [1, 2, 3, 4].flatMap((kernel) =>
    [1, 2, 3].flatMap((stride) =>
      [1, 2, 3].flatMap((dilation) =>
        [0, 1, 2, dilation * (kernel - 1)].map((padding) => ({ kernel, stride, dilation, padding })),
      ),
    ),
  );
  const kernels = grid.filter(({ kernel, dilation, padding }) => padding <= dilation * (kernel - 1));

  it('convolves as over the whole sequence, for kernels, strides, paddings and dilations', async () => {
    for (const [i, taps] of (kind === 'cpu' ? kernels : kernels.filter((_, i) => i % 9 === 4)).entries()) {
      const dtype = i % 4 === 0 ? 'f64' : 'f32';
      const [weight, bias] = [drawn([5, 3, taps.kernel], i, dtype), i % 3 === 0 ? undefined : drawn([5], i + 1, dtype)];
      using w = tensor(weight, [5, 3, taps.kernel], dtype);
      using b = bias && tensor(bias, [5], dtype);
      const { kernel, ...options } = taps;
      using layer = continual.conv1d(w, b, options);
      expect(layer.receptiveField).toBe(taps.dilation * (kernel - 1) + 1);
      expect(layer.delay).toBe(layer.receptiveField - 1 - taps.padding);
      await expectOffline(layer, [2, 3, 14], i, dtype, (x) =>
        convolution(x, sequenceOf(weight, [5, 3, kernel]), bias, taps),
      );
    }
  });

  it('pools as over the whole sequence, dilated too', async () => {
    for (const kernel of [1, 2, 3, 5])
      for (const stride of [1, 2, 3])
        for (const dilation of kind === 'cpu' ? [1, 2, 3] : [2]) {
          const taps = { kernel, stride, dilation, padding: 0 };
          using mean = continual.averagePool1d(kernel, { stride, dilation });
          await expectOffline(mean, [3, 2, 15], kernel, 'f32', (x) => pooling(x, taps, false));
          using max = continual.maxPool1d(kernel, { stride, dilation });
          await expectOffline(max, [3, 2, 15], kernel, 'f64', (x) => pooling(x, taps, true));
        }
    // The ring of the authors' program is one of other length: it gives 2, 2.667, 3.333.
    using layer = continual.averagePool1d(3, { dilation: 2 });
    using x = tensor(
      Float64Array.from({ length: 7 }, (_, t) => t),
      [1, 1, 7],
      'f32',
    );
    using y = layer.steps(x);
    expect(await y!.read()).toEqual(Float32Array.of(2, 3, 4));
  });

  it('gives the first of a convolution of four taps after three steps of nothing', async () => {
    using w = tensor(drawn([1, 1, 4], 1, 'f32'), [1, 1, 4], 'f32');
    using layer = continual.conv1d(w);
    const { late } = await stepped(layer, sequenceOf(normal(6, 1), [1, 1, 6]), 'f32');
    expect(late).toBe(3);
  });

  it('computes the delays of residual and parallel layers, and of their stacks', async () => {
    for (const dtype of ['f32', 'f64'] as const) {
      const weightOf = (shape: Shape, seed: number) => ({
        shape,
        data: Float64Array.from(drawn(shape, seed, dtype), (x) => x / 2),
      });
      const make = ({ shape, data }: ReturnType<typeof weightOf>) => tensor(data, shape, dtype);
      const [a, b, c, d] = [
        weightOf([4, 3, 4], 1),
        weightOf([4, 4, 3], 2),
        weightOf([4, 4, 5], 3),
        weightOf([2, 4, 3], 4),
      ];
      const e = weightOf([2, 4, 1], 5);
      const table = drawn([5, 4], 6, dtype);
      using owned = continual.linear(make({ shape: [2, 4, 1], data: e.data }).reshape([2, 4]));
      using net = continual.sequential(
        continual.conv1d(make(a), undefined, { stride: 2, padding: 1 }),
        continual.map('relu'),
        continual.positional(tensor(table, [5, 4], dtype)),
        continual.residual(
          continual.sequential(
            continual.residual(continual.conv1d(make(b), undefined, { padding: 1 })),
            continual.conv1d(make(c), undefined, { padding: 4, dilation: 2 }),
          ),
        ),
        continual.delay(3),
        continual.parallel(continual.conv1d(make(d), undefined, { padding: 2, dilation: 2, stride: 1 }), owned),
        continual.averagePool1d(2, { stride: 2 }),
      );
      const conv = (
        x: Sequence,
        w: { shape: Shape; data: Float64Array },
        stride: number,
        padding: number,
        dilation: number,
      ) => convolution(x, sequenceOf(w.data, w.shape), undefined, { kernel: w.shape[2], stride, padding, dilation });
      const offline = (x: Sequence) => {
        const first = conv(x, a, 2, 1, 1).map((rows) =>
          rows.map((places, ch) => places.map((v, t) => Math.max(v, 0) + table[(t % 5) * 4 + ch]!)),
        );
        const inner = sum(first, conv(first, b, 1, 1, 1));
        const block = sum(first, conv(inner, c, 1, 4, 2));
        const both = sum(conv(block, d, 1, 2, 2), conv(block, e, 1, 0, 1));
        return pooling(both, { kernel: 2, stride: 2, padding: 0, dilation: 1 }, false);
      };
      // 2 + 2 (1 + 4 + 3 + 2 + 1)
      expect(net.delay).toBe(24);
      expect(net.stride).toBe(4);
      // 4 + 2 (2 + 8 + 4 + 1)
      expect(net.receptiveField).toBe(34);
      await expectOffline(net, [2, 3, 61], 7, dtype, offline);
    }
  });
});
