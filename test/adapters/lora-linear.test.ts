// Devices: cpu, cuda
// Source: formula of Hu et al. 2021 "y = x·(W + scale·b·a)ᵀ"
import { afterAll, describe, expect, it } from 'vitest';
import { LoraLinear } from '../../lib/adapters/index.ts';
import { AdamW, Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { dense, distance, product, sum, transposed } from './matrices.ts';

const [outputs, inputs, rank] = [6, 9, 2];

describe.each(devices)('LoraLinear on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const tensor = (shape: number[], seed: number, dtype: 'f32' | 'f64' | 'bf16' = 'f32') =>
    Tensor.from(
      device,
      [
        ...normal(
          shape.reduce((x, y) => x * y, 1),
          seed,
        ),
      ],
      shape,
      { dtype },
    );
  const layerOf = (dtype: 'f32' | 'f64' | 'bf16', options: object = {}) => {
    const layer = LoraLinear.fromWeight(tensor([outputs, inputs], 1, dtype), { rank, seed: 3, ...options });
    layer.b.write([...normal(outputs * rank, 4)]);
    return layer;
  };
  const read = async (x: Tensor) => dense(x.shape[0]!, x.shape[1]!, await x.cast('f64').read());

  it('changes nothing at first, and draws a in ±1/√in from its seed', async () => {
    const weight = tensor([40, 100], 1);
    const make = (seed: number) => LoraLinear.fromWeight(weight, { rank: 16, seed });
    const layer = make(1);
    const x = tensor([3, 100], 2);
    using plain = nn.forward((m: { weight: Tensor }, input: Tensor) => nn.linear(m, input));
    expect(await layer.apply(x).read()).toEqual(await plain({ weight }, x).read());
    const a = (await layer.a.read()) as Float32Array;
    expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(0.1);
    const square = a.reduce((total, value) => total + value * value, 0) / a.length;
    expect(Math.abs(square / (0.01 / 3) - 1)).toBeLessThan(0.1);
    expect(await make(1).a.read()).toEqual(a);
    expect(await make(2).a.read()).not.toEqual(a);
    expect([layer.rank, layer.alpha, layer.scale]).toEqual([16, 16, 1]);
    expect(LoraLinear.fromWeight(weight, { rank: 4, alpha: 6, seed: 1 }).scale).toBe(1.5);
    expect(LoraLinear.fromWeight(weight, { rank: 4, alpha: 6, rslora: true, seed: 1 }).scale).toBe(3);
  });

  it.each([
    ['f64', 1e-15],
    ['f32', 1e-6],
    ['bf16', 2e-2],
  ] as const)('is the merged layer, before and after, in %s', async (dtype, near) => {
    const bias = tensor([outputs], 5, dtype);
    const layer = layerOf(dtype, { bias, alpha: 3 });
    const x = tensor([5, inputs], 6, dtype);
    const merged = layer.merge();
    expect([merged.dtype, merged.shape]).toEqual([dtype, [outputs, inputs]]);
    const expected = sum(await read(layer.weight), product(await read(layer.b), await read(layer.a)), 1.5);
    expect(distance(await read(merged), expected)).toBeLessThan(near);
    using plain = nn.forward((m: nn.Linear, input: Tensor) => nn.linear(m, input));
    const after = await read(plain({ weight: merged, bias }, x));
    expect(distance(await read(layer.apply(x)), after)).toBeLessThan(near * 2);
  });

  it('takes the place of a linear layer: its factors alone get gradients, those of the formula', async () => {
    const make = nn.init(device, { seed: 1, dtype: 'f64' });
    const model = { first: make.linear(inputs, outputs), second: make.linear(outputs, 3) };
    const own = model.first.weight;
    let seed = 0;
    nn.replaceLayers(model, 'first', ({ weight, bias }) => LoraLinear.fromWeight(weight, { rank, bias, seed: seed++ }));
    const layer = model.first as unknown as LoraLinear;
    layer.b.write(normal(outputs * rank, 4));
    expect(Object.keys(nn.select(model, '**'))).toEqual(['first.a', 'first.b', 'second.weight', 'second.bias']);
    expect(nn.parameters({ own })).toEqual([own]);
    const x = tensor([4, inputs], 7, 'f64');
    using step = nn.valueAndGrad((m: nn.Traced<typeof model>, input: Tensor) =>
      nn.sum(nn.gelu(nn.linear(m.second, nn.gelu(nn.linear(m.first, input))))),
    );
    const { grads } = step(model, x);
    expect([...grads.keys()]).toEqual(nn.parameters(model));
    using value = nn.forward((m: nn.Traced<typeof model>, input: Tensor) =>
      nn.sum(nn.gelu(nn.linear(m.second, nn.gelu(nn.linear(m.first, input))))),
    );
    const lossAt = async (parameter: Tensor, data: Float64Array, i: number, by: number) => {
      parameter.write(Float64Array.from(data, (old, j) => (j === i ? old + by : old)));
      return (await value(model, x).read())[0]!;
    };
    for (const parameter of layer.parameters) {
      const gradient = await grads.get(parameter)!.read();
      const data = (await parameter.read()) as Float64Array;
      for (const i of [0, 5, data.length - 1]) {
        const difference = (await lossAt(parameter, data, i, 1e-5)) - (await lossAt(parameter, data, i, -1e-5));
        expect(Math.abs(difference / 2e-5 - gradient[i]!)).toBeLessThan(1e-9);
      }
      parameter.write(data);
    }
  });

  it('learns a weight that differs by a matrix of its rank, and is merged to it', async () => {
    const weight = tensor([outputs, inputs], 1, 'f64');
    const difference = product(
      dense(outputs, rank, normal(outputs * rank, 8)),
      dense(rank, inputs, normal(rank * inputs, 9)),
    );
    const goal = sum(await read(weight), difference);
    const x = tensor([64, inputs], 10, 'f64');
    const y = Tensor.from(device, Float64Array.from(product(await read(x), transposed(goal)).data), [64, outputs]);
    const layer = LoraLinear.fromWeight(weight, { rank, seed: 1 });
    const optimizer = new AdamW([...layer.parameters], { lr: 0.05, weightDecay: 0 });
    using step = nn.valueAndGrad((m: nn.Traced<{ layer: LoraLinear }>, input: Tensor, target: Tensor) =>
      nn.squaredError(nn.linear(m.layer, input), target),
    );
    for (let i = 0; i < 240; ++i) {
      if (i === 160) optimizer.groups[0]!.lr = 0.01;
      optimizer.step(step({ layer }, x, y).grads);
    }
    expect(distance(await read(layer.merge()), goal)).toBeLessThan(0.02);
  });

  it('counts its bytes, gives back what it made and lets the weight be', async () => {
    const weight = tensor([outputs, inputs], 1);
    const x = tensor([2, inputs], 2);
    const before = (await settledMemory(device)).live;
    const layer = LoraLinear.fromWeight(weight, { rank, seed: 1 });
    expect(layer.byteLength).toBe(4 * (outputs * inputs + rank * (outputs + inputs)));
    layer.apply(x).dispose();
    layer.merge().dispose();
    layer.dispose();
    await device.synchronize();
    expect(device.info.memory.live).toBe(before);
    expect(() => layer.apply(x)).toThrow(/has been disposed/);
    expect(() => layer.merge()).toThrow(/has been disposed/);
    expect((await weight.read()).length).toBe(outputs * inputs);
  });

  it('refuses ranks above the smaller side, alpha that is no scale, and inputs that do not fit', () => {
    const weight = tensor([outputs, inputs], 1);
    for (const [options, message] of [
      [{ rank: 7 }, /rank must be at most 6, the smaller side of the weight, got 7/],
      [{ rank: 0 }, /rank must/],
      [{ rank: 1.5 }, /rank must/],
      [{ alpha: 0 }, /alpha must be a positive number, got 0/],
      [{ alpha: NaN }, /alpha must/],
      [{ alpha: Infinity }, /alpha must/],
      [{ bias: tensor([inputs], 1) }, /bias must have shape \[6\], got \[9\]/],
      [{ seed: undefined }, /seed must/],
    ] as const)
      expect(() => LoraLinear.fromWeight(weight, { rank, seed: 1, ...options } as never)).toThrow(message);
    expect(() => layerOf('f32').apply(tensor([2, 5], 1))).toThrow(/LoraLinear.apply: x must have a last axis of 9/);
  });
});
