// Devices: cpu
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';

const script = path.join(import.meta.dirname, '..', '..', 'scripts', 'check-includes.mjs');

function check(file: string, include: string) {
  const root = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  const target = path.join(root, 'native', file);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, `#pragma once\n#include ${include}\n`);
  const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
  return { status, stderr };
}

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
