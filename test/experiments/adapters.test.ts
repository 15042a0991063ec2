// Devices: cpu
// npm run experiment -- adapters: tiny runs of every way, and a page with their verdicts.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';
import { experiment } from '../../scripts/experiments/adapters/index.mjs';
import { pageOf } from '../../scripts/experiments/adapters/page.mjs';
import { expectQuick, tellsUsage } from './quick.ts';

const root = path.join(import.meta.dirname, '..', '..');

it('runs every way in a tiny size', { timeout: 60_000 }, () => {
  const words = [path.join(root, 'scripts', 'experiments.mjs'), 'adapters', '--quick'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...tellsUsage, ...words], { encoding: 'utf8' });
  expect(stderr).toMatch(/^\{"user":\d+,"system":\d+\}$/);
  expectQuick(JSON.parse(stderr));
  expect(status).toBe(0);
  for (const way of ['full', 'LoRA, rank 1', 'LoRA, rank 8', 'LoLDU', 'FedSVD, noise 0', 'a fixed, noise 1'])
    expect(stdout).toContain(`: ${way}, rate`);
});

it('writes the best rate of each way, and says what is seen', () => {
  const better = (way: string, rate: number) => (way === 'FedSVD' ? 0.2 : 0) + (rate === 5 || rate === 1e-2 ? 0.1 : 0);
  const runs = experiment.jobs().map(({ settings }) => ({
    ...settings,
    before: 0.3,
    after: 0.5 + better(settings.way, settings.rate) + settings.seed / 100,
    numbers: 7,
  }));
  const page = pageOf(runs, '90 runs took 2 s');
  expect(page).toContain('| LoLDU | 7 | 0.01 | 62.0 % | 61.0 % – 63.0 % |');
  expect(page).toContain('| 1 | FedSVD | 5 | 82.0 % | 81.0 % – 83.0 % |');
  expect(page).toContain('- without noise *better in every seed*;\n- with noise *better in every seed*.');
});
