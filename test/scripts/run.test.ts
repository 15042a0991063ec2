// Devices: cpu
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit run '));
afterAll(() => rmSync(folder, { recursive: true }));

/** run.sh in a checkout whose build ends with the given status and whose demo says that it ran. */
function run(command: string, buildStatus: number): { status: number | null; stdout: string } {
  for (const name of ['scripts', 'node_modules', 'examples/digits'])
    mkdirSync(path.join(folder, name), { recursive: true });
  for (const name of ['run.sh', 'require-packages.sh'])
    cpSync(path.join(root, 'scripts', name), path.join(folder, 'scripts', name));
  writeFileSync(path.join(folder, 'package-lock.json'), '{}');
  writeFileSync(path.join(folder, 'node_modules', '.package-lock.json'), '{}');
  writeFileSync(path.join(folder, 'scripts', 'gyp-build.cjs'), `process.exit(${buildStatus});`);
  writeFileSync(path.join(folder, 'examples', 'digits', 'train.mjs'), 'console.log("the demo ran");');
  const { status, stdout } = spawnSync('bash', ['scripts/run.sh', command], { cwd: folder, encoding: 'utf8' });
  return { status, stdout };
}

it.each(['demo', 'test', 'soak', 'cuda', 'build'])('%s ends where the build fails, with its status', (command) => {
  expect(run(command, 3)).toEqual({ status: 3, stdout: '' });
});
