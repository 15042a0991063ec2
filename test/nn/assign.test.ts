// Devices: cpu, cuda
// Tensors of files into models: all or nothing, by name, turned, in parts, tied.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { sizeOf } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';

describe.each(devices)('tensors assigned to models on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const counted = (shape: readonly number[], first = 1, dtype: 'f32' | 'f64' | 'bf16' = 'f32') => {
    const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) => first + i);
    return Tensor.from(device, values, shape).cast(dtype);
  };
  const zeros = (shape: readonly number[]) => Tensor.zeros(device, shape);
  const values = async (tensor: Tensor) => [...(await tensor.read())];
  const made = () => ({ blocks: [{ qkv: { weight: zeros([6, 2]) }, norm: zeros([2]) }], head: zeros([3, 2]) });
  const file = () => ({
    'blocks.0.qkv.weight': counted([6, 2]),
    'blocks.0.norm': counted([2], 50),
    head: counted([3, 2], 20),
  });
  const code = (words: string) =>
    expect.objectContaining({ code: 'ERR_STATE', message: expect.stringContaining(words) });

  it('copies by name, and converts fractions', async () => {
    const model = made();
    await nn.assign(model, { ...file(), head: counted([3, 2], 20, 'bf16') });
    expect(await values(model.blocks[0]!.qkv.weight)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(await values(model.head)).toEqual([20, 21, 22, 23, 24, 25]);
  });

  it('turns, leaves out, and makes one of parts', async () => {
    const model = made();
    const rows = { q: [0, 2], k: [2, 4], v: [4, 6] } as const;
    await nn.assign(
      model,
      {
        'h.0.k': counted([2, 2], 5),
        'h.0.v': counted([2, 2], 9, 'f64'),
        'h.0.q': counted([2, 2]),
        'h.0.mask': counted([9]),
        'h.0.norm': counted([2]),
        head: counted([2, 3]),
      },
      {
        map: (name) => {
          if (name.endsWith('mask')) return null;
          if (name === 'head') return { name, permute: [1, 0] };
          const part = name.slice(4);
          if (part in rows) return { name: 'blocks.0.qkv.weight', rows: rows[part as keyof typeof rows] };
          return name.replace('h.', 'blocks.');
        },
      },
    );
    expect(await values(model.blocks[0]!.qkv.weight)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(await values(model.head)).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it.each([
    [0, 1, 2, 3],
    [0, 2, 3, 1],
    [3, 2, 1, 0],
    [2, 0, 3, 1],
    [1, 0, 2, 3],
  ])('permutes as axes %i %i %i %i', async (...permute) => {
    const sides = [2, 3, 4, 5];
    const model = { w: zeros(permute.map((axis) => sides[axis]!)) };
    await nn.assign(model, { w: counted(sides, 0) }, { map: (name) => ({ name, permute }) });
    const got = await model.w.read();
    const strides = [60, 20, 5, 1];
    let i = 0;
    const walk = (axis: number, at: number): void => {
      if (axis === 4) expect(got[i++]).toBe(at);
      else for (let j = 0; j < sides[permute[axis]!]!; ++j) walk(axis + 1, at + j * strides[permute[axis]!]!);
    };
    walk(0, 0);
    expect(i).toBe(120);
  });

  it('moves rows of heads from one rotary layout to the other, so that attention stays what it is', async () => {
    const model = { w: zeros([8, 2]), b: zeros([8]) };
    const place = (name: string, to: 'halves' | 'interleaved') => ({ name, rope: { heads: 2, to } });
    await nn.assign(model, { w: counted([8, 2], 0), b: counted([8], 0) }, { map: (name) => place(name, 'halves') });
    // Pairs of neighbours are rows 0 and 1, 2 and 3; they become rows 0 and 2, 1 and 3 of their head.
    expect(await values(model.b)).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
    expect(await values(model.w)).toEqual([0, 2, 1, 3, 4, 6, 5, 7].flatMap((row) => [2 * row, 2 * row + 1]));
    const back = { w: zeros([8, 2]), b: zeros([8]) };
    await nn.assign(back, model, { map: (name) => place(name, 'interleaved') });
    expect(await values(back.b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);

    const make = nn.init(device, { seed: 1, dtype: 'f64' });
    const meta = { q: make.linear(8, 8), k: make.linear(8, 4), v: make.linear(8, 4), out: make.linear(8, 8) };
    const own = { qkv: make.linear(8, 16), out: make.linear(8, 8) };
    const first = { q: [0, 8, 2], k: [8, 12, 1], v: [12, 16, 0] } as const;
    const loaded = (isMoved: boolean) =>
      nn.assign(own, nn.named(meta), {
        map: (name) => {
          const [layer, part] = name.split('.') as [keyof typeof first, string];
          if (!(layer in first)) return name;
          const [from, end, heads] = first[layer];
          const rope = isMoved && heads > 0 ? { heads, to: 'halves' as const } : undefined;
          return { name: `qkv.${part}`, rows: [from, end], rope };
        },
      });
    const x = make.normal([2, 5, 8], 1);
    const attended = async (layout: 'halves' | 'interleaved') => {
      using call = nn.forward((layer: typeof own) =>
        nn.attention(layer, x, { heads: 2, kvHeads: 1, rope: { layout } }),
      );
      return values(call(own));
    };
    await loaded(false);
    const expected = await attended('interleaved');
    const off = (got: readonly number[]) => Math.max(...got.map((y, i) => Math.abs(y - expected[i]!)));
    expect(off(await attended('halves'))).toBeGreaterThan(1e-6);
    await loaded(true);
    expect(off(await attended('halves'))).toBeLessThan(1e-14);
  });

  it('buffers are saved and loaded too', async () => {
    const model = { w: zeros([2]), mean: nn.buffer(zeros([2])), table: Tensor.zeros(device, [2], { dtype: 'i32' }) };
    const table = Tensor.from(device, Int32Array.of(7, 8), [2]);
    await nn.assign(model, { w: counted([2]), mean: counted([2], 5), table });
    expect([await values(model.mean), await values(model.table)]).toEqual([
      [5, 6],
      [7, 8],
    ]);
  });

  describe('of tied tensors', () => {
    const tied = () => {
      const weight = zeros([3, 2]);
      return { tokens: { weight }, head: { weight } };
    };
    it.each([
      ['the first', { 'tokens.weight': counted([3, 2]) }],
      ['the second', { 'head.weight': counted([3, 2]) }],
      ['both, which are equal', { 'head.weight': counted([3, 2]), 'tokens.weight': counted([3, 2]) }],
    ])('%s is enough', async (_, tensors) => {
      const model = tied();
      await nn.assign(model, tensors);
      expect(await values(model.tokens.weight)).toEqual([1, 2, 3, 4, 5, 6]);
    });
    it('two that differ are refused', async () => {
      const model = tied();
      await expect(
        nn.assign(model, { 'tokens.weight': counted([3, 2]), 'head.weight': counted([3, 2], 2) }),
      ).rejects.toEqual(code('nn.assign: head.weight must be what is given for tokens.weight, with which it is tied'));
      expect(await values(model.tokens.weight)).toEqual([0, 0, 0, 0, 0, 0]);
    });
  });

  it.each<[string, () => Record<string, Tensor>, nn.AssignMap | undefined]>([
    [
      'got 1 missing (blocks.0.norm, did you mean transformer.blocks.0.norm?); 1 left over (transformer.blocks.0.norm, did you mean blocks.0.norm?)',
      () => {
        const { 'blocks.0.norm': norm, ...others } = file();
        return { ...others, 'transformer.blocks.0.norm': norm };
      },
      undefined,
    ],
    ['1 left over (heads)', () => ({ ...file(), heads: zeros([1]) }), undefined],
    ['1 of another shape (head: f32[2,3] for f32[3,2])', () => ({ ...file(), head: zeros([2, 3]) }), undefined],
    [
      '(head: i32[3,2] for f32[3,2])',
      () => ({ ...file(), head: Tensor.zeros(device, [3, 2], { dtype: 'i32' }) }),
      undefined,
    ],
    ['(head: permute [0,0] of f32[3,2])', file, (name) => (name === 'head' ? { name, permute: [0, 0] } : name)],
    [
      '(head: rows to 2 of 3)',
      () => ({ ...file(), head: zeros([2, 2]) }),
      (name) => (name === 'head' ? { name, rows: [0, 2] } : name),
    ],
    [
      '(head: rows 1 to 3 after 2)',
      () => ({ ...file(), head: zeros([2, 2]), b: zeros([2, 2]) }),
      (name) => ({ head: { name, rows: [0, 2] as const }, b: { name: 'head', rows: [1, 3] as const } })[name] ?? name,
    ],
    ['(head: rope of 2 heads of f32[3,2])', file, (name) => (name === 'head' ? { name, rope: { heads: 2, to: 'halves' } } : name)], // biome-ignore format: one line
    ['(head: given twice)', () => ({ ...file(), b: zeros([3, 2]) }), (name) => (name === 'b' ? 'head' : name)],
    ['got 3 missing (blocks.0.qkv.weight, blocks.0.norm, head)', () => ({}), undefined],
    ['1 left over (b as heads)', () => ({ ...file(), b: zeros([1]) }), (name) => (name === 'b' ? 'heads' : name)],
  ])('%s is said, and nothing is copied', async (words, tensors, map) => {
    const model = made();
    await expect(nn.assign(model, tensors(), { map })).rejects.toEqual(code(words));
    for (const tensor of nn.parameters(model)) expect(new Set(await values(tensor))).toEqual(new Set([0]));
  });

  it('counts all and names five', async () => {
    const model = { list: Array.from({ length: 12 }, () => zeros([1])) };
    await expect(nn.assign(model, { 'list.0': zeros([1]) })).rejects.toEqual(
      code('tensors do not fit the model of 12, got 11 missing (list.1, list.2, list.3, list.4, list.5, … (11))'),
    );
  });

  it.each<[string, unknown]>([
    ['map of head must give a path, a place or null, got 3', 3],
    ['permute of head must be a list of axes, got 1', { name: 'head', permute: 1 }],
    [
      "rope of head must be { heads, to: 'halves' or 'interleaved' }, got an object",
      { name: 'head', rope: { heads: 2 } },
    ],
    ['rows of head must be first and end, got a list', { name: 'head', rows: [1] }],
  ])('%s', async (message, place) => {
    const map = (name: string) => (name === 'head' ? (place as null) : name);
    await expect(nn.assign(made(), file(), { map })).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_ARGUMENT', message: `nn.assign: ${message}` }),
    );
  });

  it('gives back what it makes', async () => {
    const model = { tokens: { weight: zeros([3, 2]) }, head: { weight: zeros([3, 2]) } };
    model.head.weight = model.tokens.weight;
    const tensors = { 'tokens.weight': counted([2, 3]), 'head.weight': counted([2, 3]) };
    const { live } = await settledMemory(device);
    await nn.assign(model, tensors, { map: (name) => ({ name, permute: [1, 0] }) });
    expect(device.info.memory.live).toBe(live);
  });
});
