// Devices: emulator
// Each call of CUDA and cuBLAS in a device's life fails: steps, reads, a save, a load.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const child = path.join(import.meta.dirname, '..', 'faults', 'children', 'cuda.mjs');
const cublas = path.join(path.dirname(path.resolve(process.env.ORTHOKIT_CUDA_PLUGIN ?? '')), 'libcublas_emu.so');

interface Summary {
  calls: number;
  /** Messages, with their codes, and the last call that led to each. */
  seen: Record<string, number>;
  problems: string[];
}

interface Way {
  blas: 'none' | 'cublas';
  /** True while work waits in streams. */
  queued?: boolean;
  /** Each call fails once, or each so-many-th. */
  every?: number;
}

function run(name: string, code: number, times: number, { blas, queued = false, every = 1 }: Way): Summary {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [child, name, `${code}`, `${times}`, `${every}`, ...(queued ? ['queued'] : [])],
    { encoding: 'utf8', env: { ...process.env, ORTHOKIT_CUBLAS: blas === 'none' ? blas : cublas }, timeout: 280_000 },
  );
  if (status !== 0 || stderr !== '') throw new Error(`the child ended with ${status ?? signal}: ${stdout}${stderr}`);
  return JSON.parse(stdout);
}

const messages = ({ seen }: Summary) => Object.keys(seen).filter((text) => text !== 'recovered');
// Who asked, CUDA's function, its words and its name for the error.
const backend = (words: string, name: string) =>
  new RegExp(
    `^ERR_BACKEND [\\w.]+: (cuda|cublas)\\w+( \\w[\\w ]*)?: ${words}[^(]* \\((cudaError${name}|cuBLAS status \\d+)\\)`,
  );

describe('a call of CUDA that fails on a cuda device', { timeout: 300_000 }, () => {
  const ways = [
    ['with own products', 'none', false],
    ['with cuBLAS', 'cublas', false],
    ['with work that waits in streams', 'cublas', true],
  ] as const;

  it.each(ways)('once, %s: an error that says what and whose, and the device goes on', (_, blas, queued) => {
    const summary = run('*', 999, 1, { blas, queued });
    expect(summary.problems).toEqual([]);
    expect(summary.calls).toBeGreaterThan(200);
    for (const text of messages(summary))
      expect(text).toMatch(backend('(unknown error|the execution failed|not initialized)', 'Unknown'));
    const all = messages(summary).join('\n');
    for (const who of ['Device.open', 'Tensor', 'write', 'read', 'momentum', 'symmetricProduct', 'adamw'])
      expect(all).toMatch(new RegExp(`^ERR_BACKEND ${who}: `, 'm'));
    expect(/cublasGemmEx/.test(all)).toBe(blas === 'cublas');
  });

  it.each(ways)('for ever, %s: every later call says so, and the device closes', (_, blas, queued) => {
    const summary = run('*', 700, 1, { blas, queued });
    expect(summary.problems).toEqual([]);
    for (const text of messages(summary))
      expect(text).toMatch(
        backend('(an illegal memory access was encountered|the execution failed)', 'IllegalAddress'),
      );
  });

  // The place where a fault stays does not depend on its code; that it stays is seen at any call.
  it.each([719, 710])('for ever, with CUDA error %i', (code) => {
    expect(run('*', code, 1, { blas: 'none', every: 7 }).problems).toEqual([]);
  });

  it('for want of memory, once: the device finds some, and no bit is another', () => {
    const summary = run('cudaMallocAsync', 2, 1, { blas: 'cublas' });
    expect(summary.problems).toEqual([]);
    expect(messages(summary)).toEqual([]);
    expect(summary.calls).toBeGreaterThan(10);
  });

  it('for want of memory, many times: ERR_MEMORY, with sizes', () => {
    const summary = run('cudaMallocAsync', 2, 30, { blas: 'none' });
    expect(summary.problems).toEqual([]);
    expect(messages(summary).length).toBeGreaterThan(3);
    for (const text of messages(summary))
      expect(text).toMatch(/^ERR_MEMORY [\w.]+: the device has no memory for \d+ bytes: \d+ of 1073741824 are free$/);
  });

  it('for want of pinned memory: ERR_MEMORY, with sizes', () => {
    const summary = run('cudaHostAlloc', 2, 1, { blas: 'none' });
    expect(summary.problems).toEqual([]);
    for (const text of messages(summary))
      expect(text).toMatch(/^ERR_MEMORY [\w.]+: cudaHostAlloc of 2 MB: out of memory \(cudaErrorMemoryAllocation\)$/);
    expect(messages(summary).length).toBeGreaterThan(0);
  });
});
