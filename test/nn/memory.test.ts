// Devices: cpu
// The memory that a call of orthokit/nn holds, and that a gradient takes the place of a result only where nobody reads it any more.
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, Device, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal, sizeOf } from '../support/data.ts';
import { sameBits } from '../support/same-bits.ts';
import { settledMemory } from '../support/settled.ts';
import { tensorOf } from '../support/tensors.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());
const draw = (seed: number, ...shape: number[]): Tensor => tensorOf(device, normal(sizeOf(shape), seed), shape);

describe('the memory of a GPT of 4 blocks of 128', () => {
  const [letters, width, context, batch, heads] = [82, 128, 64, 12, 4];
  const make = nn.init(device, { seed: 1 });
  const blockOf = () => ({
    norm1: make.norm(width),
    attention: { qkv: make.linear(width, 3 * width), out: make.linear(width, width) },
    norm2: make.norm(width),
    up: make.linear(width, 4 * width),
    down: make.linear(4 * width, width),
  });
  type Blocks = readonly nn.Traced<ReturnType<typeof blockOf>>[];

  const gpt = (tokens: nn.Table, positions: nn.Table, blocks: Blocks, norm: nn.Norm, ids: Tensor): nn.Value => {
    let x = nn.addRows(nn.embedding(tokens, ids), nn.slice(positions.weight, 0, 0, context));
    for (const block of blocks) {
      x = nn.add(x, nn.attention(block.attention as nn.Attention, nn.layerNorm(block.norm1, x), { heads }));
      x = nn.add(x, nn.linear(block.down, nn.gelu(nn.linear(block.up, nn.layerNorm(block.norm2, x)))));
    }
    return nn.linear(tokens, nn.layerNorm(norm, x));
  };

  it('is at most 45 MB with AdamW, and the same from the second step on', async () => {
    const { bytes: before } = await settledMemory(device);
    const model = {
      tokens: make.table(letters, width),
      positions: make.table(context, width),
      blocks: Array.from({ length: 4 }, blockOf),
      norm: make.norm(width),
    };
    const numbers = (factor: number) => Int32Array.from({ length: batch * context }, (_, i) => (i * factor) % letters);
    const [ids, next] = [37, 31].map((factor) => Tensor.from(device, numbers(factor), [batch, context]));
    using optimizer = new AdamW(nn.parameters(model), { lr: 1e-4 });
    using step = nn.valueAndGrad((m: nn.Traced<typeof model>) =>
      nn.crossEntropy(gpt(m.tokens, m.positions, m.blocks, m.norm, ids!), next!),
    );
    const held: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      optimizer.step(step(model).grads);
      held.push(device.info.memory.bytes - before);
    }
    await device.synchronize();
    expect(new Set(held.slice(1)).size).toBe(1);
    expect(held[3]).toBeLessThanOrEqual(45e6);
  });
});

describe('gradients in the place of results', () => {
  const model = { up: draw(1, 31, 17), down: draw(2, 13, 31), norm: draw(3, 31) };
  type Model = nn.Traced<typeof model>;
  const x = draw(4, 7, 17);
  const hidden = (m: Model) => nn.layerNorm({ weight: m.norm }, nn.gelu(nn.linear({ weight: m.up }, x)));
  const out = (m: Model, h: nn.Arg) => nn.mean(nn.linear({ weight: m.down }, h));
  const gradientsOf = async (loss: (m: Model) => nn.Value) => {
    using step = nn.valueAndGrad(loss);
    const { grads } = step(model);
    return Promise.all([...grads.values()].map((tensor) => tensor.read())) as Promise<Float32Array[]>;
  };

  it('leave results that the caller has looked at as they were', async () => {
    using forward = nn.forward((m: Model) => hidden(m));
    const expected = (await forward(model).read()) as Float32Array;
    let seen: Tensor | undefined;
    using step = nn.valueAndGrad((m: Model) => {
      const h = hidden(m);
      seen = h.tensor;
      return out(m, h);
    });
    step(model);
    expect(sameBits((await seen!.read()) as Float32Array, expected)).toBe(true);
  });

  /** The identity, that multiplies the gradient by what it was given beside, which has none. */
  const scaled = nn.defineFunction('scaled', (frame, y: nn.Arg, by: { readonly value: nn.Arg }) => {
    const result = frame.buffer(y.shape, y.dtype);
    const factor = frame.tensor(by.value);
    ops.copy(frame.device, { x: [frame.tensor(y)], out: [result] });
    return {
      out: result,
      inputs: [y],
      backward: (grad, to) => to.set(y, (dy) => ops.multiply(frame.device, { x: [grad], y: [factor], out: [dy] })),
    };
  });

  it('are not written over what a function of the caller keeps', async () => {
    const [kept, copied] = await Promise.all(
      [(h: nn.Value) => h, (h: nn.Value) => nn.detach(h)].map((of) =>
        gradientsOf((m) => {
          const h = hidden(m);
          const first = nn.gelu(nn.linear({ weight: m.up }, x));
          return nn.add(out(m, h), out(m, scaled(first, { value: of(h) })));
        }),
      ),
    );
    for (const [i, gradient] of kept!.entries()) expect(sameBits(gradient, copied![i]!)).toBe(true);
  });

  it('have the bits of results that are used twice, and of recomputed ones', async () => {
    const once = await gradientsOf((m) => out(m, hidden(m)));
    const again = await gradientsOf((m) => out(m, nn.recompute((n: Model) => hidden(n))(m)));
    const twice = await gradientsOf((m) => {
      const h = hidden(m);
      return nn.weighted([
        [0.5, out(m, h)],
        [0.5, out(m, h)],
      ]);
    });
    for (const [i, gradient] of once.entries()) {
      expect(sameBits(gradient, again[i]!)).toBe(true);
      for (const [j, value] of gradient.entries()) expect(twice[i]![j]).toBeCloseTo(value, 6);
    }
  });
});
