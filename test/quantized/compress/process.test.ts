// Devices: cpu
// Seen in whole processes alone: the memory that the work takes, and what another one loads.
import { spawnSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Device, Tensor } from '../../../lib/index.ts';
import { type CodebookLinear, compressModel, loadCompressed, type QuantLinear } from '../../../lib/quantized/index.ts';
import { fileBytes } from '../../files/bytes.ts';
import { Folder } from '../../files/folder.ts';
import { matrix, writeParts } from '../../merging/folders.ts';

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

it('loads in a new process to the same bits of products', async () => {
  using folder = new Folder();
  for (const method of ['group', 'codebook'] as const) {
    const base = writeParts(folder.file(`${method} base`), { tensors: { 'a.weight': matrix(24, 96, 1) } });
    const out = folder.file(method);
    await compressModel({ base, out, method, bits: 3, device: 'cpu', ...(method === 'group' && { group: 32 }) });
    await using device = Device.open('cpu', { threads: 1 });
    const { 'a.weight': layer } = await loadCompressed(out, device);
    const rows = Float32Array.from(matrix(5, 96, 2).flat());
    using y = (layer as QuantLinear | CodebookLinear).apply(Tensor.from(device, rows, [5, 96])) as Tensor;
    const bits = Buffer.from((await y.read()).buffer).toString('hex');
    const library = (name: string) => path.join(import.meta.dirname, '..', '..', '..', 'dist', name);
    const script = `import { Device, Tensor } from ${JSON.stringify(library('index.js'))};
      import { loadCompressed } from ${JSON.stringify(library('quantized/index.js'))};
      const device = Device.open('cpu', { threads: 3 });
      const { 'a.weight': layer } = await loadCompressed(${JSON.stringify(out)}, device);
      const y = layer.apply(Tensor.from(device, Float32Array.from(${JSON.stringify([...rows])}), [5, 96]));
      console.log(Buffer.from((await y.read()).buffer).toString('hex'));
      await device.close();`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect({ stdout, stderr }).toEqual({ stdout: `${bits}\n`, stderr: '' });
    expect(bits).not.toMatch(/^0*$/);
  }
});

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
