// Devices: cpu
// R1: every request for memory fails once.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeSides } from '../faults/sides.ts';
import { Folder } from '../files/folder.ts';
import { goal } from '../support/goal.ts';
import { compileLibrary } from '../support/library.ts';

const requests = goal('R1', { ci: 4, deep: 1_000_000 });
const child = path.join(import.meta.dirname, '..', 'faults', 'children', 'allocations.mjs');

interface Summary {
  cases: number;
  requests: number;
  failures: number;
  failedBlocks: number;
  problems: string[];
}

function run(lasting: boolean, queued: boolean): Summary {
  using folder = new Folder();
  compileLibrary(folder.path, path.join('build', 'cmake', 'faults'));
  writeSides(folder);
  const orders = folder.file('orders');
  writeFileSync(orders, new Uint8Array(56));
  const { number, of } = requests.sitting;
  const args = [folder.path, orders, requests.count, Number(lasting), Number(queued), number, of].map(String);
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', child, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    env: { ...process.env, ORTHOKIT_FAULTS: orders, ORTHOKIT_SYNC: queued ? '0' : '1' },
  });
  if (status !== 0) throw new Error(`the child ended with ${status ?? signal}: ${stdout}${stderr.slice(-500)}`);
  return JSON.parse(stdout);
}

describe('R1: a request for memory that fails', requests.tagged, () => {
  const ways = [
    ['once, each call awaited', false, false],
    ['once, calls queued', false, true],
    ['and all after it, each call awaited', true, false],
    ['and all after it, calls queued', true, true],
  ] as const;
  it.each(requests.deep ? ways : ways.slice(0, 2))(
    '%s',
    (_, lasting, queued) => {
      const { cases, failures, failedBlocks, problems } = run(lasting, queued);
      expect(problems).toEqual([]);
      const { of } = requests.sitting;
      expect(cases).toBeGreaterThan(175 / of);
      expect(failures).toBeGreaterThan((requests.deep ? 10_000 : 500) / of);
      expect(failedBlocks).toBeGreaterThan(0); // of tensors or scratch memory
      requests.record(failures);
    },
    requests.limit(300_000),
  );
});
