// Devices: cpu, cuda
// A forward pass holds what one block needs; results have the bits that they have without scopes.
import { afterAll, describe, expect, it } from 'vitest';
import { Gpt } from '../../examples/gpt/model.mjs';
import { Device, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { devices } from '../support/devices.ts';
import { sameBits } from '../support/same-bits.ts';
import { settledMemory } from '../support/settled.ts';
import { thrownBy } from '../support/tensors.ts';

const [letters, width, heads, context, batch] = [11, 16, 2, 8, 4];
const plain = <A extends unknown[], R>(fn: (...args: A) => R): ((...args: A) => R) => fn;

describe.each(devices)('scopes on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const make = nn.init(device, { seed: 1 });
  const model = { up: make.linear(7, 31), down: make.linear(31, 7), norm: make.norm(7) };
  type Model = nn.Traced<typeof model>;
  const x = Tensor.randn(device, [5, 7], { seed: 2 });
  const ids = (rows: number) =>
    Tensor.from(
      device,
      Int32Array.from({ length: rows * context }, (_, i) => (i * 7) % letters),
      [rows, context],
    );

  /** Two blocks with dropout, by a function of each. */
  const blocks = (around: typeof plain) => {
    const block = around((m: Model, y: nn.Arg) =>
      nn.add(y, nn.dropout(nn.linear(m.down, nn.gelu(nn.linear(m.up, nn.layerNorm(m.norm, y)))), { rate: 0.3 })),
    );
    return (m: Model): nn.Value => nn.dropout(block(m, block(m, x)), { rate: 0.3 });
  };
  const bitsOf = async (tensors: Iterable<Tensor>) =>
    (await Promise.all([...tensors].map((tensor) => tensor.read()))) as Float32Array[];
  const expectSame = (some: Float32Array[], others: Float32Array[]) => {
    expect(some.length).toBe(others.length);
    for (const [i, one] of some.entries()) expect(sameBits(one, others[i]!)).toBe(true);
  };

  it('have the bits of the functions without them, with random numbers that go on', async () => {
    const run = async (around: typeof plain) => {
      using forward = nn.forward((m: Model) => blocks(around)(m), { seed: 3 });
      using gradient = nn.valueAndGrad((m: Model) => nn.sum(blocks(around)(m)), { seed: 3 });
      const out = await bitsOf([forward(model as never)]);
      const { value, grads } = gradient(model);
      return [...out, ...(await bitsOf(grads.values())), new Float32Array(await value.read())];
    };
    const expected = await run(plain);
    expectSame(await run(nn.scope), expected);
    // Gradients go through a repeated block to what is around a scope in it.
    expectSame(await run((fn) => nn.recompute(nn.scope(fn as never) as never) as never), expected);
    expectSame(await run((fn) => nn.scope(nn.recompute(fn as never)) as never), expected);
  });

  it('keep what they return, in lists and records, of theirs or of others, and what was looked at', async () => {
    let seen: Tensor | undefined;
    using forward = nn.forward((m: Model) => {
      const outside = nn.linear(m.up, x);
      const given = nn.scope(() => {
        const inside = nn.gelu(outside);
        const lost = nn.relu(outside);
        seen = lost.tensor;
        return { list: [inside, outside, inside], record: { number: 5, x, deep: nn.scope(() => nn.relu(outside))() } };
      })();
      // They would be written over, if their buffers were free.
      const others = Array.from({ length: 5 }, () => nn.map(outside, 'tanh'));
      return { ...given, outside, others };
    });
    const { list, record, outside, others } = forward(model as never);
    expect([record.number, record.x]).toEqual([5, x]);
    expect(new Set([...others, list[0], list[1], record.deep, seen]).size).toBe(9);
    using expected = nn.forward((m: Model) => {
      const y = nn.linear(m.up, x);
      return [nn.gelu(y), y, nn.gelu(y), nn.relu(y), nn.relu(y)];
    });
    expectSame(await bitsOf([...list, record.deep, seen!]), await bitsOf(expected(model as never)));
    expectSame(await bitsOf([outside]), await bitsOf([list[1]!]));
  });

  it('keep the buffer that a result of a function of the caller lies in', async () => {
    const flat = nn.defineFunction('flat', (frame, y: nn.Arg, isOwn: boolean) => {
      const from = frame.tensor(y);
      const buffer = isOwn ? frame.buffer(from.shape, from.dtype) : from;
      if (isOwn) ops.copy(device, { x: [from], out: [buffer] });
      return { out: buffer.reshape([from.size]), inputs: [y], backward: () => {} };
    });
    const run = async (around: typeof plain) => {
      using forward = nn.forward((m: Model) => {
        let seen: Tensor | undefined;
        const given = [true, false].map((isOwn) =>
          around(() => {
            seen = flat(nn.gelu(nn.linear(m.up, x)), isOwn).tensor;
            return around(() => flat(nn.relu(nn.linear(m.up, x)), isOwn))();
          })(),
        );
        // They would be written over, if their buffers were free.
        const others = Array.from({ length: 5 }, () => nn.map(nn.linear(m.up, x), 'tanh'));
        return { given, seen: seen!, others };
      });
      const { given, seen } = forward(model as never);
      return bitsOf([...given, seen]);
    };
    const expected = await run(plain);
    expectSame(await run(nn.scope), expected);
    expectSame(await run((fn) => nn.recompute(fn as never) as never), expected);
  });

  it('refuse what is theirs after their end, and what is no function', () => {
    let lost: nn.Value | undefined;
    const leave = (m: Model) =>
      nn.scope(() => {
        lost = nn.linear(m.up, x);
        return nn.gelu(lost);
      })();
    const refused = (use: () => unknown) => {
      using forward = nn.forward((m: Model) => {
        leave(m);
        return use();
      });
      const { code, message } = thrownBy(() => forward(model as never));
      return `${code} ${message}`;
    };
    expect(refused(() => nn.relu(lost!))).toBe(
      'ERR_ARGUMENT nn.relu: a value must be of the call that runs, got one of another call, or of a scope that has ended',
    );
    expect(refused(() => lost!.tensor)).toMatch(/^ERR_STATE .+, got a value of a call, or a scope, that has ended$/);
    expect(refused(() => [lost])).toMatch(/^ERR_ARGUMENT nn.forward: a result must be of this call, got /);
    expect(refused(() => nn.scope(() => lost!)())).toMatch(/^ERR_ARGUMENT nn.scope: a value must .+, got /);
    expect(refused(() => nn.scope(async () => lost)())).toMatch(/^ERR_ARGUMENT nn: the function must be synchronous/);
    expect(thrownBy(() => nn.scope(5 as never)).code).toBe('ERR_ARGUMENT');
    expect(thrownBy(() => nn.scope(() => 1)()).code).toBe('ERR_STATE');
    const outside = thrownBy(() => nn.attention({ qkv: model.up, out: model.down }, x, { heads: 1 }));
    expect(outside.message).toMatch(/^nn.attention: must be called inside nn.forward/);
    // A gradient keeps what is inside.
    using gradient = nn.valueAndGrad((m: Model) => {
      leave(m);
      return nn.sum(lost!);
    });
    expect(gradient(model).grads.size).toBe(2);
  });

  it('make a forward pass of a GPT hold one block and the results of the others, whatever their number', async () => {
    const rows = ids(batch);
    const held = async (count: number) => {
      const own = Device.open(kind);
      try {
        const gpt = new Gpt(nn.init(own, { seed: 1 }), { letters, width, heads, context, blocks: count });
        using forward = nn.forward((m: Gpt, at: Tensor) => m.forward(at));
        const at = Tensor.from(own, (await rows.read()) as Int32Array, rows.shape);
        const { bytes } = await settledMemory(own);
        for (let i = 0; i < 3; ++i) forward(gpt, at);
        const { peak } = await settledMemory(own);
        forward(gpt, at);
        await own.synchronize();
        expect(own.info.memory.peak).toBe(peak);
        return peak - bytes;
      } finally {
        await own.close();
      }
    };
    const result = batch * context * width * 4;
    const [two, four, eight] = [await held(2), await held(4), await held(8)];
    expect([four - two, eight - four]).toEqual([2 * result, 4 * result]);
    // Norms, the sum in the middle and the second attention, 2 × 4 widths of the MLP, the block's: none twice.
    expect(two).toBeLessThan(24 * result);
  });
});
