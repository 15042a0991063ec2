// Devices: cpu
// The command as a user calls it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Folder } from '../../files/folder.ts';
import { modelOf } from './folders.ts';

const cli = path.join(import.meta.dirname, '..', '..', '..', 'dist', 'cli', 'main.js');

function compress(folder: Folder, ...more: string[]) {
  const out = folder.file('out');
  const args = ['compress', '--base', modelOf(folder), '--out', out, '--device', 'cpu', ...more];
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr, out };
}

it('writes the folder, says what it did and what it kept, and shows progress in plain lines', () => {
  using folder = new Folder();
  const { status, stdout, stderr, out } = compress(folder, '--bits', '3', '--method', 'codebook', '--groups', '2');
  expect({ status, stderr: stderr.replaceAll(/\d+ %/g, 'n %') }).toMatchObject({ status: 0 });
  expect(stdout).toContain(`${out}\ncodebook, 3 bits; 27.9 KB of weights become `);
  expect(stdout).toMatch(
    /"model\.layers\.0\.up\.weight" \[32, 128\] F32: 2 codebooks, 16\.4 KB become 1\.66 KB, error 0\.\d+/,
  );
  expect(stdout).toMatch(/"model\.embed_tokens\.weight" kept, 2\.30 KB: a table of tokens/);
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(
    /^\d\.\d\d bits a weight in 3 matrices, 3 tensors of 2\.84 KB kept: "model/,
  );
  expect(stderr).toMatch(/^compress .*write 100 %\n$/s);
  expect(existsSync(path.join(out, 'model.safetensors'))).toBe(true);
});

it('passes options on, answers in JSON, and names flags in its messages', () => {
  using folder = new Folder();
  const json = compress(folder, '--method', 'group', '--group', '32', '--dry-run', '--json');
  expect({ status: json.status, stderr: json.stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(json.stdout)).toMatchObject({
    method: 'group',
    bits: 4,
    dryRun: true,
    tensors: [{ group: 32 }, { group: 32 }],
  });
  expect(existsSync(json.out)).toBe(false);
  const bits = compress(folder, '--method', 'group', '--group', '32', '--bits-of', '**.up.*=8', '*.=2', '--dry-run');
  expect(bits.stdout).toContain('"model.layers.0.up.weight" [32, 128] F32: 8 bits, group 32, 16.4 KB become');
  expect(bits.stdout).toContain('"model.layers.0.down.weight" [64, 32] F32: group 32, 8.19 KB become');
  expect(bits.stdout).toContain('warning: the pattern "*." of bitsOf is that of no matrix that is compressed');
  expect(compress(folder, '--method', 'group', '--bits-of', '**=9').stderr).toContain(
    "--bits-of must be GLOB=N, N from 1 to 8, got '**=9'",
  );
  const strict = compress(folder, '--method', 'group', '--group', '32', '--strict');
  expect(strict.status).toBe(1);
  expect(strict.stderr).toContain('the group 32 does not divide 33');
  const other = compress(folder, '--method', 'group', '--groups', '2');
  expect(other.stderr).toContain('--groups must be left out for the method group, got 2');
});
