// Devices: cpu
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';

const example = (name: string, ...args: string[]): string =>
  execFileSync(process.execPath, [path.join(import.meta.dirname, '..', '..', 'examples', 'decentralized', name), ...args], { encoding: 'utf8' }); // biome-ignore format: one line

it('eight processes converge, though one is stopped, goes on, and is killed', { timeout: 120_000 }, () => {
  const text = example(
    'train.mjs',
    '--each',
    '60',
    '--stop',
    '1',
    '--unit',
    '20',
    '--error',
    '1e-3',
    '--seconds',
    '100',
  );
  expect(text).toMatch(
    /node 2 is stopped for 1 s[\s\S]*node 2 has gone on[\s\S]*node 2 is killed[\s\S]*node 2 is back/,
  );
  expect(Number(/from its snapshot and (\d+) events/.exec(text)![1])).toBeGreaterThan(0);
  expect(text).toMatch(/^converged/m);
  // Neither the stop nor the kill has left one side of a communication alone.
  expect(Number(/add up to (\S+) of/.exec(text)![1])).toBeLessThan(1e-5);
  expect(text.match(/^\d .* 0 {2,}\d+\.\d %$/gm)).toHaveLength(8);
});

it('node examples/decentralized/simulate.mjs trains as many nodes as one wants', () => {
  const text = example('simulate.mjs', '--nodes', '40', '--time', '10');
  expect(text).toMatch(/^40 nodes, 1\d\d edges/);
  expect(text).toMatch(/^time 10: \d{3} gradients/m);
});
