// Devices: cpu
import { expect, it } from 'vitest';
import { progressOn } from '../../lib/cli/progress.ts';

function written(isTTY: boolean, stages: readonly (readonly [stage: string, done: number, total: number])[]): string {
  let all = '';
  const progress = progressOn({
    isTTY,
    write: (text) => {
      all += text;
    },
  });
  for (const [stage, done, total] of stages) progress.report({ stage, done, total });
  progress.end();
  return all;
}

const steps = Array.from({ length: 101 }, (_, i) => ['scan', i, 100] as const);

it('is a line for each tenth of a stage where nobody looks', () => {
  const lines = written(false, [...steps, ['write', 0, 0]]).split('\n');
  expect(lines).toEqual([...Array.from({ length: 11 }, (_, i) => `scan ${10 * i} %`), 'write 100 %', '']);
});

it('is one line that changes on a terminal, and is gone at the end', () => {
  const text = written(true, steps);
  expect(text.endsWith('\r\u001b[Kscan 100 %\r\u001b[K')).toBe(true);
  expect(text).not.toContain('\n');
});

it('leaves a terminal alone where nothing was reported', () => {
  expect(written(true, [])).toBe('');
});
