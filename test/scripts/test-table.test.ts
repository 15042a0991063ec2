// Devices: cpu
// scripts/test-table.mjs: the table of what ran, and everything of which it says that it must not be.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { FileReport, RunReport } from '../support/reporter.ts';
import { testFiles } from '../support/selection.ts';

const root = path.join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
const reports = path.join(folder, 'reports');
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, rest: Partial<FileReport> = {}): FileReport => ({
  ...{ file: name, run: 3, skipped: 0, failed: 0, ms: 1000, processorMs: 500 },
  ...rest,
});
const run = (files: FileReport[], rest: Partial<RunReport> = {}): RunReport => ({
  ...{ device: 'cpu', node: '20.20.0', isa: 'avx2', environment: {}, filtered: false, deep: false },
  ...{ selected: files.map((one) => one.file), files },
  ...rest,
});
const verified = (isa: string, rest: object = {}) => ({
  ...{ device: 'cpu', isa, build: 'cpu', environment: {}, cases: '', failed: 0 },
  ops: [{ op: 'row_scale', cases: 2, processorMs: 20 }],
  ...rest,
});
const sets = [verified('portable'), verified('avx2')];

let count = 0;
function table(runs: RunReport[], verify: object[] = sets, families: object = {}, avx512 = false, slowness = '1') {
  for (const one of runs) writeFileSync(path.join(reports, `vitest-${count++}.json`), JSON.stringify(one));
  for (const one of verify) writeFileSync(path.join(reports, `verify-${count++}.json`), JSON.stringify(one));
  const [cpuinfo, budgets] = [path.join(folder, 'cpuinfo'), path.join(folder, 'families.json')];
  const flags = `avx2 fma f16c bmi2${avx512 ? ' avx512f avx512bw avx512dq avx512vl' : ''}`;
  writeFileSync(cpuinfo, `flags\t\t: ${flags}\n`);
  writeFileSync(budgets, JSON.stringify({ default: { cpu: 6, cuda: 6, 'verify-cpu': 1 }, families }));
  const script = path.join(root, 'scripts', 'test-table.mjs');
  const args = [script, reports, '--cpuinfo', cpuinfo, '--families', budgets, '--slowness', slowness];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(stderr).toBe('');
  return { status, lines: stdout.split('\n').map((line) => line.trim()), stdout };
}
beforeEach(() => {
  rmSync(reports, { recursive: true, force: true });
  mkdirSync(reports);
});

