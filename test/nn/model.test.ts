// Devices: cpu
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { onlyCpu } from '../support/devices.ts';

describe.each(onlyCpu)('models of orthokit/nn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const tensor = (shape: readonly number[] = [2]) => Tensor.zeros(device, shape);

  it('a model is any object; its paths are the names, ties have the first', () => {
    const shared = tensor();
    const model = {
      tokens: { weight: shared },
      blocks: [{ a: tensor() }, { a: tensor() }],
      head: { weight: shared },
      n: 3,
    };
    expect(Object.keys(nn.named(model))).toEqual(['tokens.weight', 'blocks.0.a', 'blocks.1.a']);
    expect(nn.parameters(model)).toHaveLength(3);
  });

  it('integers and what is marked are saved and not trained', () => {
    const model = { w: tensor(), mean: nn.buffer(tensor()), table: Tensor.zeros(device, [2], { dtype: 'i32' }) };
    expect(nn.parameters(model)).toEqual([model.w]);
    expect(Object.keys(nn.named(model))).toEqual(['w', 'mean', 'table']);
  });

  it('an object that holds itself is walked once', () => {
    const model: Record<string, unknown> = { w: tensor() };
    model['self'] = model;
    model['list'] = [model];
    expect(Object.keys(nn.named(model))).toEqual(['w']);
    using step = nn.valueAndGrad((m: nn.Traced<{ w: Tensor }>) => nn.sum(m.w));
    expect(step(model as { w: Tensor }).grads.size).toBe(1);
  });

  it.each([new Map([['w', 1]]), new Set()])('a %o of tensors is refused', (container) => {
    if (container instanceof Map) container.set('w', tensor() as never);
    else container.add(tensor() as never);
    expect(() => nn.parameters({ layers: container })).toThrow(
      'layers must be an object or a list, got a Map or a Set',
    );
  });

  it('select finds by pattern and by predicate', () => {
    const model = { blocks: [{ qkv: { weight: tensor([2, 2]), bias: tensor() } }], head: { weight: tensor([2, 2]) } };
    const names = (which: Parameters<typeof nn.select>[1]) => Object.keys(nn.select(model, which));
    expect(names('**.weight')).toEqual(['blocks.0.qkv.weight', 'head.weight']);
    expect(names('blocks.*.qkv.*')).toEqual(['blocks.0.qkv.weight', 'blocks.0.qkv.bias']);
    expect(names('blocks.**')).toEqual(['blocks.0.qkv.weight', 'blocks.0.qkv.bias']);
    expect(names('head.weight')).toEqual(['head.weight']);
    expect(names('*.weight')).toEqual(['head.weight']);
    expect(names((_, t) => t.shape.length === 1)).toEqual(['blocks.0.qkv.bias']);
    expect(() => nn.select(model, 'nothing')).toThrow('which must fit one of 3 parameters');
  });

  it('mapTensors and join keep methods and leave what they are given', () => {
    class Layer {
      weight = tensor([2, 2]);
      name(): string {
        return `layer of ${this.weight.shape}`;
      }
    }
    const layer = new Layer();
    const wide = nn.mapTensors(layer, (t) => t.cast('f64'));
    expect(wide.weight.dtype).toBe('f64');
    expect(wide.name()).toBe('layer of 2,2');
    const joined = nn.join({ layer, other: 1 }, { layer: { lora: { a: tensor() } } });
    expect(joined.layer.weight).toBe(layer.weight);
    expect(joined.layer.lora.a.size).toBe(2);
    expect(Object.keys(layer)).toEqual(['weight']);
  });

  it('parameters of one seed are the same, in the order asked for', async () => {
    const made = async () => {
      const make = nn.init(device, { seed: 7 });
      const tensors = [make.linear(3, 4).weight, make.table(5, 2).weight, make.normal([3], 2)];
      return Promise.all(tensors.map((t) => t.read()));
    };
    expect(await made()).toEqual(await made());
    const { weight, bias } = nn.init(device, { seed: 7 }).norm(3);
    expect([...(await weight.read()), ...(await bias.read())]).toEqual([1, 1, 1, 0, 0, 0]);
  });

  it('cosine rises in a line, falls to the floor and stays there', () => {
    const rate = nn.cosine({ peak: 1, warmup: 4, steps: 14, floor: 0.1 });
    expect([rate(0), rate(3), rate(4)]).toEqual([0.25, 1, 1]);
    expect(rate(9)).toBeCloseTo(0.55, 12);
    expect([rate(14), rate(1e6)].map((x) => x.toFixed(12))).toEqual(['0.100000000000', '0.100000000000']);
    expect(() => nn.cosine({ peak: 1, warmup: 4, steps: 4 })).toThrow(
      'nn.cosine: steps must be more than warmup, 4, got 4',
    );
  });
});
