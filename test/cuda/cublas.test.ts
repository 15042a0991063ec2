// Devices: emulator
// cuBLAS as it is started and left, with the emulator's library in its place.
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';

const plugin = path.resolve(process.env['ORTHOKIT_CUDA_PLUGIN'] ?? '');
const library = path.join(path.dirname(plugin), 'libcublas_emu.so');

async function blasOf(env: Record<string, string>): Promise<string> {
  const { stdout, ...ended } = await runChild('open.mjs', { env });
  expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout).info.cuda.blas;
}

describe('cuBLAS', { timeout: 60_000 }, () => {
  it('is passed over where it does not start, unless only memory is short', async () => {
    const failing = (code: number) => ({
      ORTHOKIT_CUBLAS: library,
      ORTHOKIT_EMULATOR_FAIL: `cublasCreate:1:${code}`,
    });
    expect(await blasOf(failing(999))).toBe(`built-in kernels (${library} does not start: not initialized)`);
    expect(await blasOf(failing(2))).toBe('cuBLAS 13.0.0');
  });

  it('is not called after its end by products that are still queued', async () => {
    const ended = await runChild('products.mjs', { env: { ORTHOKIT_CUBLAS: library } });
    expect(ended).toEqual({ status: 7, signal: null, stdout: '', stderr: '' });
  });
});
