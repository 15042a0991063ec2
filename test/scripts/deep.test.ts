// Devices: cpu
// The record of deep runs: what is written is read again, and nothing is lost.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

type Row = Record<'part' | 'commit' | 'date' | 'minutes' | 'machine' | 'counts' | 'seed' | 'result', string>;
const scripts = path.join(import.meta.dirname, '..', '..', 'scripts');
const { countsOf, pageOf, rowsOf } = (await import(path.join(scripts, 'deep', 'page.mjs'))) as {
  countsOf(records: { goal: string; cases: number }[]): string;
  pageOf(parts: string[], rows: Map<string, Row>): string;
  rowsOf(text: string): Map<string, Row>;
};
const { doneOf, reasonOf } = (await import(path.join(scripts, 'deep', 'log.mjs'))) as Record<
  'doneOf' | 'reasonOf',
  (log: string) => string
>;
const { parts } = (await import(path.join(scripts, 'deep', 'parts.mjs'))) as { parts: { name: string; run: string }[] };

const row: Row = {
  part: 'R7 1/3',
  commit: '0123456789ab',
  date: '2026-01-02',
  minutes: '12.3',
  machine: 'a processor, 2 cores',
  counts: 'R7: 10,000',
  seed: '4711',
  result: 'passed',
};

it('has a row for every part, and reads what it wrote', () => {
  const page = pageOf(['R7 1/3', 'R8'], new Map([[row.part, row]]));
  const rows = rowsOf(page);
  expect([...rows.keys()]).toEqual(['R7 1/3', 'R8']);
  expect(rows.get('R7 1/3')).toEqual(row);
  expect(rows.get('R8')!.result).toBe('not yet run');
  expect(pageOf(['R7 1/3', 'R8'], rows)).toBe(page);
});

it('keeps a row in one line of as many cells, whatever stands in it', () => {
  const page = pageOf(['a'], new Map([['a', { ...row, part: 'a', result: 'FAILED:\na | b' }]]));
  expect(rowsOf(page).get('a')!.result).toBe('FAILED: a / b');
});

it('adds up what each test of a goal has done', () => {
  const records = [
    { goal: 'R3', cases: 20_000 },
    { goal: 'R3', cases: 2000 },
    { goal: 'R4', cases: 7 },
  ];
  expect(countsOf(records)).toBe('R3: 20,000 + 2,000; R4: 7');
  const alike = [6, 2000, 2000, 6, 2000].map((cases) => ({ goal: 'R10', cases }));
  expect(countsOf(alike)).toBe('R10: 2 × 6 + 3 × 2,000');
});

it('says how much was done where no goal has recorded it', () => {
  const tests = ' Test Files  1 failed | 14 passed (15)\n      Tests  1 failed | 1369 passed (1370)\n';
  expect(doneOf(`${tests}\n      Tests  31 passed (31)\n`)).toBe('1,400 tests');
  const lines = 'operations and cases verified: 812\norder of threads reverse, of streams eager, products own: …\n';
  expect(doneOf(`${lines}${lines.split('\n')[1]}\n`)).toBe('812 operations and cases, 2 orders');
  expect(doneOf('38 ratios: 0 worse, 0 better\n')).toBe('38 ratios');
  expect(doneOf('all is well\n')).toBe('');
});

it('tells of a failure how to replay it, else which test or what was said last', () => {
  const replay = 'seed=47 replay: bash scripts/run.sh replay R7 --seed 47';
  const failure = ' FAIL  test/reliability/programs.test.ts > R7 > are right';
  expect(reasonOf(`a\n${failure}\nError: 0 of 1\nR7: ${replay}\n\nR7: ${replay}8\nz\n`)).toBe(replay);
  expect(reasonOf(`a\n${failure}\nz\n`)).toBe('test/reliability/programs.test.ts > R7 > are right');
  expect(reasonOf('a\nno space left\n\n')).toBe('no space left');
});

/** Goals that tests have, by their tags. */
function goalsOfTests(): string[] {
  const folder = path.join(import.meta.dirname, '..');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts'));
  const found = files
    .filter((name) => name !== path.join('scripts', 'deep.test.ts'))
    .flatMap((name) => [...readFileSync(path.join(folder, name), 'utf8').matchAll(/(?:goal\(|\[)'(R\d+)'/g)]);
  return [...new Set(found.map(([, name]) => name!))].sort();
}

it('has a part for each goal of the tests', () => {
  const names = parts.map(({ name }) => name);
  const goals = goalsOfTests();
  expect(goals.length).toBeGreaterThan(20);
  expect(goals.filter((goal) => !names.some((name) => name === goal || name.startsWith(`${goal} 1/`)))).toEqual([]);
});

it('has a row on the page for each part, and no other', () => {
  const page = readFileSync(path.join(scripts, '..', 'docs', 'reliability-runs.md'), 'utf8');
  const names = parts.map(({ name }) => name);
  expect([...rowsOf(page).keys()]).toEqual(names);
  expect(pageOf(names, rowsOf(page))).toBe(page);
});

it('has parts of different names', () => {
  expect(new Set(parts.map((part) => part.name)).size).toBe(parts.length);
});

it('refuses parts that there are not', () => {
  const { status, stderr } = spawnSync('node', [path.join(scripts, 'deep.mjs'), 'R99'], { encoding: 'utf8' });
  expect(status).toBe(2);
  expect(stderr).toContain('R7');
});
