// Devices: cpu
// Models to look at and to change: tables, exchanged layers, adapters.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal } from '../support/data.ts';
import { onlyCpu } from '../support/devices.ts';

/** A layer of one's own: twice the product. */
class Twice implements nn.Applied {
  readonly weight: nn.Arg;
  constructor(weight: nn.Arg) {
    this.weight = weight;
  }
  get parameters(): readonly nn.Arg[] {
    return [this.weight];
  }
  get byteLength(): number {
    return (this.weight as Tensor).byteLength;
  }
  apply(x: nn.Arg): nn.Value {
    const y = nn.linear({ weight: this.weight }, x);
    return nn.add(y, y);
  }
}

describe.each(onlyCpu)('layers of models on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const make = nn.init(device, { seed: 1, dtype: 'f64' });
  const made = () => ({
    blocks: [make.linear(3, 3), make.linear(3, 3)].map((layer) => ({ inner: { qkv: layer } })),
    head: make.linear(3, 2),
  });
  const x = Tensor.from(device, normal(12, 3), [4, 3]);

  it('describe is a table with sums', () => {
    const shared = Tensor.zeros(device, [1000, 2]);
    const model = {
      tokens: { weight: shared },
      mean: nn.buffer(Tensor.zeros(device, [2], { dtype: 'f64' })),
      head: { weight: shared },
    };
    expect(nn.describe(model).split('\n')).toEqual([
      'path           shape      dtype  elements  bytes',
      'tokens.weight  [1000, 2]  f32       2,000  8,000  also head.weight',
      'mean           [2]        f64           2     16  buffer',
      'tensors: 2                          2,002  8,016',
      'trained: 1                          2,000  8,000',
    ]);
  });

  it('replaceLayers exchanges what fits, and linear applies it', async () => {
    const model = made();
    const paths: string[] = [];
    const weights = model.blocks.map(({ inner }) => inner.qkv.weight);
    nn.replaceLayers(model, '**.qkv', (layer: nn.Linear, path) => {
      paths.push(path);
      return new Twice(layer.weight);
    });
    expect(paths).toEqual(['blocks.0.inner.qkv', 'blocks.1.inner.qkv']);
    expect(Object.keys(nn.named(model))).toEqual([
      'blocks.0.inner.qkv.weight',
      'blocks.1.inner.qkv.weight',
      'head.weight',
      'head.bias',
    ]);
    const apply = (m: nn.Traced<typeof model>) => nn.linear(m.blocks[0]!.inner.qkv as unknown as nn.Applied, x);
    using call = nn.forward(apply as (m: unknown) => nn.Value);
    using plain = nn.forward(() => nn.linear({ weight: weights[0]! }, x));
    const [twice, once] = [await call(model).read(), await plain(model).read()];
    expect([...twice]).toEqual(Array.from(once, (value) => 2 * value));
    using step = nn.valueAndGrad((m: nn.Traced<typeof model>) => nn.sum(apply(m)));
    expect([...step(model).grads.keys()]).toEqual([weights[0]]);
  });

  it('replaceLayers asks once for a layer in two places, and not for what is inside of one', () => {
    const layer = make.linear(3, 3);
    const model = { a: { layer }, b: { layer } };
    nn.replaceLayers(model, '*.*', (one: object) => ({ one }));
    expect(model.a.layer).toBe(model.b.layer);
    expect(model.a.layer).toEqual({ one: layer });
  });

  it('replaceLayers leaves the model where it throws', () => {
    const model = made();
    const before = nn.named(model);
    let left = 1;
    const stop = () => {
      left -= 1;
      if (left < 0) throw new Error('mine');
      return {};
    };
    expect(() => nn.replaceLayers(model, '**.qkv', stop)).toThrow('mine');
    expect(nn.named(model)).toEqual(before);
    expect(() => nn.replaceLayers(model, '**.qkw', () => ({}))).toThrow(
      "nn.replaceLayers: pattern must fit the path of an object, got '**.qkw'",
    );
    expect(() => nn.replaceLayers(model, 'head', () => 3 as never)).toThrow(
      'nn.replaceLayers: what is made of head must be an object, got 3',
    );
  });

  it('an adapter starts as nothing, and is trained alone', async () => {
    const base = made();
    const adapted = { head: { ...make.lora(base.head, { rank: 2, scale: 3 }) } };
    expect(adapted.head.lora.scale).toBe(3);
    expect(Object.entries(nn.named(adapted)).map(([path, { shape }]) => [path, [...shape]])).toEqual([
      ['head.lora.a', [2, 3]],
      ['head.lora.b', [2, 2]],
    ]);
    using own = nn.forward((m: typeof base) => nn.linear(m.head, x));
    const expected = await own(base).read();
    using step = nn.valueAndGrad((m: nn.Traced<typeof adapted>) => {
      const { head } = nn.join(base, m);
      return nn.sum(nn.linear(head as nn.Linear, x));
    });
    using joined = nn.forward((m: typeof adapted) => nn.linear(nn.join(base, m).head, x));
    expect(await joined(adapted).read()).toEqual(expected);
    expect(new Set(step(adapted).grads.keys())).toEqual(new Set(nn.parameters(adapted)));
    expect(() => make.lora(base.head, { rank: 0 })).toThrow(
      'nn.init.lora: rank must be a whole number from 1 on, got 0',
    );
  });

  it('layers of images have their shapes, and moments are buffers', async () => {
    const { weight, bias } = make.conv2d(6, 4, 3, { groups: 2 });
    expect([weight.shape, bias.shape]).toEqual([[4, 3, 3, 3], [4]]);
    expect(make.conv2d(6, 4, 1, { bias: false })).not.toHaveProperty('bias');
    expect(() => make.conv2d(6, 4, 3, { groups: 4 })).toThrow(
      'nn.init.conv2d: groups must divide inputs and outputs, 6 and 4, got 4',
    );
    const norm = make.batchNorm(5);
    expect(nn.parameters(norm)).toEqual([norm.weight, norm.bias]);
    expect(Object.keys(nn.named(norm))).toEqual(['weight', 'bias', 'mean', 'variance']);
    expect((await Promise.all([norm.mean, norm.variance].map((tensor) => tensor.read()))).map((all) => all[0])).toEqual(
      [0, 1],
    );
  });
});
