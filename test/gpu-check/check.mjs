// scripts/gpu-check.sh from end to end on the emulated device: what it finds, says and answers. Then the same where a kernel
// fails, which it must not call a success.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

// Tests here fail on purpose, and are not for the table of a run.
delete process.env.ORTHOKIT_TEST_REPORT;
const root = path.join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));

function check(name, env) {
  const out = path.join(folder, name);
  const { status, stdout, stderr } = spawnSync('bash', ['scripts/gpu-check.sh', '--emulated', out], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, COMPUTE_SANITIZER: path.join(import.meta.dirname, 'compute-sanitizer'), ...env },
  });
  console.log(stdout, stderr);
  const lines = (file) =>
    readFileSync(path.join(out, file), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  const result = JSON.parse(readFileSync(path.join(out, 'result.json'), 'utf8'));
  const tests = readFileSync(path.join(out, 'vitest-on-the-device.log'), 'utf8');
  return { status, lines, result, tests, summary: readFileSync(path.join(out, 'summary.md'), 'utf8') };
}

// The tests that run beside this one are on it.
const addonOf = () => readFileSync(path.join(root, 'build', 'Release', 'orthokit.node'));

try {
  const addon = addonOf();
  const { status, lines, result, tests, summary } = check('passes', {});
  assert.equal(status, 0);
  assert.equal(result.emulated, true);
  assert.deepEqual([result.wrong, result.failed], [0, 0]);
  const steps = Object.fromEntries(result.steps.map((step) => [step.step, step.status]));
  const passed = ['build', 'verify', 'verify, own products', 'time', 'time, own products', 'time, targets'];
  for (const step of [...passed, 'compute-sanitizer memcheck', 'compute-sanitizer racecheck', 'vitest on the device'])
    assert.equal(steps[step], 'passed', step);
  for (const family of ['ops', 'transport', 'sparse', 'transplant', 'cuda'])
    assert.match(tests, new RegExp(`\\b${family}/`));
  assert.ok(steps['torch, cases only'] === 'passed' || steps.torch === 'passed');

  const verified = lines('verify.jsonl');
  assert.equal(result.verified, verified.length);
  const times = lines('time.jsonl');
  const operations = new Set(verified.map((line) => line.op));
  assert.deepEqual(new Set(times.map((line) => line.op)), operations, 'an operation is not timed');
  for (const line of [...verified, ...times]) assert.equal(line.emulated, true);
  for (const line of times) {
    assert.ok(line.min_ms > 0 && line.clock === 'device', JSON.stringify(line));
    assert.ok(line.ratio_to_baseline > 0 && (line.ratio_to_floor > 0 || line.gbps === undefined), JSON.stringify(line));
  }
  assert.match(summary, /^# Orthokit on the emulated device: times say nothing about a GPU$/m);
  for (const op of operations) assert.ok(summary.includes(`| \`${op}\` |`), op);
  assert.ok(result.targets.length >= 6);
  assert.match(
    summary,
    /^\| AdamW, 33\.5 M elements \| [\d.]+ of the bandwidth \| ≥ 0\.85 \| this project \| emulated/m,
  );
  const own = lines('time-own-products.jsonl');
  assert.ok(own.some((line) => line.op === 'gemm' && line.blas_core.startsWith('built-in kernels')));

  const broken = check('fails', { ORTHOKIT_EMULATOR_FAIL: 'cudaLaunchKernelEx:20:719' });
  assert.equal(broken.status, 1);
  assert.ok(broken.result.failed > 0 && broken.result.wrong > 0);
  assert.match(broken.summary, /^\| verify \| failed \|/m);
  assert.match(broken.summary, /unspecified launch failure/);
  assert.ok(addonOf().equals(addon), 'the addon in build/Release has changed');
} finally {
  rmSync(folder, { recursive: true });
}
