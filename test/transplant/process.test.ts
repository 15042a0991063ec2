// Devices: cpu
// Seen in whole processes alone: that a kill loses nothing, and how much memory it takes.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { fileBytes } from '../files/bytes.ts';
import { Folder } from '../files/folder.ts';
import { splitmix } from '../support/splitmix.ts';
import { byteLevelTokenizer, type Rows, tensorOf, writeModel } from './models.ts';

/** Bytes that a process of its own has resident at its peak, which transplants by these options. */
function peakMemory(options: Record<string, unknown>): number {
  const library = path.join(import.meta.dirname, '..', '..', 'dist', 'index.js');
  const script = `import { transplant } from ${JSON.stringify(library)};
    await transplant(${JSON.stringify(options)});
    console.log(process.resourceUsage().maxRSS);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return Number(stdout) * 1024;
}

const cli = path.join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');

function numbers(rows: number, columns: number, seed: number): Rows {
  const next = splitmix(seed);
  return Array.from({ length: rows }, () =>
    Array.from({ length: columns }, () => Math.floor(next() * 255 - 127) / 128),
  );
}

it('a run that is killed again and again ends in the same bytes', async () => {
  using folder = new Folder();
  const shared = Array.from({ length: 300 }, (_, i) => ` s${i}`);
  const tokens = Array.from({ length: 1200 }, (_, i) => `n${i}`);
  writeModel(folder.file('base'), {
    tokenizer: byteLevelTokenizer(shared),
    embed: numbers(300, 32, 1),
    lmHead: numbers(300, 32, 2),
    shards: 2,
    dtype: 'BF16',
  });
  writeModel(folder.file('donor'), {
    tokenizer: byteLevelTokenizer([...shared, ...tokens]),
    embed: numbers(1500, 24, 3),
  });
  const args = (out: string): string[] => {
    const folders = ['--base', folder.file('base'), '--donor', folder.file('donor'), '--out', folder.file(out)];
    return [cli, 'transplant', ...folders, '-k', '8', '--device', 'cpu', '--batch-size', '8'];
  };
  expect(spawnSync(process.execPath, args('whole')).status).toBe(0);
  for (const enough of [0, 30, 60, 100]) {
    const child = spawn(process.execPath, args('out'), { stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = new Promise((resolve) => child.on('close', resolve));
    let seen = '';
    child.stderr.on('data', (data) => {
      seen += data;
      const [, percent] = [...seen.matchAll(/approximate (\d+) %/g)].at(-1) ?? [];
      if (Number(percent) >= enough) child.kill('SIGKILL');
    });
    await ended;
    // A later kill may come when the work is done.
    if (enough === 0) expect(folder.names).toContain('out.partial');
    if (!folder.names.includes('out.partial')) break;
  }
  if (folder.names.includes('out.partial')) {
    const { status, stdout } = spawnSync(process.execPath, [...args('out'), '--json'], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(JSON.parse(stdout).resumed).toBe(true);
  }
  expect(folder.names).toEqual(['base', 'donor', 'out', 'whole']);
  for (const file of ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'config.json']) {
    const read = (out: string): Buffer => readFileSync(path.join(folder.file(out), file));
    expect(read('out').equals(read('whole')), file).toBe(true);
  }
});

it('takes the memory of the tables and not of the model', () => {
  using folder = new Folder();
  const [count, columns] = [4000, 64];
  const tokens = Array.from({ length: count }, (_, i) => ` t${i}`);
  const donor = writeModel(folder.file('donor'), {
    tokenizer: byteLevelTokenizer([...tokens, 'new']),
    embed: numbers(count + 1, columns, 1),
    dtype: 'BF16',
  });
  const table = tensorOf(numbers(count, columns, 2), 'BF16');
  const peak = (otherBytes: number): number => {
    const base = writeModel(folder.file(`base${otherBytes}`), { tokenizer: byteLevelTokenizer(tokens), embed: [[1]] });
    const length = table.bytes.length;
    const header = {
      'model.embed_tokens.weight': { dtype: 'BF16', shape: table.shape, data_offsets: [0, length] },
      'model.big.weight': { dtype: 'U8', shape: [otherBytes], data_offsets: [length, length + otherBytes] },
    };
    const file = path.join(base, 'model.safetensors');
    writeFileSync(file, fileBytes(JSON.stringify(header), table.bytes));
    truncateSync(file, 8 + JSON.stringify(header).length + length + otherBytes);
    return peakMemory({ base, donor, out: folder.file(`out${otherBytes}`), k: 4, device: 'cpu' });
  };
  const [small, large] = [peak(1024), peak(2 ** 27)];
  expect(large - small).toBeLessThan(2 ** 26);
});

it('takes memoryLimit for rows of shared tokens and of their Gram matrix, and no more', () => {
  using folder = new Folder();
  const [count, columns, limit] = [6000, 32, 2 ** 25];
  const tokens = Array.from({ length: count }, (_, i) => ` t${i}`);
  const others = Array.from({ length: 400 }, (_, i) => ` n${i}`);
  const all = [...tokens, ...others];
  const base = writeModel(folder.file('base'), {
    tokenizer: byteLevelTokenizer(tokens),
    embed: numbers(count, columns, 1),
  });
  const donor = writeModel(folder.file('donor'), {
    tokenizer: byteLevelTokenizer(all),
    embed: numbers(all.length, columns, 2),
  });
  const peak = (method: string): number =>
    peakMemory({ base, donor, out: folder.file(method), k: 4, method, memoryLimit: limit, device: 'cpu' });
  // The Gram matrix would take 137 MB; 64 MB are for what kernels need.
  expect(peak('omp') - peak('mean')).toBeLessThan(limit + 2 ** 26);
});
