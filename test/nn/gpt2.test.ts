// Devices: cpu, cuda
// A file of PyTorch with GPT-2's names and layouts loads, and gives the logits that PyTorch has.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, loadTensors, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { devices } from '../support/devices.ts';
import { forwards } from './networks.ts';

const golden = path.join(import.meta.dirname, '..', 'golden');
const { problems } = JSON.parse(readFileSync(path.join(golden, 'networks.json'), 'utf8'));
const { input, logits } = problems['gpt of heads'] as {
  input: { shape: readonly number[]; data: readonly number[] };
  logits: readonly number[];
};

/** Steps of GPT-2's paths, and what they are here. */
const words: readonly (readonly [RegExp, string])[] = [
  [/^wte|^lm_head/, 'tokens'],
  [/^wpe/, 'positions'],
  [/^h/, 'blocks'],
  [/^ln_f/, 'norm'],
  [/\.ln_/, '.norm'],
  [/mlp\.c_fc/, 'up'],
  [/mlp\.c_proj/, 'down'],
  [/attn\.c_attn/, 'attention.qkv'],
  [/attn\.c_proj/, 'attention.out'],
];
const renamed = (name: string): string => words.reduce((text, [from, to]) => text.replace(from, to), name);
const isProduct = (name: string): boolean => /c_\w+\.weight$/.test(name);
const isMask = (name: string): boolean => name.endsWith('.attn.bias');

describe.each(devices)('files of GPT-2 on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  function made() {
    const make = nn.init(device, { seed: 1 });
    const block = () => ({
      norm1: make.norm(6),
      attention: { qkv: make.linear(6, 18), out: make.linear(6, 6) },
      norm2: make.norm(6),
      up: make.linear(6, 12),
      down: make.linear(12, 6),
    });
    const tokens = make.table(7, 6);
    const blocks = [block(), block()];
    return { tokens, positions: make.table(5, 6), blocks, norm: make.norm(6), head: tokens };
  }
  const file = () => loadTensors(path.join(golden, 'gpt2.safetensors'), device);
  const mapped =
    (isTurned: (name: string) => boolean): nn.AssignMap =>
    (name) => {
      if (isMask(name)) return null;
      const place = { name: name.startsWith('lm_head') ? 'head.weight' : renamed(name) };
      return isTurned(name) ? { ...place, permute: [1, 0] } : place;
    };

  async function error(model: ReturnType<typeof made>): Promise<number> {
    using call = nn.forward(forwards['gpt of heads'] as unknown as (m: typeof model, ids: Tensor) => nn.Value);
    const got = await call(model, Tensor.from(device, Int32Array.from(input.data), input.shape)).read();
    return Math.max(...logits.map((x, i) => Math.abs(x - got[i]!)));
  }

  it('give the logits of PyTorch', async () => {
    const model = made();
    await nn.assign(model, await file(), { map: mapped(isProduct) });
    expect(await error(model)).toBeLessThan(1e-5);
  });

  it('with a square product left as it is, give others', async () => {
    const model = made();
    await nn.assign(model, await file(), { map: mapped((name) => isProduct(name) && !name.includes('attn.c_proj')) });
    expect(await error(model)).toBeGreaterThan(1e-2);
  });

  it('load without the head that is tied, and not with another', async () => {
    const { 'lm_head.weight': head, ...others } = await file();
    const model = made();
    await nn.assign(model, others, { map: mapped(isProduct) });
    expect(await error(model)).toBeLessThan(1e-5);
    const wrong = Tensor.zeros(device, head!.shape);
    await expect(
      nn.assign(made(), { ...others, 'lm_head.weight': wrong }, { map: mapped(isProduct) }),
    ).rejects.toMatchObject({ code: 'ERR_STATE' });
  });

  it('say what is missing without a map', async () => {
    await expect(nn.assign(made(), await file())).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringContaining('28 missing (tokens.weight, positions.weight, blocks.0.norm1.weight'),
    });
  });
});
