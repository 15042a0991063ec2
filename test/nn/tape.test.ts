// Devices: cpu, cuda
// Gradients come whole whatever lies between losses and parameters, and nothing is shared by accident.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, OrthokitError, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';

type W = { readonly w: nn.Arg };

describe.each(devices)('tapes of orthokit/nn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const f64 = (values: readonly number[], shape: readonly number[]) =>
    Tensor.from(device, Float64Array.from(values), shape);
  const model = { w: f64([1, 2, 3, 4], [2, 2]) };
  const other = { u: f64([5, 6], [2]) };
  const x = f64([1, -1, 2, 0.5], [2, 2]);
  const labels = Tensor.from(device, Int32Array.of(0, 1), [2]);
  const read = async ({ grads }: { grads: nn.PerParameter }) =>
    Promise.all([...grads.values()].map(async (tensor) => [...(await tensor.read())] as number[]));
  const gradient = (loss: (m: W) => nn.Value, options: nn.GradientOptions = {}) => {
    using step = nn.valueAndGrad(loss as never, options);
    return read(step(model));
  };
  const square = (y: nn.Arg) => nn.multiply(y, y);
  const refused = (code: string, words: string, call: () => unknown) => {
    try {
      call();
    } catch (error) {
      expect(error).toBeInstanceOf(OrthokitError);
      expect((error as OrthokitError).code).toBe(code);
      expect((error as OrthokitError).message).toContain(words);
      return;
    }
    throw new Error('nothing was thrown');
  };

  describe('losses', () => {
    it.each<[string, (m: W) => nn.Value, (m: W) => nn.Value]>([
      [
        'add',
        ({ w }) => nn.add(nn.sum(w), nn.mean(square(w))),
        ({ w }) =>
          nn.weighted([
            [1, nn.sum(w)],
            [1, nn.mean(square(w))],
          ]),
      ],
      [
        'subtract, of losses that are used twice',
        ({ w }) => {
          const [a, b] = [nn.sum(square(w)), nn.crossEntropy(w, labels)];
          return nn.weighted([
            [2, a],
            [1, nn.subtract(b, a)],
            [1, b],
          ]);
        },
        ({ w }) =>
          nn.weighted([
            [1, nn.sum(square(w))],
            [2, nn.crossEntropy(w, labels)],
          ]),
      ],
      [
        'weighted inside add',
        ({ w }) => nn.add(nn.weighted([[3, nn.sum(w)]]), nn.sum(w)),
        ({ w }) => nn.weighted([[4, nn.sum(w)]]),
      ],
      ['recompute', ({ w }) => nn.recompute((y: nn.Arg) => nn.squaredError(y, x))(w), ({ w }) => nn.squaredError(w, x)],
      [
        'recompute of a head and its loss, once more in it',
        ({ w }) => nn.recompute(() => nn.recompute((y: nn.Arg) => nn.crossEntropy(nn.gelu(y), labels))(w))(),
        ({ w }) => nn.crossEntropy(nn.gelu(w), labels),
      ],
    ])('go through %s', async (_, loss, expected) => {
      const [a, b] = [await gradient(loss, { scale: 0.3 }), await gradient(expected, { scale: 0.3 })];
      for (const [i, value] of a[0]!.entries()) expect(value).toBeCloseTo(b[0]![i]!, 14);
    });

    it('may be multiplied', async () => {
      const [grad] = await gradient(({ w }) => square(nn.sum(w)));
      expect(grad).toEqual([20, 20, 20, 20]);
    });

    it('are what a function of losses gives', () => {
      const one = { w: f64([3], [1]), u: Tensor.from(device, [1], [1]) };
      using leaf = nn.valueAndGrad((m: nn.Traced<typeof one>) => m.w as nn.Value);
      refused('ERR_ARGUMENT', 'must return a loss of one element, such as nn.sum gives, got w, f64[1]', () =>
        leaf(one),
      );
      using short = nn.valueAndGrad((m: nn.Traced<typeof one>) => nn.relu(m.u));
      refused('ERR_ARGUMENT', 'got a value, f32[1]', () => short(one));
      using parts = nn.valueAndGrad((m: nn.Traced<typeof one>) => nn.weighted([[0.5, m.w as nn.Value]]));
      refused('ERR_ARGUMENT', 'nn.weighted: terms[0] must be a loss, got', () => parts(one));
    });
  });

  describe('calls inside calls', () => {
    it('share an arena without harm', async () => {
      using arena = new nn.Arena(device);
      const run = async (options: nn.CallOptions) => {
        using teacher = nn.forward((p: typeof model, y: Tensor) => nn.linear({ weight: p.w }, y), options);
        const fn = (m: W) => {
          const h = nn.gelu(nn.linear({ weight: m.w }, x));
          return nn.squaredError(nn.gelu(h), teacher(model, x));
        };
        return await gradient(fn, options);
      };
      expect(await run({ arena })).toEqual(await run({}));
    });

    it('are refused inside themselves', () => {
      const calls: { again?: (m: typeof model) => Tensor } = {};
      using call = nn.forward((m: typeof model) => {
        calls.again?.(m);
        return nn.relu(m.w);
      });
      calls.again = call;
      refused('ERR_STATE', 'nn.forward: must not be called inside itself', () => call(model));
    });

    it('do not take values of others', () => {
      let kept: nn.Arg | undefined;
      using step = nn.valueAndGrad((m: W) => {
        const y = nn.gelu(m.w);
        const z = kept ? nn.add(y, kept) : y;
        kept = y;
        return nn.sum(z);
      });
      step(model);
      refused('ERR_ARGUMENT', 'nn.add: a value must be of the call that runs, got one of another call', () =>
        step(model),
      );
      using inner = nn.forward((_: typeof model, y: nn.Arg) => nn.relu(y));
      using outer = nn.valueAndGrad((m: W) => nn.sum(inner(model, nn.gelu(m.w))));
      refused('ERR_ARGUMENT', 'a value must be of the call that runs', () => outer(model));
      using within = nn.valueAndGrad((m: W) => nn.sum(m.w));
      using around = nn.valueAndGrad((m: W) => nn.sum(within(m).value));
      refused('ERR_ARGUMENT', 'model must hold a tensor that is trained', () => around(model));
    });
  });

  describe('accumulate', () => {
    const loss = (m: W) => nn.sum(square(m.w));
    const once = [2, 4, 6, 8];

    it('adds a second batch to the first', async () => {
      const of = (m: W, y: Tensor) => nn.squaredError(nn.linear({ weight: m.w }, y), x);
      using step = nn.valueAndGrad(of);
      const y = f64([3, 1, -2, 0.1], [2, 2]);
      const [[a], [b]] = [await read(step(model, x)), await read(step(model, y))];
      step(model, x);
      const [sum] = await read(step.accumulate(model, y));
      for (const [i, value] of sum!.entries()) expect(value).toBeCloseTo(a![i]! + b![i]!, 12);
    });

    it('begins anew after dispose and after another model; after a throw on the way back it is refused', async () => {
      using step = nn.valueAndGrad((m: Partial<W & { u: nn.Arg }>) => {
        if (!m.w) throw new Error('mine');
        return loss(m as W);
      });
      step(model);
      step.dispose();
      expect(await read(step.accumulate(model))).toEqual([once]);
      expect(() => step(other)).toThrow('mine');
      expect(await read(step.accumulate(model))).toEqual([once]);
      let fails = true;
      const stop = nn.defineFunction('stop', (frame, y: nn.Arg) => {
        const out = frame.buffer(y.shape, y.dtype);
        ops.copy(frame.device, { x: [frame.tensor(y)], out: [out] });
        const backward = (grad: Tensor, to: nn.Way) => {
          if (fails) throw new Error('mine');
          to.pass(y, grad);
        };
        return { out, inputs: [y], backward };
      });
      using half = nn.valueAndGrad((m: W) => {
        const y = stop(m.w);
        return nn.weighted([
          [1, nn.sum(y)],
          [1, loss(m)],
        ]);
      });
      fails = false;
      half(model);
      fails = true;
      expect(() => half.accumulate(model)).toThrow('mine');
      fails = false;
      expect(() => half.accumulate(model)).toThrow(expect.objectContaining({ code: 'ERR_STATE' }));
      expect(await read(half(model))).toEqual([once.map((value) => value + 1)]);
    });
  });

  it('a look at a value holds until the next call, and is refused once the call has ended', async () => {
    let look: Tensor | undefined;
    let kept: nn.Value | undefined;
    using step = nn.valueAndGrad((m: W) => {
      const h = nn.linear({ weight: m.w }, x);
      look = h.tensor;
      kept = nn.gelu(h);
      return nn.sum(nn.gelu(nn.gelu(kept)));
    });
    using plain = nn.forward((m: typeof model) => nn.linear({ weight: m.w }, x));
    const expected = await plain(model).read();
    step(model);
    const { bytes } = await settledMemory(device);
    for (let i = 0; i < 2; ++i) {
      step(model);
      expect(await look!.read()).toEqual(expected);
    }
    expect(device.info.memory.bytes).toBe(bytes);
    refused('ERR_STATE', 'must be asked for inside the call', () => kept!.tensor);
  });

  it('a function may pass on another gradient than its own', async () => {
    const doubled = nn.defineFunction('doubled', (frame, y: nn.Arg) => {
      const out = frame.buffer(y.shape, y.dtype);
      const twice = (from: Tensor, to: Tensor) =>
        ops.linearCombination(frame.device, { out: [to], terms: [from], coefficients: [2] });
      twice(frame.tensor(y), out);
      const backward = (grad: Tensor, to: nn.Way) => {
        const part = frame.scratch(y.shape, y.dtype);
        twice(grad, part);
        to.pass(y, part);
      };
      return { out, inputs: [y], backward };
    });
    expect(await gradient(({ w }) => nn.sum(doubled(square(w))))).toEqual([[4, 8, 12, 16]]);
  });

  describe('recompute', () => {
    it('of what it is given is that', async () => {
      const same = nn.recompute((y: nn.Arg) => y as nn.Value);
      expect(await gradient(({ w }) => nn.sum(same(w)))).toEqual([[1, 1, 1, 1]]);
      expect(
        await gradient(({ w }) => {
          const h = square(w);
          return nn.sum(nn.add(h, same(h)));
        }),
      ).toEqual([[4, 8, 12, 16]]);
      refused('ERR_ARGUMENT', 'nn.recompute: the function must return a value, got', () =>
        nn.forward((m: typeof model) => nn.recompute(() => x as never as nn.Value)() ?? m)(model),
      );
    });

    it('gives gradients to what it reaches otherwise', async () => {
      const both = ({ w }: W) => nn.sum(nn.recompute((y: nn.Arg) => nn.multiply(y, square(w)))(x));
      expect(await gradient(both)).toEqual([[2, -4, 12, 4]]);
    });

    it('does not hide dropout without a seed', () => {
      const noise = nn.recompute((y: nn.Arg) => nn.dropout(y, { rate: 0.5 }));
      using step = nn.valueAndGrad((m: W) => nn.sum(nn.multiply(m.w, noise(x))));
      refused('ERR_ARGUMENT', 'seed of the call must be a number in a gradient', () => step(model));
    });
  });

  describe('functions of ones own', () => {
    const own = nn.defineFunction('own', (frame, layer: { w: nn.Arg }) => {
      const out = frame.buffer(layer.w.shape, layer.w.dtype);
      ops.copy(frame.device, { x: [frame.tensor(layer.w)], out: [out] });
      // A shape that does not fit, on the way back alone.
      const wrong = frame.buffer([3], layer.w.dtype);
      const backward = (_: Tensor, to: nn.Way) =>
        to.set(layer.w, (dw) => ops.multiply(frame.device, { x: [wrong], y: [wrong], out: [dw] }));
      return { out, inputs: [layer.w], backward };
    });

    it('do not take parameters as constants, however they come', () => {
      using step = nn.valueAndGrad((m: W) => nn.sum(nn.add(m.w, own(model))));
      refused('ERR_ARGUMENT', 'nn.own: w must be reached through the argument', () => step(model));
    });

    it('are named where they throw on the way back', () => {
      using step = nn.valueAndGrad((m: W) => nn.sum(own(m)));
      refused('ERR_SHAPE', 'nn.own of w: multiply: ', () => step(model));
    });
  });

  describe('memory', () => {
    const wide = { w: Tensor.zeros(device, [256, 256]) };
    const row = Tensor.zeros(device, [1, 256]);
    const chain = (m: W, y: nn.Arg) => nn.gelu(nn.linear({ weight: m.w }, y));

    it('of views of views goes with their buffer', async () => {
      const { live: before } = await settledMemory(device);
      const input = Tensor.zeros(device, [3, 1, 256]);
      const step = nn.valueAndGrad((m: W, y: Tensor) => nn.sum(chain(m, y)), { perSample: true });
      step(wide, input);
      step.dispose();
      input.dispose();
      expect(device.info.memory.live).toBe(before);
    });

    it('of constants goes as that of buffers does', async () => {
      const padded = nn.defineFunction('padded', (frame, y: nn.Arg) => {
        const out = frame.buffer(y.shape, y.dtype);
        const ones = frame.constant(`${y.shape}`, (on) => Tensor.full(on, y.shape, 1, { dtype: y.dtype }));
        ops.multiply(frame.device, { x: [frame.tensor(y)], y: [ones], out: [out] });
        return { out, inputs: [], backward: () => {} };
      });
      const { bytes: before } = await settledMemory(device);
      using call = nn.forward((_: typeof model, y: Tensor) => padded(y));
      for (let n = 1000; n < 1020; ++n) {
        using y = Tensor.zeros(device, [n]);
        call(model, y);
      }
      expect(device.info.memory.bytes - before).toBeLessThan(4 * 2 * 4 * 1020);
    });

    it('of gradients is not taken where there are none', async () => {
      const { bytes: before } = await settledMemory(device);
      using slope = nn.jvp(chain);
      slope(wide, new Map([[wide.w, wide.w]]), row);
      expect(device.info.memory.bytes - before).toBeLessThan(wide.w.byteLength / 2);
    });

    it('is what products of f32 take where they are of 16 bits', async () => {
      const blocks = [0, 1, 2, 3].map(() => ({ w: Tensor.zeros(device, [256, 256]) }));
      const used = async (products?: 'bf16') => {
        const { bytes: before } = await settledMemory(device);
        using step = nn.valueAndGrad(
          (m: { readonly blocks: readonly W[] }, y: Tensor) =>
            nn.sum(m.blocks.reduce<nn.Arg>((z, b) => chain(b, z), y)),
          { products },
        );
        step({ blocks }, row);
        return device.info.memory.bytes - before;
      };
      expect(await used('bf16')).toBe(await used());
    });
  });

  it('hvp leaves out what is not used, and refuses its own product', () => {
    using product = nn.hvp((m: nn.Traced<typeof model & typeof other>) => nn.sum(square(m.w)));
    const both = { ...model, ...other };
    const { product: hv } = product(both, new Map([[model.w, x]]));
    expect([...hv.keys()]).toEqual([model.w]);
    refused('ERR_ARGUMENT', 'nn.hvp: v of w must be no product of this function', () => product(both, hv));
  });
});
