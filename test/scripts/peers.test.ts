// Devices: cpu
// How peers take turns, and how a sitting becomes tables.
import { execFileSync, spawnSync } from 'node:child_process';
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

/** The largest eigenvalue of the matrix `dense-100`, by SciPy's eigsh. */
const largest = '28.3513569288817';

it('runs short forms of what races methods, with a peer that only says that it is as far', () => {
  const peer = path.join(folder, 'peer.mjs');
  writeFileSync(
    peer,
    `#!${process.execPath}
import { createInterface } from 'node:readline';
for await (const line of createInterface({ input: process.stdin })) {
  const { start, method } = JSON.parse(line);
  const answer = start || method ? { version: '0', largest: ${largest} } : { milliseconds: 1, error: 0, value: ${largest}, products: 61 };
  console.log(JSON.stringify(answer));
}
`,
    { mode: 0o755 },
  );
  const lines = (script: string, ...words: string[]) =>
    execFileSync(process.execPath, [path.join(root, 'scripts', 'peers', script), ...words], {
      encoding: 'utf8',
      env: { ...process.env, ORTHOKIT_PYTHON: script === 'm-fac.mjs' ? path.join(folder, 'none') : peer },
    })
      .trim()
      .split('\n');
  const [title, ours, theirs, half] = lines('m-fac.mjs', '1', '8', '1000', '4');
  expect(title).toBe('window 8, 1000 parameters, one thread');
  expect(ours).toMatch(/^ {2}orthokit f32: \d+ ms, .* times the floor of \d+ ms$/);
  expect(theirs).toMatch(/authors': .*ENOENT$/);
  expect(half).toMatch(/^ {2}orthokit bf16: \d+ ms/);
  const [steps, accurate] = lines('lanczos.mjs', '1', '1', 'dense-100');
  expect(steps).toMatch(/^dense-100, 60 steps, 1 thread .* products 60 and 61;/);
  expect(accurate).toMatch(/^dense-100, to 1e-8, .* products \d\d and 61;/);
  const methods = [
    'BoRep',
    'MultiBlockBilevel',
    'Maid',
    'LvHba',
    'OdiceValueLearner',
    'NPgIgt',
    'Harpg',
    'NHarpg',
    'DadaoNode',
  ];
  const told = lines('oracle-steps.mjs', '0.01', '1', '1000');
  expect(told.map((line) => line.split(',')[0])).toEqual(methods);
  for (const line of told) expect(line).toMatch(/1000 parameters, 1 thread .* µs against/);
});

it('races both modes of attention whose gradients agree, and steps of optimizers that there are', () => {
  const run = (script: string, ...words: string[]) =>
    spawnSync(process.execPath, [path.join(root, 'scripts', 'peers', script), ...words], { encoding: 'utf8' });
  const { length, chain, exact, degree, error } = JSON.parse(run('lora-attention.mjs', '512', '1').stdout);
  expect([length, degree]).toEqual([512, 2]);
  expect(Math.min(chain, exact)).toBeGreaterThan(0);
  expect(error).toBeLessThan(1e-4);
  expect(run('steps.mjs', '1', 'Adam')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/^there is no case Adam; cases: AdaGrad .* Conda$/m),
  });
  expect(run('steps.mjs', '0')).toMatchObject({ status: 2, stderr: 'turns must be 1 or more, got 0\n' });
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
