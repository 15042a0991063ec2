// Devices: cpu
// Random words in place of an operation's fields, as orthokit_bench takes them: each case is run or refused in words.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';
import { goal } from '../support/goal.ts';
import { Random } from '../support/random.mjs';

// Its cases are no verification that the table of a run should count.
delete process.env['ORTHOKIT_TEST_REPORT'];
const bench = path.join(import.meta.dirname, '..', '..', 'build', 'cpu', 'orthokit_bench');
const executions = 3000;
/** A case that asks for more has its ERR_MEMORY. */
const mostKilobytes = 4 << 20;
/** Elements of a tensor, repeats and counts that a round has the time for. */
const mostElements = 40_000;
const mostTimes = 40;
const rounds = goal('R13', { ci: 6, deep: 600, unit: 'seconds' });

const numbers = ['0', '1', '2', '3', '7', '16', '33', '-1', '0.5', '1e-300', '1e300', '1e999', 'nan', 'inf', '9223372036854775807', '9223372036854775808', '4294967296', '3037000500', '0x10', '1_0', '']; // biome-ignore format: one line
const tokens = ['f32', 'f64', 'f16', 'bf16', 'i32', 'u8', '[', ']', '[]', '[0]', '[3x2]', '[1x1x1x1x1x1]', 'x', '*', '*3', '*0', '*-1', '*99999', ',', '=', ' ', '  ', '==', 'é', '\u0001', '"', '\\', '%s%n', 'a'.repeat(5000), ',f32[2]', 'f32[4294967296x4294967296]', 'f32[9223372036854775807x2]']; // biome-ignore format: one line

function changedCase(random: Random, text: string, others: readonly string[]): string {
  let now = text;
  for (let i = random.of([1, 1, 1, 2, 3]); i > 0; i -= 1) {
    const place = random.below(now.length + 1);
    const splice = (remove: number, insert: string): string => now.slice(0, place) + insert + now.slice(place + remove);
    const words = now.split(' ');
    const at = random.below(words.length);
    const way = random.below(7);
    if (way === 0) now = splice(0, random.of(tokens));
    else if (way === 1) now = splice(1 + random.below(6), '');
    else if (way === 2) now = splice(1, random.of(tokens));
    else if (way === 3) now = words.filter((_, word) => word !== at).join(' ');
    else if (way === 4) now = [...words, random.of(random.of(others).split(' '))].join(' ');
    else now = numberIn(random, now);
  }
  return now.replaceAll(/[\n\r\0]/g, ' ');
}

function numberIn(random: Random, text: string): string {
  const found = [...text.matchAll(/-?\d+(\.\d+)?(e-?\d+)?/g)];
  if (found.length === 0) return text;
  const { 0: old, index } = random.of(found);
  return text.slice(0, index) + random.of(numbers) + text.slice(index + old.length);
}

/** True for a case that is small enough to be run, or too large for any machine. */
function isQuick(text: string): boolean {
  for (const [, shape = ''] of text.matchAll(/\[([\dx]*)\]/g)) {
    const size = shape.split('x').reduce((product, side) => product * Number(side), 1);
    if (size > mostElements && size < 2 ** 40) return false;
  }
  const counts = [...text.matchAll(/[=*](\d+)(?![\d.])/g)].map(([, digits]) => Number(digits));
  return counts.every((count) => count <= mostTimes || count > 1e9);
}

interface Description {
  name: string;
  examples: string[];
}

describe('R13: fuzzing of the cases of orthokit_bench', rounds.tagged, () => {
  const examples: [name: string, text: string][] = [];
  beforeAll(async () => {
    const { stdout } = await promisify(execFile)(bench, ['--describe'], { maxBuffer: 1 << 26 });
    const parsed: unknown = JSON.parse(stdout);
    for (const op of (Array.isArray(parsed) ? parsed : (parsed as { ops: Description[] }).ops) as Description[])
      for (const example of op.examples) examples.push([op.name, example]);
  });

  it('refuses what wrapped around a sequence', async () => {
    using folder = new Folder();
    const offsets = ['9223372036854775808', '4611686018427387392'];
    writeFileSync(
      folder.file('cases'),
      offsets.map((offset) => `random x=f64[597] distribution=normal offset=${BigInt(offset) - 1n}\n`).join(''),
    );
    const ended = await promisify(execFile)(bench, ['--verify', '--cases', folder.file('cases')]).catch(
      (error: { stdout: string }) => error,
    );
    for (const offset of offsets)
      expect(ended.stdout).toContain(`random: offset must leave all elements below 2^62, got ${offset}`);
  });

  it(
    'what a seed makes of the examples passes, or is refused with a reason',
    async () => {
      expect(examples.length).toBeGreaterThan(100);
      const all = examples.map(([, text]) => text);
      const totals = { passed: 0, differed: 0, refused: 0 };
      const count = await rounds.each(async (seed) => {
        using folder = new Folder();
        const random = new Random(seed);
        const lines: string[] = [];
        while (lines.length < executions) {
          const [name, text] = random.of(examples);
          const changed = changedCase(random, text, all);
          if (isQuick(changed)) lines.push(`${name} ${changed}`);
        }
        writeFileSync(folder.file('cases'), `${lines.join('\n')}\n`);
        const command = `ulimit -v ${mostKilobytes}; exec "$0" --verify --cases "$1"`;
        const options = { timeout: 120_000, killSignal: 'SIGKILL', maxBuffer: 1 << 28 } as const;
        const ended = await promisify(execFile)('bash', ['-c', command, bench, folder.file('cases')], options).catch(
          (error: { code: unknown; stdout: string; stderr: string; signal: unknown }) => error,
        );
        const found = ended.stdout
          .split('\n')
          .filter((line) => line.startsWith('{"op"'))
          .map((line) => JSON.parse(line) as { op: string; passed: boolean; reason?: string; tensor?: string });
        const last = `after ${lines[found.length - 1]}: ${lines[found.length]}\n${ended.stderr}`;
        if ('code' in ended) expect([ended.code, ended.signal], last).toEqual([1, null]);
        expect(found.length, last).toBe(lines.length);
        for (const [i, { passed, reason }] of found.entries()) {
          if (passed) totals.passed += 1;
          // Numbers that overflow in one dtype and not in another: bounds are checked where numbers are ordinary.
          else if (reason === undefined) totals.differed += 1;
          else {
            expect(reason, lines[i]).toMatch(/^\w+: /);
            totals.refused += 1;
          }
        }
      });
      console.log(`R13, cases of orthokit_bench: ${count * executions}; ${JSON.stringify(totals)}`);
      expect(totals.passed).toBeGreaterThan(0);
      expect(totals.refused).toBeGreaterThan(0);
    },
    rounds.limit(300_000),
  );
});
