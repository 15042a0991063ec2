// Devices: cpu
// orthokit_bench --verify --against: what an earlier run said of the same bits is said again, and nothing else is.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';

const bench = path.join(import.meta.dirname, '..', '..', 'build', 'cpu', 'orthokit_bench');
const folder = new Folder();
afterAll(() => folder[Symbol.dispose]());
const written = (name: string, lines: readonly string[]): string => {
  writeFileSync(folder.file(name), lines.map((line) => `${line}\n`).join(''));
  return folder.file(name);
};
const cases = written('cases', ['gelu x=f32[33] out=f32[33]', 'fill x=f32[5x7] value=2']);

function verify(...options: string[]): { status: number | null; lines: string[]; stderr: string } {
  const env = { ...process.env, ORTHOKIT_TEST_REPORT: '' };
  const args = ['--verify', '--cases', cases, ...options];
  const { status, stdout, stderr } = spawnSync(bench, args, { encoding: 'utf8', env });
  return { status, lines: stdout.split('\n').filter((line) => line !== ''), stderr };
}
const against = (...lines: string[]) => verify('--against', written('lines', lines));

describe('a case that an earlier run has judged', () => {
  const { lines } = verify();
  const [gelu = '', fill = ''] = lines;

  it('has its line where it has its bits', () => {
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { op: 'gelu', passed: true },
      { op: 'fill', passed: true },
    ]);
    // A bound that no judgement gives.
    const other = gelu.replace(/"limit":[^,]+/, '"limit":77');
    expect(against(fill, other)).toEqual({ status: 0, lines: [other, fill], stderr: '' });
  });

  it.each([
    ['other bits', gelu.replace(/"bits":"../, '"bits":"zz')],
    ['another case', gelu.replace('f32[33]', 'f32[34]')],
    ['another device', gelu.replace('"cpu"', '"cuda"')],
    ['a failure', gelu.replace('"passed":true', '"passed":false')],
    ['half a line', gelu.slice(0, -9)],
  ])('is judged where the line tells of %s', (_, line) => {
    expect(line).not.toBe(gelu);
    expect(against(line.replace(/"limit":[^,]+/, '"limit":77'), fill)).toEqual({ status: 0, lines, stderr: '' });
  });

  it('needs a file that can be read', () => {
    expect(verify('--against', folder.file('none'))).toMatchObject({ status: 2, lines: [] });
  });
});
