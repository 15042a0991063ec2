// Devices: cpu
// Facts that a merge finds before it reads weights: headers, space and memory of models as large as real ones.
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { calls } from '../../lib/files/calls.ts';
import { mergeModels } from '../../lib/merging/index.ts';
import { fileBytes } from '../files/bytes.ts';
import { restoreCalls } from '../files/failing.ts';
import { Folder } from '../files/folder.ts';
import { family } from './folders.ts';

afterEach(restoreCalls);

/** Tensors of a model of seven thousand million weights. */
function shapes(): Record<string, number[]> {
  const layer = (i: number): Record<string, number[]> =>
    Object.fromEntries(
      [
        ['input_layernorm', [4096]],
        ['mlp.down_proj', [4096, 11008]],
        ['mlp.gate_proj', [11008, 4096]],
        ['mlp.up_proj', [11008, 4096]],
        ['post_attention_layernorm', [4096]],
        ...['q', 'k', 'v', 'o'].map((name) => [`self_attn.${name}_proj`, [4096, 4096]]),
      ].map(([name, shape]) => [`model.layers.${i}.${name}.weight`, shape as number[]]),
    );
  const layers = Array.from({ length: 32 }, (_, i) => layer(i));
  const ends = {
    'model.embed_tokens.weight': [32000, 4096],
    'model.norm.weight': [4096],
    'lm_head.weight': [32000, 4096],
  };
  return Object.assign({}, ...layers, ends) as Record<string, number[]>;
}

/** Of 16 bits, in three files of zeros that take no space on the disk. */
function writeLarge(folder: string): void {
  mkdirSync(folder);
  const names = Object.entries(shapes());
  const each = Math.ceil(names.length / 3);
  const weightMap: Record<string, string> = {};
  for (let shard = 0; shard < 3; ++shard) {
    const file = `model-0000${shard + 1}-of-00003.safetensors`;
    const header: Record<string, object> = {};
    let begin = 0;
    for (const [name, shape] of names.slice(shard * each, (shard + 1) * each)) {
      const end = begin + 2 * shape.reduce((a, b) => a * b);
      header[name] = { dtype: 'BF16', shape, data_offsets: [begin, end] };
      weightMap[name] = file;
      begin = end;
    }
    const bytes = fileBytes(JSON.stringify(header), Buffer.alloc(0));
    writeFileSync(path.join(folder, file), bytes);
    truncateSync(path.join(folder, file), bytes.length + begin);
  }
  writeFileSync(path.join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
}

it('plans a merge of four large models by their headers alone', async () => {
  using folder = new Folder();
  const paths = ['base', 'one', 'two', 'three', 'four'].map((name) => folder.file(name));
  for (const model of paths) writeLarge(model);
  const real = calls.read;
  let bytes = 0;
  calls.read = async (file, into, position) => {
    const count = await real(file, into, position);
    bytes += count;
    return count;
  };
  calls.free = async () => 1e15;
  const [base, ...models] = paths as [string, ...string[]];
  const options = { base, models, out: folder.file('out'), method: 'opcm', dryRun: true, memoryLimit: 1e12 } as const;
  const report = await mergeModels(options);
  expect(report.tensors.length).toBe(291);
  expect(report.bytes).toBe(2 * 6_738_415_616);
  expect(bytes).toBeLessThan(2e6);
  const wrong = { ...options, models: [...models.slice(1), family(new Folder()).base] };
  await expect(mergeModels(wrong)).rejects.toMatchObject({ message: expect.stringContaining('of the base alone') });
  expect(folder.names).toEqual(['base', 'four', 'one', 'three', 'two']);
});

it('asks for the bytes of the new files and a twentieth more, in a dry run, too', async () => {
  using folder = new Folder();
  const { base, models, out } = family(folder);
  for (const dryRun of [true, false]) {
    calls.free = async () => Math.ceil(1.05 * 484) - 1;
    await expect(mergeModels({ base, models, out, method: 'average', dryRun })).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining('out must have 509 bytes of free space, got 508'),
    });
  }
  calls.free = async () => 509;
  expect((await mergeModels({ base, models, out, method: 'average' })).bytes).toBe(484);
});

it('finds out in a dry run that a device cannot be had', async () => {
  using folder = new Folder();
  const options = { ...family(folder), method: 'average', device: 'cuda:99', dryRun: true } as const;
  await expect(mergeModels(options)).rejects.toMatchObject({ code: 'ERR_BACKEND' });
  expect(folder.names).toEqual(['base', 'model0', 'model1']);
});
