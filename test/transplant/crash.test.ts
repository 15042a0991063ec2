// Devices: cpu
// R3: a process that is killed while it makes a new model folder.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';
import { type Ended, killed } from '../files/killed.ts';
import { uniform } from '../support/data.ts';
import { goal } from '../support/goal.ts';
import { byteLevelTokenizer, type Rows, writeModel } from './models.ts';

const runAndKill = (options: object, kill?: Parameters<typeof killed>[2]): Promise<Ended> =>
  killed('transplant', options, kill);
const kills = goal('R3', { ci: 6, deep: 1000 });

it('R3: a kill at any time leaves the new folder whole or none, and the next run goes on', {
  ...kills.tagged,
  timeout: kills.limit(60_000),
}, async () => {
  using folder = new Folder();
  const table = (rows: number, columns: number, seed: number): Rows => {
    const next = uniform(seed);
    return Array.from({ length: rows }, () => Array.from({ length: columns }, () => 2 * next() - 1));
  };
  const shared = Array.from({ length: 60 }, (_, i) => ` s${i}`);
  const others = Array.from({ length: 200 }, (_, i) => `n${i}`);
  const base = writeModel(folder.file('base'), {
    tokenizer: byteLevelTokenizer(shared),
    ...{ embed: table(60, 16, 1), lmHead: table(60, 16, 2), shards: 2, generationConfig: { eos_token_id: 1 } },
  });
  const donor = writeModel(folder.file('donor'), {
    tokenizer: byteLevelTokenizer([...shared, ...others]),
    embed: table(260, 12, 3),
  });
  const options = (out: string) => ({ base, donor, out: folder.file(out), k: 4, batchSize: 8, device: 'cpu' });
  const contents = (out: string): Record<string, string> =>
    Object.fromEntries(
      readdirSync(folder.file(out))
        .sort()
        .map((file) => [file, readFileSync(path.join(folder.file(out), file), 'latin1')]),
    );
  const whole = (await runAndKill(options('whole')))!;
  const expected = contents('whole');
  expect(Object.keys(expected).length).toBeGreaterThanOrEqual(6);
  const seen = { midway: 0, ended: 0 };
  await kills.each(async (seed) => {
    const part = uniform(seed)();
    // A delay hits any moment; how far the run is by then depends on what else the machine does.
    const report = Math.floor(part * whole.reports);
    await runAndKill(options('out'), seed % 2 === 0 ? { delay: 1.2 * whole.ms * part } : { report });
    if (existsSync(folder.file('out'))) {
      seen.ended += 1;
      expect(contents('out')).toEqual(expected);
      rmSync(folder.file('out'), { recursive: true });
    } else if (existsSync(folder.file('out.partial'))) seen.midway += 1;
  });
  expect((await runAndKill(options('out')))?.reports).toBeGreaterThan(0);
  expect(contents('out')).toEqual(expected);
  expect(folder.names).toEqual(['base', 'donor', 'out', 'whole']);
  // Else the kills have hit nothing of interest.
  if (kills.count > 1) expect(seen.midway).toBeGreaterThan(0);
  if (kills.deep) expect(seen.ended).toBeGreaterThan(kills.count / 100);
});
