// Devices: cpu, cuda
// Generation with keys and values that stay on the device, against the same without.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { expectClose } from '../support/compare.ts';
import { normal, uniform } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';

const [width, heads, letters] = [8, 2, 11];

class Block {
  readonly norm;
  readonly attention;
  readonly up;
  constructor(make: nn.Init) {
    this.norm = make.norm(width);
    this.attention = { qkv: make.linear(width, 2 * width), out: make.linear(width, width) };
    this.up = make.linear(width, width, { deviation: 0.5 });
  }
  /** Two heads of queries share one of keys, which turn by their places. */
  forward(x: nn.Arg, ring?: nn.Ring): nn.Value {
    const options = { heads, kvHeads: 1, rope: { base: 100 }, ring, addend: x };
    const y = nn.attention(this.attention, nn.layerNorm(this.norm, x), options);
    return nn.add(y, nn.gelu(nn.linear(this.up, y)));
  }
}

class Gpt {
  readonly tokens;
  readonly positions;
  readonly blocks;
  constructor(make: nn.Init, blocks: number) {
    this.tokens = make.table(letters, width);
    this.positions = make.table(64, width);
    this.blocks = Array.from({ length: blocks }, () => new Block(make));
  }
  forward(ids: Tensor, ring?: nn.Ring): nn.Value {
    const count = ids.shape[1]!;
    const places =
      ring?.places(count) ??
      Tensor.from(
        ids.device,
        Int32Array.from({ length: count }, (_, i) => i),
        [count],
      );
    const rows = nn.embedding(this.positions, places);
    const all = nn.embedding(this.tokens, ids);
    let x = ring ? nn.add(all, rows) : nn.addRows(all, rows);
    for (const block of this.blocks) x = block.forward(x, ring);
    return nn.linear(this.tokens, x);
  }
}

/** The largest element's place. */
const greatest = (row: Float64Array): number => row.indexOf(Math.max(...row));

