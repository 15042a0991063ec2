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

  it.each([
    ['a map of layers', () => new Map([['a', { w: tensor() }]])],
    ['a set of lists', () => new Set([[tensor()]])],
    ['a map in a map', () => new Map([[1, new Map([[2, tensor()]])]])],
  ])('%s with tensors is refused', (_, container) => {
    expect(() => nn.parameters({ layers: container() })).toThrow('layers must be an object or a list, got a Map');
  });

  it('what holds no tensor stays as it is, whatever it is', () => {
    class Secret {
      readonly #word = 'mine';
      say(): string {
        return this.#word;
      }
    }
    const rest = {
      made: new Date(5),
      names: new Map([['a', { n: 1 }]]),
      seen: new Set([1]),
      pattern: /x/g,
      secret: new Secret(),
      list: [1, 2],
    };
    const model = { w: tensor(), ...rest };
    const copy = nn.mapTensors(model, (t) => t.copy());
    expect(copy.w).not.toBe(model.w);
    for (const key of Object.keys(rest) as (keyof typeof rest)[]) expect(copy[key]).toBe(rest[key]);
    using step = nn.valueAndGrad((m: nn.Traced<typeof model>) => {
      expect([m.made.getTime(), m.names.get('a')?.n, m.seen.has(1), m.pattern.test('x')]).toEqual([5, 1, true, true]);
      expect((m.secret as Secret).say()).toBe('mine');
      return nn.sum(m.w);
    });
    expect(step(model).grads.size).toBe(1);
  });

  it('an object without tensors that leads back to some is replaced too', () => {
    const model = { w: tensor(), child: { parent: undefined as unknown } };
    model.child.parent = model;
    const copy = nn.mapTensors(model, (t) => t.copy());
    expect(copy.child.parent).toBe(copy);
  });

  it('one path of two tensors is refused', () => {
    expect(() => nn.named({ 'a.b': tensor(), a: { b: tensor() } })).toThrow(
      'nn.named: a.b must be the path of one tensor, got two',
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
    for (const all of ['**', '**.**', '**.**.**']) expect(names(all)).toHaveLength(3);
    expect(names('**.qkv.**.weight')).toEqual(['blocks.0.qkv.weight']);
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

  it.each(['f16', 'bf16'] as const)('sum and mean take %s', async (dtype) => {
    const model = { w: Tensor.from(device, [1, 2, 3, 6], [2, 2]).cast(dtype) };
    using call = nn.forward((m: typeof model) => [nn.sum(m.w), nn.mean(m.w)] as const);
    const results = await Promise.all(call(model).map((result) => result.read()));
    expect(results.map((values) => [...values])).toEqual([[12], [3]]);
  });

  it('cast refuses what holds no fractions', () => {
    using call = nn.forward((m: { w: Tensor }) => nn.cast(m.w, 'i32'));
    expect(() => call({ w: tensor() })).toThrow("nn.cast: cast: dtype must be floating, got 'i32'");
  });

  it('what is made of a buffer is one', () => {
    const model = { w: tensor(), mean: nn.buffer(tensor()), index: Tensor.zeros(device, [2], { dtype: 'i32' }) };
    const copy = nn.mapTensors(model, (t) => t.cast('f64'));
    expect(nn.parameters(copy)).toEqual([copy.w]);
  });

  it('join takes parts of objects that hold themselves, and the second date', () => {
    const a = { w: tensor(), at: new Date(1), n: { a: 1 }, self: undefined as unknown };
    const b = { u: tensor(), at: new Date(2), n: { b: 2 }, self: undefined as unknown };
    a.self = a;
    b.self = b;
    const both = nn.join(a, b);
    expect(both.self).toBe(both);
    expect([both.w, both.u, both.at, both.n]).toEqual([a.w, b.u, b.at, { a: 1, b: 2 }]);
    expect(both.at.getTime()).toBe(2);
  });

  it('join of two traced parts keeps the gradients of both', async () => {
    const model = { base: { layer: { weight: tensor([2, 2]) } }, more: { layer: { weight: tensor([2, 2]) } } };
    using step = nn.valueAndGrad((m: nn.Traced<typeof model>, x: Tensor) =>
      nn.sum(nn.linear(nn.join(m.base, m.more).layer as nn.Linear, x)),
    );
    const { grads } = step(model, Tensor.from(device, [1, 2], [1, 2]));
    expect([...grads.keys()]).toEqual([model.more.layer.weight]);
    expect([...(await grads.get(model.more.layer.weight)!.read())]).toEqual([1, 2, 1, 2]);
  });

  it('a model whose values are traced is none for a call inside', () => {
    const model = { w: tensor() };
    using inner = nn.valueAndGrad((m: nn.Traced<typeof model>) => nn.sum(m.w));
    using outer = nn.valueAndGrad((m: nn.Traced<typeof model>) => {
      inner(m as typeof model);
      return nn.sum(m.w);
    });
    expect(() => outer(model)).toThrow('nn.valueAndGrad: model must hold a tensor that is trained, got none');
  });

  it.each(['f16', 'bf16'] as const)('parameters of %s are those of f32, rounded', async (dtype) => {
    const made = (kind: 'f32' | typeof dtype) => nn.init(device, { seed: 7, dtype: kind }).linear(3, 4);
    const { weight, bias } = made(dtype);
    expect([weight.dtype, bias.dtype]).toEqual([dtype, dtype]);
    expect(await weight.read()).toEqual(await made('f32').weight.cast(dtype).read());
  });

  it.each([Number.NaN, 0, -1, Infinity])('a deviation of %d is refused', (deviation) => {
    const make = nn.init(device, { seed: 1 });
    expect(() => make.normal([2], deviation)).toThrow(`deviation must be a positive number, got ${deviation}`);
    expect(() => make.linear(2, 2, { deviation })).toThrow('deviation must be a positive number');
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
    const short = nn.cosine({ peak: 1, warmup: 4, steps: 4 });
    expect([short(3), short(4)]).toEqual([1, 0]);
    expect(() => nn.cosine({ peak: 1, warmup: 4, steps: 3 })).toThrow(
      'nn.cosine: steps must be at least warmup, 4, got 3',
    );
    expect(() => nn.cosine({ peak: 1, warmup: 0, steps: 3, floor: 2 })).toThrow(
      'nn.cosine: floor must be at most peak, 1, got 2',
    );
    for (const step of [Number.NaN, -1, Infinity])
      expect(() => rate(step)).toThrow('nn.cosine: step must be finite and not negative, got');
  });
});
