// Devices: cpu
// Seen in whole processes alone: the memory that the work takes.
import { spawnSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { fileBytes } from '../../files/bytes.ts';
import { Folder } from '../../files/folder.ts';
import { writeParts } from '../../merging/folders.ts';

/** A model whose one matrix is so large, of zeros that take no space on the disk. */
function largeModel(folder: string, dtype: 'F32' | 'F64', shape: readonly [number, number]): string {
  writeParts(folder, { tensors: { small: [[1]] } });
  const bytes = (dtype === 'F32' ? 4 : 8) * shape[0] * shape[1];
  const header = JSON.stringify({ large: { dtype, shape, data_offsets: [0, bytes] } });
  const file = path.join(folder, 'model.safetensors');
  writeFileSync(file, fileBytes(header, Buffer.alloc(0)));
  truncateSync(file, 8 + header.length + bytes);
  return folder;
}

it.each([
  ['F32', 4, [1, 2 ** 25]],
  ['F64', 8, [4096, 8192]],
] as const)('takes no more memory than a dry run says by groups: %s, %d bits', (dtype, bits, shape) => {
  using folder = new Folder();
  const base = largeModel(folder.file('base'), dtype, shape);
  const options = { base, out: folder.file('out'), method: 'group', bits, device: 'cpu' };
  const library = path.join(import.meta.dirname, '..', '..', '..', 'dist', 'quantized', 'index.js');
  const script = `import { compressModel } from ${JSON.stringify(library)};
    const options = ${JSON.stringify(options)};
    const { memoryBytes } = await compressModel({ ...options, dryRun: true });
    await compressModel(options);
    console.log(JSON.stringify({ said: memoryBytes, had: 1024 * process.resourceUsage().maxRSS }));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  const { said, had } = JSON.parse(stdout) as { said: number; had: number };
  expect(had).toBeLessThan(said);
});
