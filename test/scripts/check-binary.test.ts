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

// Source: what objdump of binutils 2.44 says of a library that ld has linked for AArch64, without most of its lines.
it.each([
  ['local symbols of sections', '', 0],
  ['an export beside them', '0000000000028ee0 g    DF .text\t000000000000010c  Base        other\n', 1],
])('judges %s', (_what, more, expected) => {
  const lines =
    '0000000000025378 l    d  .init\t0000000000000000              .init\n' +
    '00000000004e0000 l    d  .data\t0000000000000000              .data\n' +
    '0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.17) malloc\n' +
    `0000000000027a20 g    DF .text\t0000000000000008  Base        orthokit_backend\n${more}`;
  writeFileSync(path.join(folder, 'lines'), lines);
  writeFileSync(path.join(folder, 'objdump'), `#!/bin/sh\ncat "${folder}/lines"\n`, { mode: 0o755 });
  const { status, stderr } = spawnSync(process.execPath, [script, '2.28', 'library.so'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${folder}:${process.env['PATH']}` },
  });
  const said = expected === 0 ? '' : 'library.so: exports [orthokit_backend,other], expected [orthokit_backend]\n';
  expect({ status, stderr }).toEqual({ status: expected, stderr: said });
});
