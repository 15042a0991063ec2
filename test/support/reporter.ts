// Judges what a run left out, and writes down what it did where ORTHOKIT_TEST_REPORT names a folder.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Reporter, SerializedError, TestModule, TestRunEndReason, Vitest } from 'vitest/node';
import { runAxis, runDevice, selectedFiles, testFiles } from './selection.ts';

/** One run of vitest, as scripts/test-table.mjs reads it. */
export interface RunReport {
  device: string;
  axis?: string;
  node: string;
  /** The instruction set that the CPU's kernels ran on, empty where there was no device to ask. */
  isa: string;
  /** ORTHOKIT_CPU, ORTHOKIT_CUBLAS and ORTHOKIT_EMULATOR_…, as far as they are set. */
  environment: Record<string, string>;
  /** True if only tests of some titles or tags were asked for: the others count as skipped, and that is right then. */
  filtered: boolean;
  deep: boolean;
  /** All files for this device, and axis, whether this run was given them or not. */
  selected: string[];
  files: FileReport[];
}

export interface FileReport {
  /** Below test. */
  file: string;
  run: number;
  skipped: number;
  failed: number;
  /** Milliseconds of its tests and hooks. */
  ms: number;
  /** Milliseconds of processor time, import, threads and children included. */
  processorMs?: number;
}

const root = path.join(import.meta.dirname, '..', '..');

export class SelectionReporter implements Reporter {
  #vitest!: Vitest;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[], _: readonly SerializedError[], reason: TestRunEndReason): void {
    const { testNamePattern, tagsFilter } = this.#vitest.config;
    const filtered = testNamePattern !== undefined || (tagsFilter ?? []).length > 0;
    const files = modules.map(reportOf).sort((a, b) => (a.file < b.file ? -1 : 1));
    const judged = filtered ? noneRan(files) : leftOut(files);
    const wrong = [...undeclared(files), ...(reason === 'interrupted' ? [] : [...judged, ...withoutProducts(modules)])];
    for (const line of wrong) console.error(`FAIL ${line}`);
    if (wrong.length > 0) process.exitCode = 1;
    const folder = process.env['ORTHOKIT_TEST_REPORT'];
    if (folder) write(folder, files, filtered);
  }
}

function reportOf(module: TestModule): FileReport {
  const counts = { run: 0, skipped: 0, failed: 0 };
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    counts[state === 'passed' || state === 'failed' ? 'run' : 'skipped']++;
    if (state === 'failed') counts.failed++;
  }
  // A file that cannot be imported, or a hook that throws outside of tests.
  if (counts.failed === 0 && module.state() === 'failed') counts.failed = 1;
  const { processor } = module.meta();
  return {
    file: nameOf(module),
    ...counts,
    ms: Math.round(module.diagnostic().duration),
    ...(processor === undefined ? {} : { processorMs: processor }),
  };
}

const nameOf = (module: TestModule): string => path.relative(path.join(root, 'test'), module.moduleId);

const withoutProducts = (modules: readonly TestModule[]): string[] =>
  modules
    .filter((module) => module.meta().products === 0)
    .map((module) => `test/${nameOf(module)}: declares products, and none of its tests called cuBLAS`);

function undeclared(files: readonly FileReport[]): string[] {
  const ran = new Set(files.map(({ file }) => file));
  return testFiles()
    .filter(({ file, wrong }) => wrong !== undefined && ran.has(file))
    .map(({ file, wrong }) => `test/${file}: ${wrong} (CONTRIBUTING.md, Tests)`);
}

const noneRan = (files: readonly FileReport[]): string[] =>
  files.every(({ run, failed }) => run + failed === 0) ? ['no test has the title or the tag that was asked for'] : [];

function leftOut(files: readonly FileReport[]): string[] {
  return files.flatMap(({ file, run, skipped, failed }) => {
    if (failed > 0) return [];
    if (run === 0) return [`test/${file}: is for the device ${runDevice()}, and none of its tests ran`];
    return skipped > 0 ? [`test/${file}: ${skipped} of its tests were skipped`] : [];
  });
}

function write(folder: string, files: FileReport[], filtered: boolean): void {
  const { stdout } = spawnSync(process.execPath, [path.join(root, 'dist', 'cli', 'main.js'), 'info', '--json'], {
    encoding: 'utf8',
    env: { ...process.env, ORTHOKIT_DISABLE_CUDA: '1' },
  });
  const info = /^\{/.test(stdout) ? JSON.parse(stdout) : {};
  const named = Object.entries(process.env).filter(([name]) => /^ORTHOKIT_(CPU|CUBLAS|EMULATOR_\w+)$/.test(name));
  const axis = runAxis();
  const report: RunReport = {
    device: runDevice(),
    ...(axis ? { axis } : {}),
    node: process.versions.node,
    isa: info.devices?.find((device: { kind: string }) => device.kind === 'cpu')?.isa ?? '',
    environment: Object.fromEntries(named) as Record<string, string>,
    filtered,
    deep: process.env['ORTHOKIT_DEEP'] === '1',
    selected: selectedFiles(),
    files,
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `vitest-${Date.now()}-${process.pid}.json`), `${JSON.stringify(report)}\n`);
}
