// Devices: cpu
// How peers take turns, and how a sitting becomes tables.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readMarked } from '../../scripts/marked.mjs';
import { groups } from '../../scripts/operations.mjs';
import { parts } from '../../scripts/peers/pages.mjs';
import { verdict } from '../../scripts/peers/pages-bench.mjs';
import { sections } from '../../scripts/peers/sections.mjs';
import { number, table } from '../../scripts/peers/table.mjs';
import { isMissing, race, turn } from '../../scripts/peers/turns.mjs';

const root = path.join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A racer that notes its turn, and whose n-th process takes n milliseconds; its freed memory is its own. */
const racer = path.join(folder, 'racer.sh');
const log = path.join(folder, 'log');
writeFileSync(
  racer,
  `echo "$1 $MALLOC_MMAP_MAX_ $OMP_NUM_THREADS" >> ${log}
n=$(grep -c "^$1 " ${log})
echo '{"median_ms":'$n',"min_ms":'$n',"wall_ms":'$n'}'
`,
);
const command = (name: string) => ['bash', racer, name];

it('lets racers take turns, each a process on one thread that keeps its memory', () => {
  const lines = race(
    new Map([
      ['a', { command: command('a') }],
      ['b', { command: command('b') }],
      ['slow', { command: command('slow'), most: 1 }],
    ]),
    3,
  );
  expect(readFileSync(log, 'utf8').trim().split('\n').join()).toBe('a 0 1,b 0 1,slow 0 1,a 0 1,b 0 1,a 0 1,b 0 1');
  expect(lines.get('a')).toEqual({ median_ms: 2, min_ms: 1, wall_ms: 2, turns_ms: [1, 2, 3] });
  expect(lines.get('slow').turns_ms).toEqual([1]);
});

it('says why a racer is not there, and starts it once', () => {
  const lines = race(new Map([['none', { command: [path.join(folder, 'none')] }]]), 3);
  expect(isMissing(lines.get('none'))).toBe(true);
  const words = ['bash', '-c', `echo "ValueError: no such case" >&2; echo x >> ${folder}/starts; exit 1`];
  expect(race(new Map([['fails', { command: words }]]), 3).get('fails')).toEqual({
    skipped: 'ValueError: no such case',
  });
  expect(readFileSync(path.join(folder, 'starts'), 'utf8')).toBe('x\n');
});

it('calls a ratio below the floor a low ceiling and no target met', () => {
  expect([0.8, 1, 1.1, 1.2].map((ratio) => verdict(ratio, 1.1))).toEqual([
    'ceiling too low',
    'met',
    'met',
    'falls short',
  ]);
});

it('prints numbers of two or three digits', () => {
  expect([0.0449, 1, 9.94, 12, 12.34, 446_718, Number.NaN].map(number)).toEqual([
    ...['0.045', '1.0', '9.9', '12', '12.3', '446,718', ''],
  ]);
  expect(table(['a', 'b'], [[1, 2]])).toBe('| a | b |\n| --- | --- |\n| 1 | 2 |');
});

it('says what a process lacks, and no path of this machine', () => {
  const { skipped } = turn(['node', '--input-type=module', '-e', "import 'no-such-peer'"]) as { skipped: string };
  expect(isMissing({ skipped })).toBe(true);
  expect(skipped).toMatch(/Cannot find package 'no-such-peer'$/);
});

it('measures by programs that there are', () => {
  for (const [name, commands] of Object.entries(sections))
    for (const { command: words } of commands(3) as { command: string[] }[])
      if (words[0] === 'node') expect(existsSync(path.join(root, words[1]!)), name).toBe(true);
      else expect([...groups.keys()], name).toContain(words[1]);
});

it('has on the pages what was measured, and nothing else', () => {
  const file = path.join(root, 'docs', 'benchmarks', 'measured.json');
  const measured = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  for (const [page, own] of Object.entries(parts)) {
    const text = readFileSync(path.join(root, page), 'utf8');
    for (const [name, render] of Object.entries(own as Record<string, (all: unknown) => string>)) {
      expect(text, name).toContain(`<!-- end of ${name} -->`);
      if (measured) expect(readMarked(text, name), name).toBe(render(measured).trim());
    }
  }
});
