// Devices: cpu, cuda
// R7, R8, R9: random programs and refusals over every operation that there is, by orthokit_torture of build/cpu, or of
// the folder of the CUDA plug-in.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { devices, kind, onlyCpu } from '../support/devices.ts';
import { goal } from '../support/goal.ts';

// The emulator takes some hundred times as long.
const programs = goal('R7', kind === 'cpu' ? { ci: 300, deep: 30_000 } : { ci: 30, deep: 600 });
const sameBits = goal('R8', kind === 'cpu' ? { ci: 50, deep: 5000 } : { ci: 5, deep: 100 });
const claims = goal('R9', { ci: 1, deep: 1 });
const plugin = process.env['ORTHOKIT_CUDA_PLUGIN'];
const folder = kind === 'cuda' && plugin ? path.dirname(plugin) : path.join('build', 'cpu');
const file = path.resolve(import.meta.dirname, '..', '..', folder, 'orthokit_torture');

/** The counts that it ends with; throws what it found wrong, with the command that repeats it. */
function torture(own: { replay(seed: number): string }, ...args: string[]): Record<string, number> {
  const { status, signal, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  const lines = stdout.trim().split('\n').filter(Boolean);
  if (status === 0) return JSON.parse(lines.at(-1)!);
  const found = /"seed":(\d+)/.exec(stdout);
  const again = found ? own.replay(Number(found[1])) : `it ended with ${status ?? signal}`;
  throw new Error(`${lines.slice(0, 5).join('\n')}${stderr}\n${again}`);
}
const sized = ({ seed, count }: { seed: number; count: number }): string[] =>
  ['--device', kind, '--seed', seed, '--count', count].map(String);

/** The instruction sets that must have run: all that the processor has, where they are built; one that is named, always. */
function expectedSets(): string[] {
  const named = process.env['ORTHOKIT_REQUIRE_ISA'];
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' ') ?? [];
  const own = { avx512: ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl'], avx2: ['avx2', 'fma', 'f16c', 'bmi2'] };
  const sets = Object.entries(own).filter(([, needed]) => needed.every((flag) => flags.includes(flag)));
  return [...new Set(['portable', ...sets.map(([set]) => set), ...(named ? [named] : [])])];
}

describe.each(devices)('R7: random programs on the %s', programs.tagged, () => {
  it(
    'are within rounding of the references, on each instruction set',
    () => {
      const counts = torture(programs, 'programs', ...sized(programs));
      expect(counts['programs']).toBe(programs.count);
      if (programs.count >= 300) expect(counts['unseen']).toBe(0);
      if (kind === 'cpu') for (const set of expectedSets()) expect(counts[set], `kernels for ${set}`).toBe(1);
      // Elements that the judge lets pass: one that may or may not be finite, or whose bound says little.
      const { elements = 0, waived = 0, wide = 0 } = counts;
      console.log(`R7: ${elements} elements judged, ${waived} of them waived, ${wide} by a wide bound`);
      expect(elements).toBeGreaterThan(programs.count * 1000);
      expect(waived + wide).toBeLessThanOrEqual(0.01 * elements);
      programs.record(programs.count);
    },
    programs.limit(300_000),
  );
});

describe.each(onlyCpu)('R7: the judge of programs on the %s', programs.tagged, () => {
  it('convicts a result of which one element is a thousandth off, however small it is', () => {
    const { planted = 0, convicted = 0, smallest = 0, coarse } = torture(programs, 'convictions');
    expect(planted).toBeGreaterThan(5_000_000);
    expect(convicted).toBeGreaterThan(0.999 * planted);
    expect(smallest).toBeGreaterThan(300); // tensors whose smallest element was wrong, each found
    // Tensors for whose elements the reference allows more than a thousandth, and which nothing is planted in.
    expect(coarse).toBeLessThanOrEqual((0.02 / 0.98) * smallest);
  });
});

describe.each(devices)('R8: random programs on the %s', sameBits.tagged, () => {
  it(
    'give the same bits with any number of threads, again, and awaited or queued',
    () => {
      const counts = torture(sameBits, 'same-bits', ...sized(sameBits));
      expect(counts['runs']).toBe((kind === 'cpu' ? 12 : 4) * sameBits.count);
      sameBits.record(sameBits.count);
    },
    sameBits.limit(300_000),
  );
});

describe.each(onlyCpu)(
  'R9: every operation of the %s, with each dtype and rank of each operand,',
  claims.tagged,
  () => {
    it('is right, or throws a coded error at the call and changes nothing', () => {
      const counts = torture(claims, 'claims');
      expect(counts['accepted']).toBeGreaterThan(1000);
      expect(counts['refused']).toBeGreaterThan(5000);
    });
  },
);
