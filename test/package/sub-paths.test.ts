// Devices: cpu
// Sub-paths of the package: each folder of lib with a public list, in package.json as in the API reference, from modules
// and from CommonJS.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '..', '..');
const json = (file: string) => JSON.parse(readFileSync(path.join(root, file), 'utf8'));
const families = readdirSync(path.join(root, 'lib')).filter((name) =>
  existsSync(path.join(root, 'lib', name, 'index.ts')),
);
const entries: Record<string, string | { types: string; default: string }> = json('package.json').exports;

it('package.json writes each out, and nothing else', () => {
  const built = (folder: string) => ({ types: `./dist/${folder}index.d.ts`, default: `./dist/${folder}index.js` });
  expect(entries).toEqual({
    '.': built(''),
    ...Object.fromEntries(families.map((name) => [`./${name}`, built(`${name}/`)])),
    './package.json': './package.json',
  });
});

it('the API reference has each', () => {
  const { entryPoints } = json('typedoc.json') as { entryPoints: string[] };
  expect(entryPoints.toSorted()).toEqual(
    ['lib/index.ts', ...families.map((name) => `lib/${name}/index.ts`)].toSorted(),
  );
});

it('each gives to import and to require the same things, which are those of the root', () => {
  // In a process of its own: a package resolves its own name, and the test runner has modules of its own.
  const script = `
    import assert from 'node:assert/strict';
    import { createRequire } from 'node:module';
        import * as all from 'orthokit';
    const require = createRequire(process.cwd() + '/package.json');
    for (const name of process.argv.slice(1)) {
      const [imported, required] = [await import(name), require(name)];
      const names = Object.keys(imported);
      for (const own of names) assert.equal(required[own], imported[own], own);
      for (const own of names) if (own in all) assert.equal(all[own], imported[own], own);
      console.log(name, names.length > 0);
    }`;
  const names = families.map((name) => `orthokit/${name}`);
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script, ...names], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout.trim().split('\n')).toEqual(names.map((name) => `${name} true`));
});

it('the built root is a file for each folder of lib, not one for each source: loading a file costs more than its text', () => {
  const loaded = new Set<string>();
  const load = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const [, name] of readFileSync(file, 'utf8').matchAll(/^(?:import|export) [^;]*?"(\.[^"]+)";$/gm))
      load(path.join(path.dirname(file), name!));
  };
  load(path.join(root, 'dist', 'index.js'));
  const names = [...loaded]
    .map((file) => path.basename(file, '.js'))
    .filter((name) => !['light', 'rolldown-runtime'].includes(name));
  expect(names).toContain('core');
  expect(names.filter((name) => name !== 'index' && !existsSync(path.join(root, 'lib', name)))).toEqual([]);
});
