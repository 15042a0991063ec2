// Devices: cpu
// The command as a user calls it.
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';
import { family, matrix, writeAdapter } from './folders.ts';

const cli = path.join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');

function merge(folder: Folder, ...more: string[]) {
  const { base, models, out } = family(folder, 2);
  const args = ['merge', '--base', base, '--models', ...models, '--out', out, '--device', 'cpu', ...more];
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr, out };
}

it('writes the folder, says what it did, and shows progress in plain lines', () => {
  using folder = new Folder();
  const { status, stdout, stderr, out } = merge(folder, '--method', 'opcm', '--alpha', '0.25');
  expect(status).toBe(0);
  expect(stdout).toContain(`${out}\nopcm: base + scale·Σ clean(modelᵢ − base), alpha 0.25`);
  expect(stdout).toMatch(/4 tensors merged, 0 kept; 484 bytes of weights, 131 KB beside them meanwhile, at most /);
  expect(stdout).toMatch(/2 matrices projected, [\d.]+ % of their energy kept/);
  expect(stderr).toMatch(/^scan .*measure .*write 100 %\n$/s);
  expect(existsSync(path.join(out, 'model.safetensors'))).toBe(true);
});

it('passes options on, and answers in JSON', () => {
  using folder = new Folder();
  const options = [
    '--weights',
    '1,-0.5',
    '--scale',
    '0.2',
    '--skip',
    'model.**',
    '**.bias',
    '--shard-size',
    '1KB',
    '--dry-run',
  ];
  const { status, stdout, stderr, out } = merge(folder, '--method', 'arithmetic', ...options, '--json');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({
    formula: 'base + 0.2·((models[0] − base) − 0.5·(models[1] − base))',
    kept: ['model.embed_tokens.weight', 'layers.0.bias'],
    dryRun: true,
  });
  expect(existsSync(out)).toBe(false);
});

it('takes adapters, and says of what rank and scale they are', () => {
  using folder = new Folder();
  const layer = { a: matrix(2, 6, 1), b: matrix(7, 2, 2) };
  const adapter = writeAdapter(folder.file('adapter'), { 'layers.0.up': layer }, { r: 2, lora_alpha: 3 });
  const { base, models, out } = family(folder, 1);
  const args = ['merge', '--base', base, '--models', ...models, adapter, '--out', out, '--method', 'average'];
  for (const more of [['--dry-run'], []]) {
    const { status, stdout } = spawnSync(process.execPath, [cli, ...args, ...more], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toContain(
      `models[0] ${models[0]}\nmodels[1] ${adapter}, an adapter: rank 2, scale 1.50 in 1 tensor\n`,
    );
  }
  expect(existsSync(out)).toBe(true);
});

it('quotes the names of files that it does not know', () => {
  using folder = new Folder();
  const { base } = family(folder, 2);
  writeFileSync(path.join(base, 'a\u001b[2J\u009b1m'), '');
  const { stdout } = merge(folder, '--method', 'average', '--dry-run');
  expect(stdout).toContain('not copied: "a\\u001b[2J\\u009b1m"\n');
});

it('names flags in messages, and exits with the code of the failure', () => {
  using folder = new Folder();
  const { status, stderr } = merge(folder, '--method', 'average', '--memory-limit', '1KB');
  expect(status).toBe(1);
  expect(stderr).toMatch(/orthokit: mergeModels: --memory-limit must hold the work on tensor .* \(ERR_MEMORY\)/);
  expect(merge(new Folder(), '--method', 'magic').status).toBe(2);
});
