// Devices: cpu
// scripts/jobs/small-cases.mjs: the cases for a processor that is emulated.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '..', '..');
const bench = path.join(root, 'build', 'cpu', 'orthokit_bench');
const run = (command: string, ...args: string[]): string => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${command} ${args} ended with ${status}: ${stderr}`);
  return stdout;
};

/** An example without its sides: operation, fields, dtypes, words and numbers. */
const formOf = (line: string): string => line.replaceAll(/\[[\dx]+\]/g, (shape) => `[${shape.replaceAll(/\d+/g, '')}]`);
const elements = (line: string): number =>
  [...line.matchAll(/\[([\dx]+)\]/g)].reduce(
    (sum, [, sides]) => sum + sides!.split('x').reduce((product, side) => product * Number(side), 1),
    0,
  );

it('has every form of every example, most of them small', () => {
  const described: { name: string; examples: string[] }[] = JSON.parse(run(bench, '--describe'));
  const examples = described.flatMap(({ name, examples }) => examples.map((example) => `${name} ${example}`));
  const cases = run(process.execPath, path.join('scripts', 'jobs', 'small-cases.mjs'), bench)
    .trim()
    .split('\n');
  expect(cases.map(formOf)).toEqual(examples.map(formOf));
  for (const [i, line] of cases.entries()) expect(elements(line)).toBeLessThanOrEqual(elements(examples[i]!));
  const products = cases.filter((line) => /^(gemm|symmetric_product) /.test(line));
  expect(products.length).toBeGreaterThan(40);
  expect(Math.max(...products.map(elements))).toBeLessThan(1 << 18);
});
