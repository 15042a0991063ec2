// Devices: cpu, cuda
// The promises of calls: names in errors, nothing lost, the same bits under recompute, products with the curvature.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Device, OrthokitError, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';

class Block {
  readonly up: nn.Linear;
  readonly down: nn.Linear;
  readonly norm: nn.Norm;
  constructor(make: nn.Init, width: number) {
    this.up = make.linear(width, 2 * width, { deviation: 0.3 });
    this.down = make.linear(2 * width, width, { deviation: 0.3 });
    this.norm = make.norm(width);
  }
  forward(x: nn.Arg): nn.Value {
    const h = nn.gelu(nn.linear(this.up, nn.layerNorm(this.norm, x)));
    return nn.add(x, nn.linear(this.down, nn.dropout(h, { rate: 0.3 })));
  }
}

class Net {
  readonly blocks: readonly Block[];
  readonly head: nn.Linear;
  constructor(make: nn.Init) {
    this.blocks = [new Block(make, 7), new Block(make, 7)];
    this.head = make.linear(7, 5, { deviation: 0.3 });
  }
  forward(x: nn.Arg, isRecomputed = false): nn.Value {
    const run = (block: Block, y: nn.Arg): nn.Value => block.forward(y);
    let y = x;
    for (const block of this.blocks) y = (isRecomputed ? nn.recompute(run) : run)(block, y);
    return nn.linear(this.head, y);
  }
}

