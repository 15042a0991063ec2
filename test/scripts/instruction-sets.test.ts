// Devices: cpu
// scripts/instruction-sets.mjs: which sets run, and that one which does not is never taken for one that is missing.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const script = path.join(import.meta.dirname, '..', '..', 'scripts', 'instruction-sets.mjs');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
  return { status, sets: stdout.split('\n').filter(Boolean), says: stderr };
};
function file(name: string, text: string): string {
  writeFileSync(path.join(folder, name), text);
  return path.join(folder, name);
}

const avx2 = 'sse avx avx2 fma f16c bmi2';
const avx512 = `${avx2} avx512f avx512bw avx512dq avx512vl`;
const cpuinfo = (flags: string) => ['--cpuinfo', file('cpuinfo', `processor\t: 0\nflags\t\t: ${flags}\nbugs\t\t:\n`)];
/** A library that has these sets, and does something else under one of them. */
const library = (sets: string[], set = '', act = '') => [
  '--library',
  file(
    'library.mjs',
    `const set = process.env.ORTHOKIT_CPU;
     let right = true;
     if (set === '${set}') { ${act} }
     export const Device = {
       unavailable: () => (${JSON.stringify(sets)}.includes(set) ? undefined : 'this build has no kernels for ' + set),
       open: () => ({ info: { isa: set }, close() {} }),
     };
     export const ops = { gemm() {} };
     export const Tensor = { full: () => ({ read: async () => [right ? 402 : 401] }) };`,
  ),
];

describe('the instruction sets', { timeout: 60_000 }, () => {
  it('are those of this processor, and all of them compute', () => {
    const flags = readFileSync('/proc/cpuinfo', 'utf8').split('\n').find((line) => line.startsWith('flags'))?.split(' ') ?? []; // biome-ignore format: one line
    const expected = ['portable', ...(flags.includes('avx2') ? ['avx2'] : []), ...(flags.includes('avx512vl') ? ['avx512'] : [])]; // biome-ignore format: one line
    const { says, ...found } = run();
    expect(found, says).toEqual({ status: 0, sets: expected });
  });

  it('that the processor lacks are said, and are no failure', () => {
    const { status, sets, says } = run(...cpuinfo(avx2), ...library(['portable', 'avx2']));
    expect({ status, sets }).toEqual({ status: 0, sets: ['portable', 'avx2'] });
    expect(says).toMatch(/^avx512: this processor lacks it; this build has no kernels for avx512$/m);
  });

  it.each([
    [
      'crash',
      () => library(['portable', 'avx2', 'avx512'], 'avx2', "process.kill(process.pid, 'SIGKILL')"),
      'avx2',
      'SIGKILL',
    ],
    ['are not built', () => library(['portable', 'avx2']), 'avx512', 'no kernels'],
    [
      'compute wrongly',
      () => library(['portable', 'avx2', 'avx512'], 'portable', 'right = false'),
      'portable',
      'wrongly',
    ],
  ])('that %s fail', (_, args, set, words) => {
    const { status, sets, says } = run(...cpuinfo(avx512), ...args());
    expect(status).toBe(1);
    expect(sets).not.toContain(set);
    expect(says).toMatch(new RegExp(`^${set}: this processor has it; .*${words}.*: FAILED$`, 'm'));
  });

  it('that run although the processor lacks them fail', () => {
    expect(run(...cpuinfo('sse'), ...library(['portable', 'avx2'])).status).toBe(1);
  });
});
