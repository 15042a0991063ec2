// Devices: cpu
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const script = path.join(import.meta.dirname, '..', '..', 'scripts', 'check-includes.mjs');

function checkFiles(files: Record<string, string>) {
  const root = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  for (const [file, code] of Object.entries(files)) {
    const target = path.join(root, 'native', file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, code);
  }
  const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
  return { status, stderr };
}
const check = (file: string, include: string) =>
  checkFiles({
    [file]: `#pragma once\n#include ${include}\n`,
    [`${path.posix.dirname(file)}/user.cpp`]: `#include "${file}"\n`,
  });

it.each([
  ['ops/elementwise/fill.h', '"core/op.h"'],
  ['cpu/kernels/elementwise/fill.cpp', '"ops/elementwise/fill.h"'],
  ['addon/addon.cpp', '<napi.h>'],
  ['cuda/device/reduce.cuh', '"cuda/device/launch.cuh"'],
  ['core/op.h', '<vector>'],
  ['ops/fill.h', '"math/powers.h"'],
])('lets %s include %s', (file, include) => {
  expect(check(file, include)).toEqual({ status: 0, stderr: '' });
});

it.each([
  ['core/device.cpp', '"ops/elementwise/fill.h"'],
  ['ops/elementwise/fill.h', '"cpu/stream.h"'],
  ['cpu/kernels/elementwise/fill.cpp', '"cuda/stream.h"'],
  ['cuda/kernels/elementwise/fill.cu', '"cpu/stream.h"'],
  ['core/device.cpp', '<napi.h>'],
  ['math/powers.h', '"core/op.h"'],
  ['cpu/backend.cpp', '<cuda_runtime.h>'],
  ['cuda/device/reduce.cuh', '"core/device.h"'],
  ['cpu/kernels/elementwise/fill.cpp', '"../stream.h"'],
  ['extra/file.h', '<vector>'],
])('refuses that %s includes %s', (file, include) => {
  const { status, stderr } = check(file, include);
  expect(status).toBe(1);
  expect(stderr).toContain(`native/${file}`);
});

it('refuses a header that no file includes', () => {
  const files = { 'ops/fill.h': '#pragma once\n', 'cpu/kernels/fill.cpp': '#include "ops/fill.h"\n' };
  expect(checkFiles(files)).toEqual({ status: 0, stderr: '' });
  expect(checkFiles({ ...files, 'math/roots.h': '#pragma once\n' })).toEqual({
    status: 1,
    stderr: 'native/math/roots.h: no file includes it\n',
  });
});

describe('a file of C++', () => {
  const files = {
    'cpu/user.cpp': '#include "cpu/tiles.h"\n',
    'ops/fill.h': '#pragma once\nnamespace orthokit {\nstruct Fill {};\n}\n',
    'cpu/tiles.h':
      '#pragma once\n#include <vector>\n#include "ops/fill.h"\nnamespace orthokit::cpu {\ninline void tile(const Fill&) {}\n}\n',
  };
  const lines = (text: string): string[] => {
    const { stderr } = checkFiles({ ...files, 'cpu/kernels/fill.cpp': text });
    return stderr.split('\n').filter((line) => line !== '');
  };

  it('includes what declares its names, itself or by what it includes', () => {
    expect(lines('#include "cpu/tiles.h"\nvoid f(const Fill& x) { tile(x), std::vector<int>(); }\n')).toEqual([]);
    expect(lines('// Fill and tile(x) and std::vector\nvoid f() { g("Fill"), x.tile(), own::Fill(); }\n')).toEqual([]);
    expect(lines('struct Fill {};\nvoid tile() {}\nvoid f() { Fill x, tile(); }\n')).toEqual([]);
  });
  it.each([
    ['void f(const Fill& x) {}\n', 'Fill needs "ops/fill.h"'],
    ['void f() { Fill::run(); }\n', 'Fill needs "ops/fill.h"'],
    ['#include "ops/fill.h"\nvoid f(const Fill& x) { tile(x); }\n', 'tile needs "cpu/tiles.h"'],
    ['#include "ops/fill.h"\nstd::vector<Fill> f();\n', 'std::vector needs <vector>'],
    ['#include <vector>\nauto x = std::nonsense();\n', 'std::nonsense is not in scripts/includes/standard.mjs'],
  ])('%j is refused', (text, problem) => {
    expect(lines(text)).toEqual([`native/cpu/kernels/fill.cpp: ${problem}`]);
  });
});

describe('references', () => {
  function reference(line: string) {
    const root = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
    const folder = path.join(root, 'native', 'bench', 'reference', 'rows');
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'probe.cpp'), `#include "math/normal.h"\n${line}\n`);
    const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
    return { status, stderr };
  }

  it.each(['double x = math::kHalf;', 'auto bits = math::philox(a, b);', 'double y = math::unit_float<24>(bits);'])(
    'may say %s',
    (line) => expect(reference(line)).toEqual({ status: 0, stderr: '' }),
  );

  it.each(['double x = math::normal_cdf(y);', 'double x = math::roots<2>(y);', 'using namespace math;'])(
    'may not say %s',
    (line) => {
      const { status, stderr } = reference(line);
      expect(status).toBe(1);
      expect(stderr).toContain('native/bench/reference/rows/probe.cpp:2: a reference may not call');
    },
  );
});
