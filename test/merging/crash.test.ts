// Devices: cpu
// R3: a process that is killed while it merges models.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';
import { killed } from '../files/killed.ts';
import { uniform } from '../support/data.ts';
import { goal } from '../support/goal.ts';
import { family, matrix, writeAdapter } from './folders.ts';

const kills = goal('R3', { ci: 6, deep: 1000 });

it('R3: a kill at any time leaves the new folder whole or none, and the next run goes on', {
  ...kills.tagged,
  timeout: kills.limit(60_000),
}, async () => {
  using folder = new Folder();
  const { base, models: whole } = family(folder, 2, { shards: 3 });
  const layer = { a: matrix(2, 6, 1), b: matrix(7, 2, 2) };
  const adapter = writeAdapter(folder.file('adapter'), { 'layers.0.up': layer }, { r: 2, lora_alpha: 2 });
  const models = [...whole, adapter];
  const options = (out: string) => ({ base, models, out: folder.file(out), method: 'opcm', device: 'cpu' });
  const contents = (out: string): Record<string, string> =>
    Object.fromEntries(
      readdirSync(folder.file(out))
        .sort()
        .map((file) => [file, readFileSync(path.join(folder.file(out), file), 'latin1')]),
    );
  const all = (await killed('mergeModels', options('whole')))!;
  const expected = contents('whole');
  expect(Object.keys(expected)).toContain('merge.json');
  const seen = { midway: 0, ended: 0 };
  await kills.each(async (seed) => {
    const part = uniform(seed)();
    const report = Math.floor(part * all.reports);
    await killed('mergeModels', options('out'), seed % 2 === 0 ? { delay: 1.2 * all.ms * part } : { report });
    if (existsSync(folder.file('out'))) {
      seen.ended += 1;
      expect(contents('out')).toEqual(expected);
      rmSync(folder.file('out'), { recursive: true });
    } else if (existsSync(folder.file('out.partial'))) seen.midway += 1;
  });
  expect((await killed('mergeModels', options('out')))?.reports).toBeGreaterThan(0);
  expect(contents('out')).toEqual(expected);
  expect(folder.names).toEqual(['adapter', 'base', 'model0', 'model1', 'out', 'whole']);
  if (kills.count > 1) expect(seen.midway).toBeGreaterThan(0);
  if (kills.deep) expect(seen.ended).toBeGreaterThan(kills.count / 100);
});
