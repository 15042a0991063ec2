// Devices: cpu, cuda
// Files of PyTorch with the names of transformers load, and give the logits that PyTorch has.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, loadTensors, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { devices } from '../support/devices.ts';

const golden = path.join(import.meta.dirname, '..', 'golden');
type Layout = 'halves' | 'interleaved';

/** Steps of the names of transformers, and what they are here. */
const words: readonly (readonly [RegExp, string])[] = [
  [/^model\.embed_tokens/, 'tokens'],
  [/^model\.layers/, 'blocks'],
  [/^model\.norm/, 'norm'],
  [/^lm_head/, 'head'],
  [/input_layernorm/, 'norm1'],
  [/post_attention_layernorm/, 'norm2'],
  [/self_attn\.o_proj/, 'attention.out'],
  [/self_attn\.[qkv]_proj/, 'attention.qkv'],
  [/mlp\.(\w+)_proj/, '$1'],
];
const renamed = (name: string): string => words.reduce((text, [from, to]) => text.replace(from, to), name);
/** Rows of qkv, and how many heads they are. */
const places = { q: [0, 8, 2], k: [8, 12, 1], v: [12, 16, 0] } as const;

describe.each(devices)('files of Llama on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  function made() {
    const make = nn.init(device, { seed: 1 });
    const scale = () => ({ weight: Tensor.zeros(device, [8]) });
    const layer = (inputs: number, outputs: number) => make.linear(inputs, outputs, { bias: false });
    const block = () => ({
      norm1: scale(),
      attention: { qkv: layer(8, 16), out: layer(8, 8) },
      norm2: scale(),
      gate: layer(8, 6),
      up: layer(8, 6),
      down: layer(6, 8),
    });
    return { tokens: make.table(7, 8), blocks: [block(), block()], norm: scale(), head: layer(8, 7) };
  }
  type Llama = ReturnType<typeof made>;

  /** With the heads of these turned to another layout. */
  const mapped =
    (turned: string, to: Layout): nn.AssignMap =>
    (name) => {
      const part = /\.([qkv])_proj/.exec(name)?.[1] as keyof typeof places | undefined;
      if (!part) return renamed(name);
      const [from, end, heads] = places[part];
      const rope = turned.includes(part) ? { heads, to } : undefined;
      return { name: renamed(name), rows: [from, end], rope };
    };

  const forward =
    (layout: Layout) =>
    (m: nn.Traced<Llama>, ids: Tensor): nn.Value => {
      let x: nn.Arg = nn.embedding(m.tokens, ids);
      for (const block of m.blocks) {
        const options = { heads: 2, kvHeads: 1, rope: { layout } };
        x = nn.add(x, nn.attention(block.attention, nn.rmsNorm(block.norm1, x), options));
        const y = nn.rmsNorm(block.norm2, x);
        const gate = nn.map(nn.linear(block.gate, y), 'silu');
        x = nn.add(x, nn.linear(block.down, nn.multiply(gate, nn.linear(block.up, y))));
      }
      return nn.linear(m.head, nn.rmsNorm(m.norm, x));
    };

  /** The largest error of the logits of a file, by a model of one layout whose heads of `turned` were moved to it. */
  async function error(file: Layout, layout: Layout, turned = ''): Promise<number> {
    const name = file === 'halves' ? 'llama' : 'llama-neighbours';
    const { input, logits } = JSON.parse(readFileSync(path.join(golden, `${name}.json`), 'utf8')) as {
      input: { shape: readonly number[]; data: readonly number[] };
      logits: readonly number[];
    };
    const model = made();
    await nn.assign(model, await loadTensors(path.join(golden, `${name}.safetensors`), device), {
      map: mapped(turned, layout),
    });
    using call = nn.forward(forward(layout));
    const got = await call(model, Tensor.from(device, Int32Array.from(input.data), input.shape)).read();
    return Math.max(...logits.map((x, i) => Math.abs(x - got[i]!)));
  }

  it.each(['halves', 'interleaved'] as const)('%s give the logits of PyTorch as they are', async (layout) => {
    expect(await error(layout, layout)).toBeLessThan(1e-5);
  });

  it.each([
    ['interleaved', 'halves'],
    ['halves', 'interleaved'],
  ] as const)('%s, turned to %s, give them too', async (file, layout) => {
    expect(await error(file, layout, 'qk')).toBeLessThan(1e-5);
  });

  it.each(['', 'q', 'k'])('with only these turned, "%s", give others', async (turned) => {
    expect(await error('interleaved', 'halves', turned)).toBeGreaterThan(1e-2);
    expect(await error('halves', 'interleaved', turned)).toBeGreaterThan(1e-2);
  });
});
