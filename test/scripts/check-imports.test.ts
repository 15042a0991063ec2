// Devices: cpu
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';

const script = path.join(import.meta.dirname, '..', '..', 'scripts', 'check-imports.mjs');

/** A library without faults, with some files in place of its own. */
function check(files: Record<string, string>) {
  const root = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  const sources = {
    'index.ts': "export * from './core/tensor.ts';",
    'core/tensor.ts': 'export class Tensor {}',
    'files/file.ts': '',
    'solvers/cg.ts': '',
    'optimizers/optimizer.ts': '',
    'sparse/index.ts': "export * from './omp.ts';",
    'sparse/omp.ts': 'export const omp = 1;',
    'transport/index.ts': '',
    'transport/internal.ts': '',
    ...files,
  };
  for (const [name, text] of Object.entries(sources)) {
    const file = path.join(root, 'lib', name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
  return { status, stderr };
}

it.each([
  ['files/file.ts', "import { Tensor } from '../core/tensor.ts';"],
  ['optimizers/optimizer.ts', "import '../solvers/cg.ts';"],
  ['transport/sinkhorn.ts', "import { omp } from '../sparse/index.ts';"],
  ['sparse/omp.ts', "import type { Tensor } from '../core/tensor.ts'; import '../transport/internal.ts';"],
  ['cli/cli.ts', "import { omp } from '../sparse/omp.ts';"],
  ['sparse/parts/code.ts', "import { omp } from '../omp.ts'; import fs from 'node:fs';"],
])('lets %s %s', (file, text) => {
  expect(check({ [file]: text })).toEqual({ status: 0, stderr: '' });
});

it.each([
  ['core/tensor.ts', "import '../files/file.ts';", 'is above core'],
  ['core/tensor.ts', "import type { A } from '../optimizers/optimizer.ts';", 'is above core'],
  ['files/file.ts', "const cg = await import('../solvers/cg.ts');", 'is on the floor of files'],
  ['solvers/cg.ts', "export type { A } from '../sparse/index.ts';", 'is above solvers'],
  ['optimizers/optimizer.ts', "import '../transport/index.ts';", 'is above optimizers'],
  ['transport/sinkhorn.ts', "import { omp } from '../sparse/omp.ts';", 'is not index.ts or internal.ts'],
  ['sparse/omp.ts', "import '../index.ts';", 'is above sparse'],
  ['sparse/omp.ts', "import '../core/schema.ts';", 'does not exist'],
  ['sparse/omp.ts', "import '../../native/ops.ts';", 'is outside of lib'],
])('refuses that %s says %s', (file, text, reason) => {
  const { status, stderr } = check({ [file]: text });
  expect(status).toBe(1);
  expect(stderr).toContain(`lib/${file}: lib/`);
  expect(stderr).toContain(reason);
});

it('refuses circles of types', () => {
  const { status, stderr } = check({
    'core/tensor.ts': "import { ops } from './ops.ts'; export class Tensor {}",
    'core/ops.ts': "import type { Tensor } from './tensor.ts'; export const ops = {};",
  });
  expect(status).toBe(1);
  expect(stderr).toBe('circle: lib/core/ops.ts → lib/core/tensor.ts → lib/core/ops.ts\n');
});

it('refuses a family without a public list', () => {
  const { status, stderr } = check({ 'merging/merge.ts': '' });
  expect(status).toBe(1);
  expect(stderr).toBe('lib/merging: a family has a public list, index.ts\n');
});
