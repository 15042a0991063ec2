// Devices: cpu
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';

it('each mutant applies to exactly one place', () => {
  const script = path.join(import.meta.dirname, '..', '..', 'scripts', 'mutants.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, 'check'], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});