describe.each(devices)('calls of orthokit/nn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  let model: Net;
  let x: Tensor;
  let labels: Tensor;
  beforeAll(() => {
    model = new Net(nn.init(device, { seed: 1, dtype: 'f64' }));
    x = Tensor.from(device, normal(6 * 7, 3), [6, 7]);
    labels = Tensor.from(device, Int32Array.of(0, 1, 2, 3, 4, 0), [6]);
  });
  const loss = (net: nn.Traced<Net>, input: Tensor, target: Tensor) => nn.crossEntropy(net.forward(input), target);
  const read = async (grads: nn.PerParameter) => Promise.all([...grads.values()].map((tensor) => tensor.read()));
  const thrown = (call: () => unknown): OrthokitError => {
    try {
      call();
    } catch (error) {
      if (error instanceof OrthokitError) return error;
      throw error;
    }
    throw new Error('nothing was thrown');
  };

  it('recompute gives the same bits, dropout included', async () => {
    using plain = nn.valueAndGrad(loss, { seed: 5 });
    using again = nn.valueAndGrad(
      (net: nn.Traced<Net>, input: Tensor, target: Tensor) => nn.crossEntropy(net.forward(input, true), target),
      { seed: 5 },
    );
    for (let i = 0; i < 3; ++i) {
      const [a, b] = [plain(model, x, labels), again(model, x, labels)];
      expect(await b.value.read()).toEqual(await a.value.read());
      expect(await read(b.grads)).toEqual(await read(a.grads));
    }
  });

  it('forward without a seed leaves dropout out, twice the same', async () => {
    using evaluate = nn.forward((net: Net, input: Tensor) => net.forward(input));
    const first = await evaluate(model, x).read();
    expect(await evaluate(model, x).read()).toEqual(first);
    using step = nn.valueAndGrad(loss);
    expect(thrown(() => step(model, x, labels)).message).toContain('seed of the call must be a number in a gradient');
  });

  it('calls go on where `calls` says', async () => {
    using a = nn.valueAndGrad(loss, { seed: 5 });
    using b = nn.valueAndGrad(loss, { seed: 5 });
    a(model, x, labels);
    a(model, x, labels);
    b.calls = a.calls;
    expect(await read(b(model, x, labels).grads)).toEqual(await read(a(model, x, labels).grads));
  });

  it('errors name function and parameter', () => {
    using step = nn.valueAndGrad((net: nn.Traced<Net>, input: Tensor) => nn.sum(nn.linear(net.blocks[0]!.down, input)));
    const { code, message } = thrown(() => step(model, x));
    expect(code).toBe('ERR_SHAPE');
    expect(message).toMatch(/^nn\.linear of blocks\.0\.down\.weight: gemm: /);
  });

  it.each([
    ['an async function', (async () => undefined) as never, 'the function must be synchronous'],
    ['no loss', ((net: nn.Traced<Net>) => nn.relu(net.head.weight)) as never, 'must return a loss of one element'],
    ['no parameter in it', ((_: unknown, input: Tensor) => nn.sum(input)) as never, 'must matter for the loss'],
  ])('%s is refused', (_, fn, words) => {
    using step = nn.valueAndGrad<Net, [Tensor]>(fn);
    const { code, message } = thrown(() => step(model, x));
    expect(code).toBe('ERR_ARGUMENT');
    expect(message).toContain(words);
  });

  it('an addend has the shape of what it is added to', () => {
    const make = nn.init(device, { seed: 1 });
    const model = { layer: make.linear(3, 2) };
    const x = Tensor.zeros(device, [2, 3, 3]);
    for (const shape of [[6, 2], [2, 3, 1], [2]]) {
      const addend = Tensor.zeros(device, shape);
      using evaluate = nn.forward((m: nn.Traced<typeof model>) => nn.linear(m.layer, x, { addend }));
      expect(() => evaluate(model)).toThrow(`addend must be [2,3,2], as the result is, got [${shape}]`);
    }
  });

  it('a parameter that is reached past the argument is refused', () => {
    using step = nn.valueAndGrad((net: nn.Traced<Net>) =>
      nn.sum(nn.multiply(net.head.bias!, model.head.bias as Tensor)),
    );
    expect(thrown(() => step(model)).message).toContain('nn.multiply: head.bias must be reached through the argument');
  });

  it('a parameter that a function takes past its inputs, or a loss as its weights, is refused', () => {
    const doubled = nn.defineFunction('doubled', (frame, y: nn.Arg) => {
      const out = frame.buffer(y.shape, y.dtype);
      const terms = [frame.tensor(y), frame.tensor(model.head.bias!)];
      ops.linearCombination(frame.device, { out: [out], terms, coefficients: [1, 1] });
      return { out, inputs: [y], backward: (grad, to) => to.pass(y, grad) };
    });
    using past = nn.valueAndGrad((net: nn.Traced<Net>) => nn.sum(doubled(net.head.bias!)));
    const words = 'head.bias must be reached through the argument of the function, got the tensor itself';
    expect(thrown(() => past(model))).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining(`nn.doubled: ${words}`),
    });
    const weights = model.head.bias as Tensor;
    using step = nn.valueAndGrad((net: nn.Traced<Net>, target: Tensor) =>
      nn.crossEntropy(net.head.weight, target, { weights }),
    );
    const target = Tensor.zeros(device, [model.head.weight.shape[0]!], { dtype: 'i32' });
    expect(thrown(() => step(model, target))).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining(`nn.crossEntropy: ${words}`),
    });
  });

  it('hvp refuses a model of f32, and its copy in f64 has the curvature', async () => {
    const single = { layer: nn.init(device, { seed: 2 }).linear(7, 5, { deviation: 0.3 }) };
    const fn = (m: nn.Traced<typeof single>, input: Tensor, target: Tensor) =>
      nn.crossEntropy(nn.linear(m.layer, input), target);
    const along = (m: typeof single): nn.PerParameter =>
      new Map(
        nn.parameters(m).map((tensor, i) => {
          const values = Tensor.from(device, normal(tensor.size, i + 7), tensor.shape).cast('f32');
          return [tensor, values.cast(tensor.dtype)];
        }),
      );
    using product = nn.hvp(fn);
    const x32 = x.cast('f32');
    expect(thrown(() => product(single, along(single), x32, labels))).toMatchObject({
      code: 'ERR_DTYPE',
      message: 'nn.hvp: layer.weight must be f64, got f32',
    });
    const wide = nn.mapTensors(single, (tensor) => tensor.cast('f64'));
    const hv = await read(product(wide, along(wide), x, labels).product);
    // Of a linear model the Gauss–Newton matrix is the second derivative: exact in f64, and near in f32 itself.
    using exact = nn.gaussNewton(fn);
    using own = nn.gaussNewton(fn);
    const [far, near] = [
      await read(exact(wide, along(wide), x, labels).product),
      await read(own(single, along(single), x32, labels).product),
    ];
    for (const [i, values] of hv.entries())
      for (const [j, h] of values.entries()) {
        expect(Math.abs(h - far[i]![j]!)).toBeLessThan(1e-9);
        expect(Math.abs(h - near[i]![j]!)).toBeLessThan(1e-5);
      }
  });

  it('an operation that the tape does not see refuses a value', () => {
    using step = nn.valueAndGrad((net: nn.Traced<Net>) => {
      ops.relu(device, { x: net.head.weight as Tensor, out: x });
      return nn.sum(net.head.weight);
    });
    expect(thrown(() => step(model)).code).toBe('ERR_ARGUMENT');
  });

  it('functions outside of a call are refused', () => {
    expect(thrown(() => nn.relu(x)).code).toBe('ERR_STATE');
  });

  it('a throw in the middle leaves nothing behind, and the next call is right', async () => {
    let left = Infinity;
    const stop = (value: nn.Value): nn.Value => {
      left -= 1;
      if (left < 0) throw new Error('mine');
      return value;
    };
    const fn = (net: nn.Traced<Net>, input: Tensor, target: Tensor) => {
      let y: nn.Arg = input;
      for (const block of net.blocks) y = stop((block as unknown as Block).forward(y));
      return stop(nn.crossEntropy(stop(nn.linear(net.head, y)), target));
    };
    using step = nn.valueAndGrad(fn, { seed: 1 });
    const expected = await read(step(model, x, labels).grads);
    const { live } = await settledMemory(device);
    for (let i = 0; i < 4; ++i) {
      left = i;
      expect(() => step(model, x, labels)).toThrow('mine');
    }
    left = Infinity;
    step.calls = 0;
    expect(await read(step(model, x, labels).grads)).toEqual(expected);
    expect(device.info.memory.live).toBe(live);
  });

  it('a call that throws on its way back is no first part of a sum, and one that throws before leaves the sum', async () => {
    let fails: 'there' | 'back' | undefined;
    const fragile = nn.defineFunction('fragile', (frame, y: nn.Arg) => {
      if (fails === 'there') throw new Error('mine');
      const out = frame.buffer(y.shape, y.dtype);
      ops.copy(frame.device, { x: [frame.tensor(y)], out: [out] });
      const backward: nn.Rule['backward'] = (grad, to) => {
        if (fails === 'back') throw new Error('mine');
        to.pass(y, grad);
      };
      return { out, inputs: [y], backward };
    });
    const { bias } = model.head as { bias: Tensor };
    const weight = Tensor.from(device, normal(15, 1), [3, 5]);
    using step = nn.valueAndGrad((net: { weight: nn.Arg; bias: nn.Arg }) =>
      nn.sum(nn.addRows(fragile(net.weight), net.bias)),
    );
    const head = { weight, bias };
    const biasAfter = async (call: typeof step.accumulate) => [...(await call(head).grads.get(bias)!.read())];
    const [once] = await biasAfter(step);
    fails = 'there';
    expect(() => step.accumulate(head)).toThrow('mine');
    fails = undefined;
    expect((await biasAfter(step.accumulate))[0]).toBe(2 * once!);
    fails = 'back';
    expect(() => step.accumulate(head)).toThrow('mine');
    fails = undefined;
    const words = 'nn.valueAndGrad: accumulate must follow a call that ended well, got one that threw';
    for (let i = 0; i < 2; ++i)
      expect(thrown(() => step.accumulate(head))).toMatchObject({ code: 'ERR_STATE', message: words });
    expect((await biasAfter(step))[0]).toBe(once);
    expect((await biasAfter(step.accumulate))[0]).toBe(2 * once!);
  });

  it('dispose gives everything back', async () => {
    const { live } = await settledMemory(device);
    const step = nn.valueAndGrad(loss, { seed: 1 });
    step(model, x, labels);
    expect(device.info.memory.live).toBeGreaterThan(live);
    step.dispose();
    expect(device.info.memory.live).toBe(live);
  });

  it('buffers of shapes that are no longer seen go', async () => {
    using step = nn.valueAndGrad(loss, { seed: 1 });
    const run = (rows: number) => {
      using input = Tensor.zeros(device, [rows, 7], { dtype: 'f64' });
      using target = Tensor.zeros(device, [rows], { dtype: 'i32' });
      step(model, input, target);
    };
    const { bytes: before } = await settledMemory(device);
    run(60);
    const longest = device.info.memory.bytes - before;
    for (let i = 0; i < 120; ++i) run(1 + ((i * 37) % 60));
    expect(device.info.memory.bytes - before).toBeLessThanOrEqual(2.5 * longest);
  });

  it('says which parameters the last call did not use', () => {
    using step = nn.valueAndGrad((net: nn.Traced<Net>, input: Tensor) => nn.mean(nn.linear(net.head, input)));
    const { grads } = step(model, x);
    expect(grads.size).toBe(2);
    expect(step.unused).toHaveLength(12);
    expect(step.unused[0]).toBe('blocks.0.up.weight');
  });

  it('gaussNewton of a linear model is hvp, which is symmetric', async () => {
    const make = nn.init(device, { seed: 4, dtype: 'f64' });
    const layer = make.linear(7, 5, { deviation: 0.3 });
    const fn = (p: nn.Traced<typeof layer>, input: Tensor, target: Tensor) =>
      nn.crossEntropy(nn.linear(p, input), target);
    const direction = (seed: number) =>
      new Map(nn.parameters(layer).map((t) => [t, Tensor.from(device, normal(t.size, seed), t.shape)] as const));
    using product = nn.gaussNewton(fn);
    using hessian = nn.hvp(fn);
    const [v, w] = [direction(1), direction(2)];
    const gv = await read(product(layer, v, x, labels).product);
    const hv = await read(hessian(layer, v, x, labels).product);
    const largest = Math.max(...gv.flatMap((values) => [...(values as Float64Array)].map(Math.abs)));
    for (const [i, values] of gv.entries())
      for (const [j, value] of values.entries())
        expect(Math.abs((value as number) - hv[i]![j]!)).toBeLessThan(1e-9 * largest);
    const along = (a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]) =>
      a.reduce((sum, values, i) => sum + Array.from(values).reduce((part, value, j) => part + value * b[i]![j]!, 0), 0);
    const gw = await read(product(layer, w, x, labels).product);
    expect(along(gv, await read(w))).toBeCloseTo(along(gw, await read(v)), 12);
    expect(along(gv, await read(v))).toBeGreaterThan(0);
  });

  it('a function without a tangent or a second derivative is named before any derivative is computed', () => {
    const done: string[] = [];
    const copied = (name: string, isMoving: boolean) =>
      nn.defineFunction(name, (frame, y: nn.Arg) => {
        const out = frame.buffer(y.shape, y.dtype);
        ops.copy(frame.device, { x: [frame.tensor(y)], out: [out] });
        const tangent = (d: (of: nn.Arg) => Tensor | undefined, to: Tensor) => {
          done.push(name);
          ops.copy(frame.device, { x: [d(y)!], out: [to] });
        };
        return { out, inputs: [y], backward: (grad, to) => to.pass(y, grad), ...(isMoving && { tangent }) };
      });
    const [moving, still] = [copied('moving', true), copied('still', false)];
    const v = new Map([[model.head.weight as Tensor, model.head.weight as Tensor]]);
    using slope = nn.jvp((net: nn.Traced<Net>) => nn.gelu(still(nn.gelu(moving(net.head.weight)))));
    const message = 'nn.still: has no tangent, so that it has no place in jvp';
    const { code, message: said } = thrown(() => slope(model, v));
    expect([code, said, done]).toEqual(['ERR_UNSUPPORTED', message, []]);
    // One beside the path of the direction does not matter.
    using beside = nn.jvp((net: nn.Traced<Net>) => nn.add(moving(net.head.weight), still(nn.detach(net.head.weight))));
    beside(model, v);
    expect(done).toEqual(['moving']);
    using product = nn.gaussNewton((net: nn.Traced<Net>) => nn.mean(still(moving(net.head.weight))));
    expect(thrown(() => product(model, v))).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: 'nn.gaussNewton: the loss must have a second derivative, got nn.mean',
    });
    expect(done).toEqual(['moving']);
  });

  it('the stack of an error begins with the line of the caller, on the way back too', () => {
    const line = (error: OrthokitError) => /^ +at .*$/m.exec(error.stack!)?.[0];
    const bad = nn.defineFunction('bad', (frame, y: nn.Arg) => {
      const out = frame.buffer(y.shape, y.dtype);
      ops.copy(frame.device, { x: [frame.tensor(y)], out: [out] });
      return {
        out,
        inputs: [y],
        backward: (grad, to) => to.set(y, (dy) => ops.multiply(frame.device, { x: [grad], y: [x], out: [dy] })),
      };
    });
    using step = nn.valueAndGrad((net: nn.Traced<Net>) => nn.sum(bad(net.head.weight)));
    const error = thrown(() => step(model));
    expect(error.message).toMatch(/^nn\.bad of head\.weight: multiply: /);
    for (const one of [error, thrown(() => nn.relu(x)), error.cause as OrthokitError])
      expect(one.stack).toContain('calls.test.ts');
    for (const one of [error, thrown(() => nn.relu(x))]) expect(line(one)).toContain('calls.test.ts');
  });

  it('a direction that does not fit is refused by name', () => {
    using slope = nn.jvp((net: nn.Traced<Net>, input: Tensor) => nn.linear(net.head, input));
    expect(thrown(() => slope(model, new Map(), x)).message).toContain('v must have a parameter of the model');
    const wrong = new Map([[model.head.weight as Tensor, x]]);
    expect(thrown(() => slope(model, wrong, x)).message).toContain('v of head.weight must have shape [5,7], got [6,7]');
  });
});
