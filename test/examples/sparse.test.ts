// Devices: cpu
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';

it('node examples/sparse/atoms.mjs draws approximations that come nearer with each atom', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  const script = path.join(import.meta.dirname, '..', '..', 'examples', 'sparse', 'atoms.mjs');
  const text = execFileSync(process.execPath, [script, '--images', folder], { encoding: 'utf8' });
  const left = [...text.matchAll(/^k (\d): \1 atoms, ([\d.]+) %/gm)].map(([, , share]) => Number(share));
  expect(left).toHaveLength(3);
  for (const k of [1, 2]) expect(left[k]!).toBeLessThan(left[k - 1]! / 1.5);
  expect(readFileSync(path.join(folder, 'atoms.png')).subarray(1, 4).toString()).toBe('PNG');
});
