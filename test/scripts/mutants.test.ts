// Devices: cpu
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const folder = path.join(import.meta.dirname, '..', 'mutants');

interface Mutant {
  readonly id: string;
  readonly area: string;
}

it('each mutant applies to exactly one place', () => {
  const script = path.join(import.meta.dirname, '..', '..', 'scripts', 'mutants.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, 'check'], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

it('no result is of another mutant that had the same number', () => {
  const read = (name: string) => JSON.parse(readFileSync(path.join(folder, name), 'utf8'));
  const { mutants } = read('mutants.json') as { mutants: { id: string; replacement: string }[] };
  const results = Object.entries(read('results.json') as Record<string, { replacement?: string }>);
  expect(results.length).toBeGreaterThan(0);
  // Those without a text are of an earlier form of the record, and are run again.
  for (const [id, { replacement }] of results)
    if (replacement !== undefined)
      expect(mutants.find((mutant) => mutant.id === id)?.replacement, id).toBe(replacement);
});

it('tests that should catch a mutant are there', async () => {
  const root = path.join(import.meta.dirname, '..', '..');
  const { testsOf } = (await import(path.join(root, 'scripts', 'mutants', 'tests.mjs'))) as {
    testsOf(mutant: Mutant): { name: string; run: string; judges: string[] }[];
  };
  const { mutants } = JSON.parse(readFileSync(path.join(root, 'test', 'mutants', 'mutants.json'), 'utf8')) as {
    mutants: Mutant[];
  };
  // One of each area: the lists of an area differ in their files near alone.
  const areas = [...new Map(mutants.map((mutant) => [mutant.area, mutant])).values()];
  expect(areas.length).toBe(4);
  const all = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' }).map((name) => `test/${name}`);
  const isBelow = (file: string, name: string) => file.startsWith(name) && /^(\/|\.|$)/.test(file.slice(name.length));
  const isTracked = (judge: string) => spawnSync('git', ['ls-files', '--', judge], { cwd: root }).stdout.length > 0;
  for (const mutant of areas) for (const { name, judges } of testsOf(mutant)) for (const judge of judges) expect(isTracked(judge), `${name}: ${judge}`).toBe(true); // biome-ignore format: one line
  for (const mutant of areas)
    for (const { run } of testsOf(mutant).filter((one) => one.run.includes(' vitest'))) {
      // Vitest takes a word that is no path for one of a file's name, and then no paths.
      const words = run.replace(/^.* --bail=1 /, '').split(' ');
      expect(words.filter((word) => !all.some((file) => isBelow(file, word))), mutant.id).toEqual([]); // biome-ignore format: one line
    }
});
