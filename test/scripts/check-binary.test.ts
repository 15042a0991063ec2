// Devices: cpu
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';

const script = path.join(import.meta.dirname, '..', '..', 'scripts', 'check-binary.mjs');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));

function check(floor: string, source: string, ...flags: string[]) {
  const library = path.join(folder, 'library.so');
  writeFileSync(path.join(folder, 'library.cpp'), source);
  execFileSync('g++', ['-shared', '-fPIC', '-o', library, path.join(folder, 'library.cpp'), ...flags]);
  const { status, stderr } = spawnSync(process.execPath, [script, floor, library], { encoding: 'utf8' });
  return { status, stderr };
}

const good = '#include <cstdlib>\nextern "C" void *orthokit_backend() { return std::malloc(1); }\n';

it('passes a library that exports our name alone', () => {
  expect(check('2.99', good)).toEqual({ status: 0, stderr: '' });
});

it.each([
  ['a newer glibc', '2.1', good, [], /needs GLIBC_2\.[0-9.]+, the floor is 2\.1/],
  ['another export', '2.99', `${good}extern "C" void other() {}`, [], /exports \[orthokit_backend,other\]/],
  ['a run path', '2.99', good, ['-Wl,-rpath,/somewhere'], /run path/],
  ['libstdc++', '2.99', `#include <iostream>\n${good}void f() { std::cout << 1; }`, [], /needs GLIBCXX_/],
])('refuses %s', (_what, floor, source, flags, message) => {
  const { status, stderr } = check(floor, source, ...flags);
  expect(status).toBe(1);
  expect(stderr).toMatch(message);
});
