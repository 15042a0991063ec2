// Devices: cpu
// What `npm run new` makes, in a folder of its own.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));
mkdirSync(path.join(folder, 'scripts'));
copyFileSync(path.join(root, 'scripts', 'new.mjs'), path.join(folder, 'scripts', 'new.mjs'));

const make = (...words: string[]) =>
  spawnSync(process.execPath, [path.join(folder, 'scripts', 'new.mjs'), ...words], { encoding: 'utf8' });

it('makes of an operation what every backend and every test demands of it, as CONTRIBUTING tells', () => {
  const { status, stdout } = make('op', 'rows/row_scale');
  expect(status).toBe(0);
  const files = stdout.trim().split('\n');
  const backends = ['native/cpu/kernels/rows/row_scale.cpp', 'native/cuda/kernels/rows/row_scale.cu'];
  expect(files).toEqual(expect.arrayContaining(backends));
  const page = readFileSync(path.join(root, 'CONTRIBUTING.md'), 'utf8');
  const named = [...page.matchAll(/^\| `((?:native|test)\/\S*row[_-]scale\S*)` \|/gm)].map(([, file]) => file);
  expect(named.sort()).toEqual(files.sort());
  expect(page).toContain(`Counted with this example: ${files.length} new files`);
  for (const file of backends)
    expect(readFileSync(path.join(folder, file), 'utf8')).toContain('ORTHOKIT_KERNEL(RowScale, row_scale);');
});

it('makes an optimizer, and writes over nothing', () => {
  expect(make('optimizer', 'x').status).toBe(0);
  expect(readdirSync(path.join(folder, 'lib', 'optimizers'))).toEqual(['x.ts']);
  expect(make('optimizer', 'x')).toMatchObject({ status: 1, stderr: 'lib/optimizers/x.ts exists already\n' });
  for (const name of ['row_scale', 'rows/Row', 'rows/']) expect(make('op', name).status).toBe(2);
});
