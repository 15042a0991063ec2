// Devices: cpu
// R7, R8, R9: random programs and refusals over every operation that there is, by build/cpu/orthokit_torture.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { goal } from '../support/goal.ts';

const programs = goal('R7', { ci: 300, deep: 30_000 });
const sameBits = goal('R8', { ci: 50, deep: 5000 });
const claims = goal('R9', { ci: 1, deep: 1 });
const file = path.join(import.meta.dirname, '..', '..', 'build', 'cpu', 'orthokit_torture');

/** The counts that it ends with; throws what it found wrong, with the command that repeats it. */
function torture(own: { replay(seed: number): string }, ...args: string[]): Record<string, number> {
  const { status, signal, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  const lines = stdout.trim().split('\n').filter(Boolean);
  if (status === 0) return JSON.parse(lines.at(-1)!);
  const found = /"seed":(\d+)/.exec(stdout);
  const again = found ? own.replay(Number(found[1])) : `it ended with ${status ?? signal}`;
  throw new Error(`${lines.slice(0, 5).join('\n')}${stderr}\n${again}`);
}
const sized = ({ seed, count }: { seed: number; count: number }): string[] => [
  '--seed',
  `${seed}`,
  '--count',
  `${count}`,
];

describe('R7: random programs', programs.tagged, () => {
  it(
    'are within rounding of the references, on each instruction set',
    () => {
      const counts = torture(programs, 'programs', ...sized(programs));
      expect(counts['programs']).toBe(programs.count);
      if (programs.count >= 300) expect(counts['unseen']).toBe(0);
    },
    programs.limit(300_000),
  );
});

describe('R8: random programs', sameBits.tagged, () => {
  it(
    'give the same bits with any number of threads, again, and awaited or queued',
    () => {
      const counts = torture(sameBits, 'same-bits', ...sized(sameBits));
      expect(counts['runs']).toBe(12 * sameBits.count);
    },
    sameBits.limit(300_000),
  );
});

describe('R9: every operation, with each dtype and rank of each operand,', claims.tagged, () => {
  it('is right, or throws a coded error at the call and changes nothing', () => {
    const counts = torture(claims, 'claims');
    expect(counts['accepted']).toBeGreaterThan(1000);
    expect(counts['refused']).toBeGreaterThan(5000);
  });
});
