// Devices: cpu
// Small dense algebra is compiled once for each instruction set, and a linker that finds the same inline function twice keeps
// one of them: what is compiled for AVX must not be what a machine without it would run.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const objects = path.join(import.meta.dirname, '..', '..', 'build', 'cpu', 'CMakeFiles');
const folderOf = (set: string) => path.join(objects, `orthokit_kernels_${set}_compact.dir`);

/** The objects of small dense algebra, from the folder of a set: one a file, or joined (ORTHOKIT_UNITY). */
function objectsOf(set: string): string[] {
  const all = readdirSync(folderOf(set), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.o'));
  const single = all.filter((file) => file.startsWith('native/cpu/kernels/dense/'));
  const joined = all.filter((file) => /^Unity\/unity_native_cpu_kernels_dense_\d/.test(file));
  expect([7, 0]).toContain(single.length);
  expect(joined.length === 0).toBe(single.length > 0);
  return [...single, ...joined];
}

/** Functions and constants that an object defines and another one may replace. */
function replaceable(set: string): string[] {
  const names = execFileSync('nm', ['-C', '--defined-only', ...objectsOf(set)], {
    cwd: folderOf(set),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return [...names.matchAll(/^[0-9a-f]+ [WVu] (.*)$/gm)].map(([, name]) => name!);
}

/** Symbols that the objects of some folders have, by nm's letters: those that they define, or want of others. */
function symbolsOf(targets: readonly string[], letters: RegExp): Set<string> {
  const files = targets.flatMap((target) =>
    readdirSync(path.join(objects, `${target}.dir`), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.o'))
      .map((file) => path.join(`${target}.dir`, file)),
  );
  const names = execFileSync('nm', ['-C', ...files], { cwd: objects, encoding: 'utf8', maxBuffer: 1 << 30 });
  return new Set(
    [...names.matchAll(/^[0-9a-f ]+ (\w) (.*)$/gm)]
      .filter(([, kind]) => letters.test(kind!))
      .map(([, , name]) => name!),
  );
}

it('no inline function of Eigen is shared between instruction sets', () => {
  const portable = new Set(replaceable('portable'));
  expect([...portable].some((name) => name.includes('orthokit_eigen_portable::'))).toBe(true);
  const baseline = ['orthokit_core', 'orthokit_kernels_portable', 'orthokit_kernels_portable_compact'];
  const [has, wants] = [symbolsOf(baseline, /[WVuTDBR]/), symbolsOf(baseline, /U/)];
  expect(Math.min(has.size, wants.size)).toBeGreaterThan(100);
  for (const set of ['avx2', 'avx512'].filter((own) => existsSync(folderOf(own)))) {
    const names = replaceable(set);
    const own = new RegExp(`orthokit_eigen_${set}::|orthokit::cpu::${set}::`);
    expect(names.some((name) => own.test(name))).toBe(true);
    expect(names.filter((name) => /\bEigen::/.test(name))).toEqual([]);
    // The rest is of the standard library and the core: the portable objects, which come first, have it, too, or do not
    // call it.
    expect(names.filter((name) => !own.test(name) && !has.has(name) && wants.has(name))).toEqual([]);
  }
});
