// Devices: cpu, cuda
// Options of valueAndGrad: products in 16 bits, scale, a shared arena, gradients of each sample.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal, sizeOf } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';

type Model = Record<string, Tensor>;

describe.each(devices)('options of orthokit/nn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const read = async (grads: nn.PerParameter) => Promise.all([...grads.values()].map((tensor) => tensor.read()));
  const tensor = (shape: readonly number[], seed: number, dtype: 'f32' | 'f64' = 'f64') =>
    Tensor.from(device, normal(sizeOf(shape), seed, 0.7), shape, { dtype: 'f64' }).cast(dtype);
  const whole = (shape: readonly number[]) =>
    Tensor.from(
      device,
      Array.from({ length: sizeOf(shape) }, (_, i) => ((5 * i) % 7) - 3),
      shape,
    );
  const layered = (m: nn.Traced<Model>, x: Tensor) => {
    const layer = { weight: m['weight']!, bias: m['bias']! };
    return nn.sum(nn.multiply(nn.linear(layer, x), nn.linear(layer, x)));
  };

  describe.each(['bf16', 'f16'] as const)('products of %s', (products) => {
    it('are the same bits where 16 bits hold the numbers', async () => {
      const model = { weight: whole([5, 7]), bias: whole([5]) };
      using short = nn.valueAndGrad(layered, { products });
      using own = nn.valueAndGrad(layered);
      const x = whole([3, 7]);
      const [a, b] = [short(model, x), own(model, x)];
      expect(await a.value.read()).toEqual(await b.value.read());
      expect([...a.grads.keys()]).toEqual(Object.values(model));
      expect([...a.grads.values()].map(({ dtype }) => dtype)).toEqual(['f32', 'f32']);
      expect(await a.grads.get(model.bias)!.read()).toEqual(await b.grads.get(model.bias)!.read());
    });

    it('are near where they do not, of numbers and results that are rounded', async () => {
      const model = { weight: tensor([5, 7], 1, 'f32'), bias: tensor([5], 2, 'f32') };
      using short = nn.valueAndGrad(layered, { products });
      using own = nn.valueAndGrad(layered);
      const x = tensor([3, 7], 3, 'f32');
      const [a, b] = [await read(short(model, x).grads), await read(own(model, x).grads)];
      expect(a).not.toEqual(b);
      const largest = Math.max(...b.flatMap((values) => [...values].map(Math.abs)));
      // Three roundings of 8 bits meet: of factors, of results and of gradients.
      for (const [i, values] of a.entries())
        for (const [j, value] of values.entries())
          expect(Math.abs(value - b[i]![j]!)).toBeLessThan((largest * 7 * 3) / 256);
    });
  });

  it.each(['bf16', 'f16'] as const)('products of %s are those of adapters, too', async (products) => {
    const one = (value: number) => Tensor.from(device, [value], [1, 1]);
    // 1 + 2⁻¹² is a number of f32, and 1 in both kinds of 16 bits.
    const between = 1 + 2 ** -12;
    const loss = ({ weight, a, b }: nn.Traced<Model>, x: Tensor) =>
      nn.sum(nn.linear({ weight: weight!, lora: { a: a!, b: b!, scale: 2 } }, x));
    for (const [of, model] of Object.entries({
      a: { weight: one(0), a: one(between), b: one(1) },
      b: { weight: one(0), a: one(1), b: one(between) },
    })) {
      using short = nn.valueAndGrad(loss, { products });
      using own = nn.valueAndGrad(loss);
      expect(await short(model, one(1)).value.read(), of).toEqual(new Float64Array([2]));
      expect(await own(model, one(1)).value.read(), of).toEqual(new Float64Array([2 * between]));
    }
  });

  it('products in 16 bits leave samples apart, and go through adapters', async () => {
    const x = whole([3, 7]);
    const model = { weight: whole([5, 7]), bias: whole([5]), a: whole([2, 7]), b: whole([5, 2]) };
    const loss = (m: nn.Traced<Model>, y: Tensor) => {
      const lora = { a: m['a']!, b: m['b']!, scale: 2 };
      return nn.sum(nn.linear({ weight: m['weight']!, bias: m['bias']!, lora }, y));
    };
    for (const perSample of [false, true]) {
      using short = nn.valueAndGrad(loss, { products: 'bf16', perSample });
      using own = nn.valueAndGrad(loss, { perSample });
      expect(await read(short(model, x).grads)).toEqual(await read(own(model, x).grads));
    }
  });

  it('scale is a factor of the gradients, and not of the value', async () => {
    const model = { weight: tensor([5, 7], 1), bias: tensor([5], 2) };
    const x = tensor([3, 7], 3);
    using half = nn.valueAndGrad(layered, { scale: 0.5 });
    using one = nn.valueAndGrad(layered);
    const [a, b] = [half(model, x), one(model, x)];
    expect(await a.value.read()).toEqual(await b.value.read());
    const doubled = (await read(a.grads)).map((values) => Array.from(values, (value) => 2 * value));
    expect(doubled).toEqual((await read(b.grads)).map((values) => [...values]));
  });

  it('calls of one arena share buffers, until it is disposed of', async () => {
    const model = { weight: tensor([5, 7], 1), bias: tensor([5], 2) };
    const x = tensor([300, 7], 3);
    const arena = new nn.Arena(device);
    using train = nn.valueAndGrad(layered, { arena });
    using evaluate = nn.forward(layered as (m: Model, y: Tensor) => nn.Value, { arena });
    const [expected] = await train(model, x).value.read();
    const { bytes } = await settledMemory(device);
    expect((await evaluate(model, x).read())[0]).toBe(expected);
    expect((await train(model, x).value.read())[0]).toBe(expected);
    expect(device.info.memory.bytes).toBeLessThanOrEqual(bytes);
    arena.dispose();
    expect(device.info.memory.bytes).toBeLessThan(bytes);
    expect(() => evaluate(model, x)).toThrow('the arena has been disposed');
  });

  const linear = (m: nn.Traced<Model>, x: nn.Arg) => nn.linear({ weight: m['weight']!, bias: m['bias']! }, x);
  const models: readonly [string, Record<string, readonly number[]>, (m: nn.Traced<Model>, x: Tensor) => nn.Value][] = [
    ['a layer', { weight: [7, 7], bias: [7] }, linear],
    ['a layer in two places', { weight: [7, 7], bias: [7] }, (m, x) => linear(m, nn.gelu(linear(m, x)))],
    [
      'a layer with an adapter',
      { weight: [5, 7], a: [2, 7], b: [5, 2] },
      (m, x) => nn.linear({ weight: m['weight']!, lora: { a: m['a']!, b: m['b']!, scale: 0.5 } }, x),
    ],
  ];
  describe.each([[[6, 7]], [[6, 3, 7]]])('gradients of each sample of %j', (shape) => {
    it.each(models)('of %s are those of one sample at a time', async (_, shapes, fn) => {
      const model = Object.fromEntries(Object.entries(shapes).map(([name, sizes], i) => [name, tensor(sizes, i + 1)]));
      const x = tensor(shape, 9);
      const loss = (m: nn.Traced<Model>, y: Tensor) => nn.mean(nn.gelu(fn(m, y)));
      using each = nn.valueAndGrad(loss, { perSample: true });
      using one = nn.valueAndGrad(loss);
      const all = await read(each(model, x).grads);
      const data = await x.read();
      const size = x.size / 6;
      for (let i = 0; i < 6; ++i) {
        const sample = Tensor.from(device, data.slice(i * size, (i + 1) * size), [1, ...shape.slice(1)]);
        const alone = await read(one(model, sample).grads);
        for (const [k, values] of alone.entries())
          for (const [j, value] of values.entries()) expect(all[k]![i * values.length + j]!).toBeCloseTo(value, 14);
      }
    });
  });
});
