// Devices: emulator
// R1: every request of a solver for memory of a CUDA device fails.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';
import { writeSides } from '../faults/sides.ts';
import { Folder } from '../files/folder.ts';
import { goal } from '../support/goal.ts';

const requests = goal('R1', { ci: 1, deep: 1_000_000 });
const child = path.join(import.meta.dirname, '..', 'faults', 'children', 'cuda-solvers.mjs');

it('R1: a request of a solver for memory of a cuda device that fails', {
  ...requests.tagged,
  timeout: requests.limit(240_000),
}, () => {
  using folder = new Folder();
  writeSides(folder);
  const args = ['--expose-gc', child, folder.path, `${requests.count}`];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the child ended with ${status ?? signal}: ${stdout}${stderr.slice(-500)}`);
  const { cases, failures, problems } = JSON.parse(stdout);
  expect(problems).toEqual([]);
  expect(cases).toBeGreaterThan(15);
  expect(failures).toBeGreaterThan(requests.deep ? 400 : 30);
  requests.record(failures);
});
