// Devices: cpu
// R3: a process that is killed while it compresses a model.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Folder } from '../../files/folder.ts';
import { killed } from '../../files/killed.ts';
import { uniform } from '../../support/data.ts';
import { goal } from '../../support/goal.ts';
import { modelOf } from './folders.ts';

const kills = goal('R3', { ci: 4, deep: 1000 });

it('R3: a kill at any time leaves the new folder whole or none, and the next run goes on to the same bytes', {
  ...kills.tagged,
  timeout: kills.limit(60_000),
}, async () => {
  using folder = new Folder();
  const base = modelOf(folder, { shards: 3 });
  const options = (out: string) => ({ base, out: folder.file(out), method: 'codebook', bits: 3, device: 'cpu' });
  const contents = (out: string): Record<string, string> =>
    Object.fromEntries(
      readdirSync(folder.file(out))
        .sort()
        .map((file) => [file, readFileSync(path.join(folder.file(out), file), 'latin1')]),
    );
  const whole = (await killed('compressModel', options('whole')))!;
  const expected = contents('whole');
  expect(Object.keys(expected)).toContain('compress.json');
  const seen = { midway: 0 };
  await kills.each(async (seed) => {
    const part = uniform(seed)();
    const report = Math.floor(part * whole.reports);
    await killed('compressModel', options('out'), seed % 2 === 0 ? { delay: 1.2 * whole.ms * part } : { report });
    if (existsSync(folder.file('out'))) {
      expect(contents('out')).toEqual(expected);
      rmSync(folder.file('out'), { recursive: true });
    } else if (existsSync(folder.file('out.partial'))) seen.midway += 1;
  });
  await killed('compressModel', options('out'));
  expect(contents('out')).toEqual(expected);
  expect(folder.names).toEqual(['base', 'out', 'whole']);
  if (kills.count > 1) expect(seen.midway).toBeGreaterThan(0);
});