describe.each(devices)('nn.Ring on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const ringOf = (streams: number, length: number, layers: number, dtype?: 'f32' | 'f64') =>
    new nn.Ring(device, { streams, width: width / heads, length, layers, dtype });
  const idsOf = (rows: readonly (readonly number[])[]): Tensor =>
    Tensor.from(device, Int32Array.from(rows.flat()), [rows.length, rows[0]!.length]);

  it.each([
    ['f64', 1e-12],
    ['f32', 1e-5],
  ] as const)('gives the logits and the letters of the model without it, in %s', async (dtype, bound) => {
    const model = new Gpt(nn.init(device, { seed: 1, dtype }), 2);
    const [streams, length] = [3, 12];
    using ring = ringOf(streams, length, 2, dtype);
    using plain = nn.forward((gpt: Gpt, ids: Tensor) => gpt.forward(ids));
    using step = nn.forward((gpt: Gpt, ids: Tensor) => gpt.forward(ids, ring));
    const texts = [
      [1, 2, 3],
      [4, 5, 6],
      [10, 0, 0],
    ];
    let next = idsOf(texts);
    for (let count = 3; count <= length; count += 1) {
      const [cached, all] = [await valuesOf(step(model, next)), await valuesOf(plain(model, idsOf(texts)))];
      const drawn = texts.map((_, i) => {
        const expected = all.subarray(((i + 1) * count - 1) * letters, (i + 1) * count * letters);
        const places = cached.length / letters / streams;
        const actual = cached.subarray(((i + 1) * places - 1) * letters, (i + 1) * places * letters);
        const size = Math.max(...expected.map(Math.abs));
        for (const [j, x] of actual.entries()) expect(Math.abs(x - expected[j]!)).toBeLessThan(bound * size);
        expect(greatest(actual)).toBe(greatest(expected));
        return greatest(actual);
      });
      for (const [i, text] of texts.entries()) text.push(drawn[i]!);
      next = idsOf(drawn.map((letter) => [letter]));
    }
  });

  it.each([1, 2, 5])('sees the last %i places after any prompts, steps and resets', async (length) => {
    const streams = 3;
    const block = new Block(nn.init(device, { seed: 2, dtype: 'f64' }));
    using ring = ringOf(streams, length, 1, 'f64');
    using step = nn.forward((b: Block, x: Tensor) => b.forward(x, ring));
    using window = nn.forward((b: Block, x: Tensor) => b.forward(x));
    const random = uniform(length);
    const seen: Float64Array[][] = Array.from({ length: streams }, () => []);
    for (let program = 0; program < 14; program += 1) {
      const chance = random();
      if (chance < 0.2) {
        ring.reset();
        for (const places of seen) places.length = 0;
      } else if (chance < 0.4) {
        const stream = Math.floor(random() * streams);
        ring.reset(stream);
        seen[stream]!.length = 0;
      }
      const count = random() < 0.4 ? 1 : 1 + Math.floor(random() * 2 * length);
      const x = normal(streams * count * width, program);
      const result = await valuesOf(step(block, tensorOf(device, x, [streams, count, width], 'f64')));
      const expected: number[] = [];
      for (const [i, places] of seen.entries())
        for (let t = 0; t < count; t += 1) {
          places.push(x.subarray((i * count + t) * width, (i * count + t + 1) * width));
          const visible = places.slice(-length).flatMap((place) => [...place]);
          const all = await valuesOf(
            window(block, tensorOf(device, visible, [1, visible.length / width, width], 'f64')),
          );
          expected.push(...all.slice(-width));
        }
      expectClose(result, expected, { dtype: 'f64', ulps: 256, magnitude: 4 });
      expect(await ring.positions.read()).toEqual(Int32Array.from(seen.map((places) => places.length)));
    }
  });

  it('has the places that come next, of each stream', async () => {
    const block = new Block(nn.init(device, { seed: 2 }));
    using ring = ringOf(2, 4, 1);
    using step = nn.forward((b: Block, x: Tensor) => b.forward(x, ring));
    expect(await ring.places(2).read()).toEqual(Int32Array.of(0, 1, 0, 1));
    step(block, Tensor.zeros(device, [2, 5, width]));
    ring.reset(0);
    expect(await ring.places(1).read()).toEqual(Int32Array.of(0, 5));
    expect(await ring.places(3).read()).toEqual(Int32Array.of(0, 1, 2, 5, 6, 7));
  });

  it('allocates nothing from the second step on, and gives all back', async () => {
    const own = Device.open(kind);
    const model = new Gpt(nn.init(own, { seed: 1 }), 2);
    const ids = Tensor.from(own, Int32Array.of(1, 2), [2, 1]);
    const { live: before } = await settledMemory(own);
    const ring = new nn.Ring(own, { streams: 2, width: width / heads, length: 4, layers: 2 });
    const step = nn.forward((gpt: Gpt, letter: Tensor) => gpt.forward(letter, ring));
    await step(model, ids).read();
    const { live } = await settledMemory(own);
    for (let i = 0; i < 8; i += 1) {
      await step(model, ids).read();
      expect(own.info.memory.live).toBe(live);
    }
    step.dispose();
    ring.dispose();
    await own.synchronize();
    expect(own.info.memory.live).toBe(before);
    expect(nn.parameters(model)).not.toHaveLength(0);
    await own.close();
  });

  it('draws with logits that are NaN by their policy, and greedily at temperature 0', async () => {
    const model = { logits: tensorOf(device, [1, NaN, 3, 5, 2, 4], [2, 3]) };
    const drawn = async (options: Partial<nn.SampleOptions>) => {
      using call = nn.forward((m: nn.Traced<typeof model>) =>
        nn.sample(m.logits, { seed: 1, position: 0, ...options }),
      );
      return [...(await call(model).read())];
    };
    expect(await drawn({ temperature: 0 })).toEqual([1, 0]);
    expect(await drawn({ topK: 1 })).toEqual([1, 0]);
    // More than there are letters: all.
    expect(await drawn({ topK: 9 })).toEqual(await drawn({}));
  });

  describe('refuses', () => {
    const model = new Gpt(nn.init(device, { seed: 1 }), 2);
    const thrown = (ring: nn.Ring, ids = Tensor.zeros(device, [2, 1], { dtype: 'i32' })) =>
      thrownBy(() => {
        using call = nn.forward((gpt: Gpt) => gpt.forward(ids, ring));
        call(model);
      });

    it('another number of layers than the model has', () => {
      using few = ringOf(2, 4, 1);
      expect(thrown(few)).toEqual({
        code: 'ERR_STATE',
        message: 'nn.attention: ring must have a layer for each attention of a call, got 1',
      });
      using many = ringOf(2, 4, 3);
      using call = nn.forward((gpt: Gpt, ids: Tensor) => gpt.forward(ids, many));
      const ids = idsOf([[1], [2]]);
      call(model, ids);
      const halfway = {
        code: 'ERR_STATE',
        message: 'nn.attention: ring must be reset after a call that ended halfway, got layer 2 of 3',
      };
      expect(thrownBy(() => call(model, ids))).toEqual(halfway);
      expect(thrownBy(() => call(model, ids))).toEqual(halfway);
      many.reset();
      call(model, ids);
    });

    it('to go on after a call that threw, until it is reset', async () => {
      using ring = ringOf(1, 4, 2);
      let throws = true;
      using call = nn.forward((gpt: Gpt, ids: Tensor) => {
        const x = gpt.blocks[0]!.forward(nn.embedding(gpt.tokens, ids), ring);
        if (throws) throw new Error('mine');
        return gpt.blocks[1]!.forward(x, ring);
      });
      expect(() => call(model, idsOf([[1]]))).toThrow('mine');
      throws = false;
      expect(thrownBy(() => call(model, idsOf([[1]]))).code).toBe('ERR_STATE');
      ring.reset();
      const first = await call(model, idsOf([[1, 2]])).read();
      ring.reset();
      expect(await call(model, idsOf([[1, 2]])).read()).toEqual(first);
    });

    it('to go on after a call that threw behind its last attention, until it is reset', async () => {
      using ring = ringOf(1, 4, 1);
      const block = new Block(nn.init(device, { seed: 1 }));
      const { qkv, out } = block.attention;
      const wrong = { qkv, out: { weight: Tensor.zeros(device, [width, width + 1]) } };
      using call = nn.forward((layer: nn.Attention) =>
        nn.attention(layer, Tensor.full(device, [1, 2, width], 1), { heads, kvHeads: 1, ring }),
      );
      expect(thrownBy(() => call(wrong)).code).toBe('ERR_SHAPE');
      const threw = {
        code: 'ERR_STATE',
        message: 'nn.attention: ring must be reset after a call that threw, got layer 1 of 1',
      };
      // Not even after one that was refused for it.
      for (let i = 0; i < 3; i += 1) expect(thrownBy(() => call({ qkv, out }))).toEqual(threw);
      ring.reset(0);
      expect(thrownBy(() => call({ qkv, out }))).toEqual(threw);
      ring.reset();
      call({ qkv, out });
      call({ qkv, out });
      expect(await ring.positions.read()).toEqual(Int32Array.of(4));
    });

    it('another number of heads of keys while it has places', async () => {
      using ring = ringOf(1, 4, 1);
      const { attention } = new Block(nn.init(device, { seed: 1 }));
      const x = tensorOf(device, normal(2 * width, 1), [1, 2, width]);
      using call = nn.forward((layer: nn.Attention, kvHeads: number, own?: nn.Ring) =>
        nn.attention(layer, x, { heads: heads * kvHeads, kvHeads, ring: own }),
      );
      call(attention, 1, ring);
      expect(thrownBy(() => call(attention, 2, ring))).toEqual({
        code: 'ERR_STATE',
        message: 'nn.attention: kvHeads must be 1 until the ring is reset, got 2',
      });
      for (const kvHeads of [2, 1]) {
        ring.reset();
        const result = await valuesOf(call(attention, kvHeads, ring));
        expectClose(result, await valuesOf(call(attention, kvHeads)), { dtype: 'f32', ulps: 64, magnitude: 4 });
      }
    });

    it('streams, widths and dtypes that are not the model’s', () => {
      using ring = ringOf(3, 4, 2);
      expect(thrown(ring).code).toBe('ERR_SHAPE');
      using wide = new nn.Ring(device, { streams: 2, width, length: 4, layers: 2 });
      expect(thrown(wide)).toMatchObject({ code: 'ERR_SHAPE', message: expect.stringContaining('keys must be') });
      using exact = ringOf(2, 4, 2, 'f64');
      expect(thrown(exact)).toMatchObject({ code: 'ERR_DTYPE', message: expect.stringContaining('keys must have') });
      const disposed = ringOf(2, 4, 2);
      disposed.dispose();
      expect(thrown(disposed)).toEqual({ code: 'ERR_DISPOSED', message: 'nn.Ring: ring has been disposed' });
    });

    it('gradients, and options that it does not go with', () => {
      using ring = ringOf(1, 4, 1);
      const x = Tensor.zeros(device, [1, 1, width]);
      const block = new Block(nn.init(device, { seed: 1 }));
      using step = nn.valueAndGrad((b: nn.Traced<Block>) => nn.sum((b as Block).forward(x, ring)));
      expect(thrownBy(() => step(block))).toEqual({
        code: 'ERR_UNSUPPORTED',
        message: 'nn.attention: a ring must stand in nn.forward, got a gradient',
      });
      const options = (more: Partial<nn.AttentionOptions>) =>
        thrownBy(() => {
          using call = nn.forward((b: Block) => nn.attention(b.attention, x, { heads, kvHeads: 1, ring, ...more }));
          call(block);
        });
      expect(options({ causal: false }).message).toBe(
        'nn.attention: causal must be true where there is a ring, got false',
      );
      expect(options({ lengths: idsOf([[1]]) }).message).toMatch(
        /^nn.attention: lengths must be left out where there is a ring, got /,
      );
      expect(options({ ring: {} as nn.Ring }).message).toMatch(/^nn.attention: ring must be an nn.Ring, got /);
    });

    it('streams that there are not', () => {
      using ring = ringOf(2, 4, 1);
      for (const stream of [-1, 2, 0.5])
        expect(thrownBy(() => ring.reset(stream))).toEqual({
          code: 'ERR_ARGUMENT',
          message: `nn.Ring.reset: stream must be one of 2, from 0 on, got ${stream}`,
        });
      expect(thrownBy(() => ring.places(0)).message).toBe(
        'nn.Ring.places: count must be a whole number from 1 on, got 0',
      );
    });
  });
});
