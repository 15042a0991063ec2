// Devices: cpu
// The record of deep runs: what is written is read again, and nothing is lost.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';

type Row = Record<'part' | 'commit' | 'date' | 'minutes' | 'machine' | 'counts' | 'seed' | 'result', string>;
const scripts = path.join(import.meta.dirname, '..', '..', 'scripts');
const { countsOf, pageOf, rowsOf } = (await import(path.join(scripts, 'deep', 'page.mjs'))) as {
  countsOf(records: { goal: string; cases: number }[]): string;
  pageOf(parts: string[], rows: Map<string, Row>): string;
  rowsOf(text: string): Map<string, Row>;
};
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
});

it('has parts of different names', () => {
  expect(new Set(parts.map((part) => part.name)).size).toBe(parts.length);
});

it('refuses parts that there are not', () => {
  const { status, stderr } = spawnSync('node', [path.join(scripts, 'deep.mjs'), 'R99'], { encoding: 'utf8' });
  expect(status).toBe(2);
  expect(stderr).toContain('R7');
});
