// Devices: cpu
// Seen in whole processes alone: the memory that a merge takes.
import { spawnSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { mergeModels } from '../../lib/merging/index.ts';
import { fileBytes } from '../files/bytes.ts';
import { Folder } from '../files/folder.ts';
import type { Rows } from '../transplant/models.ts';
import { matrix, writeAdapter, writeParts } from './folders.ts';

/** The words of a dry run, and the bytes that the process had resident at its peak. */
function memoryOf(options: object): { said: number; had: number } {
  const library = path.join(import.meta.dirname, '..', '..', 'dist', 'merging', 'index.js');
  const script = `import { mergeModels } from ${JSON.stringify(library)};
    const options = ${JSON.stringify({ ...options, device: 'cpu' })};
    const { memoryBytes } = await mergeModels({ ...options, dryRun: true });
    await mergeModels(options);
    console.log(JSON.stringify({ said: memoryBytes, had: 1024 * process.resourceUsage().maxRSS }));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as { said: number; had: number };
}

/** A model whose one tensor is so large, of zeros that take no space on the disk. */
function largeModel(folder: string, shape: readonly number[]): string {
  writeParts(folder, { tensors: { small: [[1]] } });
  const elements = shape.reduce((a, b) => a * b);
  const header = JSON.stringify({ 'large.weight': { dtype: 'F32', shape, data_offsets: [0, 4 * elements] } });
  const file = path.join(folder, 'model.safetensors');
  writeFileSync(file, fileBytes(header, Buffer.alloc(0)));
  truncateSync(file, 8 + header.length + 4 * elements);
  return folder;
}

it('takes no more memory than a dry run says, however large a tensor is', () => {
  using folder = new Folder();
  const [base, one, two] = ['base', 'one', 'two'].map((name) => largeModel(folder.file(name), [2 ** 23]));
  const { said, had } = memoryOf({ base, models: [one, two], out: folder.file('out'), method: 'average' });
  expect(had).toBeLessThan(1.1 * said);
});

it('takes no more memory than a dry run says for many models that ties trims', () => {
  using folder = new Folder();
  const base = largeModel(folder.file('base'), [2 ** 18]);
  const models = Array.from({ length: 30 }, (_, i) => largeModel(folder.file(`model${i}`), [2 ** 18]));
  const { said, had } = memoryOf({ base, models, out: folder.file('out'), method: 'ties' });
  expect(had).toBeLessThan(1.1 * said);
});

it.each([
  ['average', 512, 2 ** 15],
  ['opcm', 1024, 2 ** 13],
])('takes no more memory than a dry run says for the factors of adapters, by %s', (method, rows, columns) => {
  using folder = new Folder();
  const rank = 200;
  const base = largeModel(folder.file('base'), [rows, columns]);
  const layer = { a: Array(rank).fill(Array(columns)), b: Array(rows).fill(Array(rank)) };
  const ones = (x: Rows) => {
    const shape = [x.length, x[0]!.length];
    return { dtype: 'F32', shape, bytes: Buffer.from(new Float32Array(shape[0]! * shape[1]!).fill(1).buffer) };
  };
  const models = [1, 2].map((i) =>
    writeAdapter(folder.file(`adapter${i}`), { large: layer }, { r: rank, lora_alpha: rank }, ones),
  );
  const { said, had } = memoryOf({ base, models, out: folder.file('out'), method });
  expect(had).toBeLessThan(1.1 * said);
});

it('takes no more memory than a dry run says for the largest matrix that opcm projects', () => {
  using folder = new Folder();
  const models = [1, 2, 3].map((seed) => {
    const tensors = { w: matrix(1024, 640, seed), v: matrix(64, 64, seed) };
    return writeParts(folder.file(`model${seed}`), { tensors });
  });
  const { said, had } = memoryOf({ base: models[0], models: models.slice(1), out: folder.file('out'), method: 'opcm' });
  expect(had).toBeLessThan(1.1 * said);
});

it.each([
  [4096, 4096],
  [11008, 4096],
  [4096, 11008],
])('says that opcm takes at most three matrices more for one of %d × %d', async (rows, columns) => {
  using folder = new Folder();
  const said = async (name: string, shape: readonly number[]): Promise<number> => {
    const model = largeModel(folder.file(name), shape);
    // Nothing is decomposed for a single model.
    const options = {
      base: model,
      models: [model, model],
      out: folder.file('out'),
      method: 'opcm',
      dryRun: true,
    } as const;
    const own = process.memoryUsage().rss;
    return (await mergeModels(options)).memoryBytes - own;
  };
  const more = (await said('large', [rows, columns])) - (await said('small', [512, 512]));
  expect(more).toBeGreaterThan(4 * 2 * rows * columns);
  // The growth of this process meanwhile is no part of it.
  expect(more).toBeLessThan(4 * 3 * rows * columns + 2 ** 25);
});