describe('the table of tests', { timeout: 60_000 }, () => {
  it('says on what they ran, how many of each folder, and passes', () => {
    const emulated = { device: 'cuda', environment: { ORTHOKIT_EMULATOR_ORDER: 'reverse' } };
    const { status, lines } = table(
      [
        run([
          file('ops/elementwise/copy.test.ts'),
          file('ops/elementwise/cast.test.ts', { run: 4 }),
          file('docs.test.ts'),
        ]),
        run([file('ops/elementwise/copy.test.ts')], emulated),
        run([file('tensor.test.ts', { run: 2 })], { node: '24.1.0', axis: 'node' }),
        run([file('ops/gemm.test.ts', { run: 5 })], { device: 'cuda', axis: 'products' }),
      ],
      [
        ...sets,
        verified('9.0', { ...emulated, build: 'checked' }),
        verified('9.0', { device: 'cuda', environment: { ORTHOKIT_CUBLAS: '/x/libcublas_emu.so' }, build: 'emulated' }),
        verified('9.0', { device: 'cuda', environment: { ORTHOKIT_EMULATOR_PTX: 'build/ptx/kernels-sm_90.txt' } }),
      ],
    );
    expect(lines).toEqual(
      expect.arrayContaining([
        'Instruction sets: portable, AVX2, AVX-512: not run here',
        'Node.js: 20.20.0, 24.1.0 (what depends on its version)',
        'Devices: cpu (AVX2), cuda',
        'Orders on the emulated device: 3',
        'threads reverse, streams eager, own products, every access checked',
        'threads forward, streams eager, cuBLAS',
        'PTX, sm_90',
      ]),
    );
    const cells = lines.map((line) => line.split(/ {2,}/));
    expect(cells).toContainEqual(['ops', 'cpu', '7', '0', '0', '1.0']);
    expect(cells).toContainEqual(['ops', 'cuda', '3', '0', '0', '0.5']);
    expect(cells).toContainEqual(['test', 'cpu, node', '2', '0', '0', '0.5']);
    expect(cells).toContainEqual(['ops', 'cuda, products', '5', '0', '0', '0.5']);
    expect(status).toBe(0);
  });

  it('gives families of two seconds and more a line each, and the others one', () => {
    const long = run([file('net/a.test.ts', { processorMs: 4000 }), file('b.test.ts', { processorMs: 700 })]);
    const { lines } = table([long], [...sets, { ...sets[0], ops: [{ op: 'c', cases: 1, processorMs: 400 }] }]);
    const cells = lines.slice(lines.indexOf('Seconds of each family')).map((line) => line.split(/ {2,}/));
    expect(cells).toContainEqual(['net', '4.0']);
    expect(cells).toContainEqual(['3 others', '0.7', '0.0', '0.4']);
    expect(cells.some(([name]) => name === 'b')).toBe(false);
  });

  it('names the 20 slowest files, by processor time', () => {
    const files = Array.from({ length: 30 }, (_, i) => file(`f${i}/a.test.ts`, { processorMs: 100 * i }));
    const { stdout } = table([run(files)]);
    const part = stdout.slice(stdout.indexOf('The 20 slowest'), stdout.indexOf('Seconds of each'));
    expect([...part.matchAll(/f(\d+)\//g)].map(([, i]) => Number(i))).toEqual(
      Array.from({ length: 20 }, (_, i) => 29 - i),
    );
  });

  it.each<[string, () => ReturnType<typeof table>, string]>([
    ['a set that this processor has', () => table([run([file('a.test.ts')])], sets, {}, true), 'AVX-512 was not run (orthokit_bench --verify), and this processor has it'],
    ['no set at all', () => table([run([file('a.test.ts')])], []), 'portable was not run (orthokit_bench --verify), and this processor has it'],
    ['a skipped test', () => table([run([file('a.test.ts', { skipped: 2 })])]), 'skipped: 2 of a.test.ts on cpu'],
    ['a failed test', () => table([run([file('a.test.ts', { failed: 1 })])]), 'failed: 1 of a.test.ts on cpu'],
    ['a failed case', () => table([run([file('a.test.ts')])], [...sets, verified('avx2', { failed: 2 })]), 'failed: 2 cases on cpu, avx2'],
    ['a file that no run has run', () => table([run([file('a.test.ts')], { device: 'cuda', selected: ['a.test.ts', 'b.test.ts'] })]), 'never ran: b.test.ts (cuda)'],
    ['a file of products that ran without cuBLAS alone', () => table([run([file('a.test.ts')], { device: 'cuda' }), run([], { device: 'cuda', axis: 'products', selected: ['a.test.ts'] })]), 'never ran: a.test.ts (cuda, products)'],
    ['a file of which titles ran', () => table([run([file('a.test.ts', { skipped: 1 })], { filtered: true })]), 'never ran: a.test.ts (cpu)'],
    ['no run', () => table([]), `no run of vitest has written to ${reports}`],
    ['a family of tests', () => table([run([file('ops/a.test.ts', { processorMs: 5000 }), file('optimizers/a.test.ts', { processorMs: 5000 })])]), 'a: 10.0 s on cpu, and 6 s are its budget'],
    ['a family on the emulated device', () => table([run([file('transport/a.test.ts', { processorMs: 9100 })], { device: 'cuda' })]), 'transport: 9.1 s on cuda, and 6 s are its budget'],
    ['operations of a family', () => table([run([file('a.test.ts')])], [...sets.map((one) => ({ ...one, ops: [{ op: 'row_scale', cases: 1, processorMs: 1600 }] }))]), 'row-scale: 1.6 s on verify-cpu, and 1 s are its budget'],
    ['a family with a budget of its own', () => table([run([file('net/a.test.ts', { processorMs: 46_000 })])], sets, { nets: { files: ['net/'], seconds: { cpu: 30 }, reason: 'r' } }), 'nets: 46.0 s on cpu, and 30 s are its budget'],
  ])('fails for %s', (_, made, words) => {
    const { status, lines } = made();
    expect(lines).toContain(words);
    expect(status).toBe(1);
  }); // biome-ignore format: one line

  it('gives a slower machine more time', () => {
    const long = run([file('net/a.test.ts', { processorMs: 10_000 })]);
    const { status, stdout } = table([long], sets, {}, false, '1.1');
    expect(stdout).toContain('net: 10.0 s on cpu, and 6.6 s are its budget');
    expect(status).toBe(1);
    expect(table([], sets, {}, false, '1.2').status).toBe(0);
  });

  it('tells what is a little over its budget', () => {
    const { status, lines } = table([run([file('net/a.test.ts', { processorMs: 8900 })])]);
    expect(lines.slice(lines.indexOf('Over the budget, by less than others on the machine may cost:'))).toContain(
      'net: 8.9 s on cpu, and 6 s are its budget',
    );
    expect(lines).not.toContain('Not as it must be:');
    expect(status).toBe(0);
  });

  it('excuses what stands in the table of families, the shortest of several runs, deep runs and titles', () => {
    const slow = [file('net/a.test.ts', { processorMs: 20_000 })];
    const fast = [file('net/b.test.ts', { processorMs: 10 })];
    const families = { nets: { files: ['net/'], seconds: { cpu: 30 }, reason: 'r' } };
    expect(table([run(slow), run(fast)], sets, families).status).toBe(0);
    const long = file('b.test.ts', { processorMs: 9000 });
    expect(
      table([run([long], { deep: true }), run([long]), run([file('b.test.ts')])], [], families).stdout,
    ).not.toContain('budget\n');
  });

  it('needs a folder', () => {
    const { status } = spawnSync(process.execPath, [path.join(root, 'scripts', 'test-table.mjs')]);
    expect(status).toBe(2);
  });
});

interface Family {
  files: string[];
  seconds?: Record<string, number>;
  reason: string;
}

describe('test/families.json', () => {
  const { default: budget, families } = JSON.parse(readFileSync(path.join(root, 'test', 'families.json'), 'utf8'));

  it('has the budgets of a family, and a reason and files for each other one', () => {
    expect(budget).toMatchObject({ cpu: 6, cuda: 6, 'verify-cpu': 1 });
    const names = testFiles().map((one) => one.file);
    const listed: string[] = [];
    for (const [family, { files, seconds, reason }] of Object.entries<Family>(families)) {
      expect(reason, family).toMatch(/\w+ \w+/);
      for (const [column, value] of Object.entries(seconds ?? {}))
        expect(value, family).toBeGreaterThan(budget[column]);
      for (const begin of files) {
        const found = names.filter((name) => name.startsWith(begin));
        expect(found, `${family}: ${begin}`).not.toEqual([]);
        listed.push(...found);
      }
    }
    expect(listed.filter((name, i) => listed.indexOf(name) !== i)).toEqual([]);
  });
});
