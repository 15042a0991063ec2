// Devices: cpu
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';

const script = path.join(import.meta.dirname, '..', '..', 'scripts', 'check-baselines.mjs');

/** Words for a file of tests. */
function check(text: string, name = 'nn/tape.test.ts'): string {
  const root = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  const file = path.join(root, 'test', name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
  expect(status).toBe(stderr === '' ? 0 : 1);
  return stderr;
}

it.each([
  'const { live } = await settledMemory(device);\nexpect(device.info.memory.live).toBe(live);',
  'expect(\n  stage.device.info.memory,\n).toMatchObject({ live, bytes });',
  'const longest = device.info.memory.bytes - before;',
])('%j passes', (text) => expect(check(text)).toBe(''));

it.each([
  'const { live } = device.info.memory;',
  'const { live, bytes } = own.info.memory;',
  'const before = device.info.memory.bytes;',
  'const live = () => device.info.memory.live;',
  'live.push(own.info.memory.live);',
  'const { memory } = device.info;',
  'const { isa, memory: before } = device.info;',
])('%j does not', (text) => {
  expect(check(`// A baseline.\n${text}\n`)).toBe(
    'test/nn/tape.test.ts:2: a baseline of memory must be of settledMemory (test/support/settled.ts)\n',
  );
});

it('the helper itself asks', () =>
  expect(check('return device.info.memory;', path.join('support', 'settled.ts'))).toBe(''));
