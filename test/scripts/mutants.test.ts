// Devices: cpu
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

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

it('tests that should catch a mutant are there', async () => {
  const root = path.join(import.meta.dirname, '..', '..');
  const { testsOf } = (await import(path.join(root, 'scripts', 'mutants', 'tests.mjs'))) as {
    testsOf(mutant: Mutant): { run: string }[];
  };
  const { mutants } = JSON.parse(readFileSync(path.join(root, 'test', 'mutants', 'mutants.json'), 'utf8')) as {
    mutants: Mutant[];
  };
  // One of each area: the lists of an area differ in their files near alone.
  const areas = [...new Map(mutants.map((mutant) => [mutant.area, mutant])).values()];
  expect(areas.length).toBe(4);
  const all = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' }).map((name) => `test/${name}`);
  const isBelow = (file: string, name: string) => file.startsWith(name) && /^(\/|\.|$)/.test(file.slice(name.length));
  for (const mutant of areas)
    for (const { run } of testsOf(mutant).filter((one) => one.run.includes(' vitest'))) {
      // Vitest takes a word that is no path for one of a file's name, and then no paths.
      const words = run.replace(/^.* --bail=1 /, '').split(' ');
      expect(words.filter((word) => !all.some((file) => isBelow(file, word))), mutant.id).toEqual([]); // biome-ignore format: one line
    }
});
