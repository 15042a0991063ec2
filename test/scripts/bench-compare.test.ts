// Devices: cpu
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';

const script = path.join(import.meta.dirname, '..', '..', 'scripts', 'bench-compare.mjs');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));

interface Line {
  op: string;
  median_ms: number;
  min_ms: number;
  spread?: number;
}
let files = 0;
function fileOf(lines: (Line | string)[]): string {
  const file = path.join(folder, `${files++}.jsonl`);
  const text = lines.map((line) =>
    typeof line === 'string' ? line : JSON.stringify({ case: 'x=f32[4]', device: 'cpu', threads: 1, ...line }),
  );
  writeFileSync(file, `${text.join('\n')}\n`);
  return file;
}
function run(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...words], { encoding: 'utf8' });
  return { status, stdout, stderr };
}
const rowsOf = (before: (Line | string)[], after: (Line | string)[]) => {
  const { status, stdout } = run('--json', fileOf(before), fileOf(after));
  expect(status).toBe(0);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
};

const calm = { op: 'relu', median_ms: 2, min_ms: 1.98, spread: 0.01 };

it('marks what is beyond the noise, and nothing else', () => {
  const verdict = (after: Partial<Line>) => rowsOf([calm], [{ ...calm, ...after }])[0].verdict;
  expect(verdict({})).toBe('same');
  expect(verdict({ median_ms: 2.06, min_ms: 2.04 })).toBe('same'); // 3 %
  expect(verdict({ median_ms: 1.6, min_ms: 1.58 })).toBe('faster');
  expect(verdict({ median_ms: 2.4, min_ms: 2.38 })).toBe('slower');
  expect(verdict({ median_ms: 2.4, min_ms: 1.98 })).toBe('same'); // the best round has not moved
  expect(verdict({ median_ms: 2.4, min_ms: 2.38, spread: 0.3 })).toBe('same'); // nor beyond the rounds' spread
});

it('takes the noise from the rounds, without a spread from the least', () => {
  const [row] = rowsOf([{ op: 'relu', median_ms: 1.1, min_ms: 1 }], [{ op: 'relu', median_ms: 1.1, min_ms: 1 }]);
  expect(row.noise).toBeCloseTo(Math.hypot(0.1, 0.1), 12);
  expect(row.ratio).toBe(1);
});

it('takes several lines of a case as runs', () => {
  const [row] = rowsOf([calm, { ...calm, median_ms: 3, min_ms: 2.9 }, { ...calm, median_ms: 2.2 }], [calm]);
  expect(row.before).toMatchObject({ median: 2.2, least: 1.98, runs: 3 });
  expect(row.before.noise).toBeCloseTo(1 / 2.2, 12);
});

it('prints a table, and names what stands in one file alone', () => {
  const { status, stdout, stderr } = run(
    fileOf([calm, { ...calm, op: 'fill' }]),
    fileOf([
      { ...calm, median_ms: 1, min_ms: 0.99 },
      { ...calm, op: 'copy' },
    ]),
  );
  expect(status).toBe(0);
  expect(stdout).toMatch(/^\+ {2}0\.500 {2}0\.500 .*relu x=f32\[4\] cpu 1/m);
  expect(stdout).toMatch(/1 cases: 1 faster \(\+\), 0 slower \(-\)/);
  expect(stderr).toMatch(/only in .*: 1\n {2}fill x=f32\[4\]/);
  expect(stderr).toMatch(/only in .*: 1\n {2}copy x=f32\[4\]/);
});

it('fails where nothing can be compared', () => {
  expect(run(fileOf([calm]), fileOf([{ ...calm, op: 'copy' }])).status).toBe(1);
  expect(run(fileOf([calm])).status).toBe(2);
  expect(run(fileOf([calm]), path.join(folder, 'none'))).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/cannot be read/),
  });
  expect(run(fileOf([calm]), fileOf(['oops']))).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/:1: not a line of JSON/),
  });
  expect(run(fileOf([calm]), fileOf(['{"op":"relu"}'])).stderr).toMatch(/median_ms or min_ms is missing/);
});
