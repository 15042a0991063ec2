// Devices: emulator
// Why there is no CUDA device: each reason in words of its own.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device } from '../../lib/index.ts';
import { runChild } from '../support/child.ts';

const plugin = path.resolve(process.env.ORTHOKIT_CUDA_PLUGIN ?? '');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Found {
  available: string[];
  unavailable: { cuda: string | null };
  info: { cuda?: { driver: string; blas: string; isa: string; units: number; memoryBytes: number } };
  errors: { cuda?: { code: string; message: string } };
}

async function open(env: Record<string, string>): Promise<Found> {
  const { stdout, ...ended } = await runChild('open.mjs', { env });
  expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}

describe('why cuda is unavailable', { timeout: 60_000 }, () => {
  // Without the emulator's library beside it, the loader refuses the plug-in.
  const alone = path.join(folder, 'orthokit_cuda.so');
  copyFileSync(plugin, alone);

  const reasons: [string, Record<string, string>, RegExp][] = [
    ['no driver', { ORTHOKIT_EMULATOR_DRIVER: '0' }, /^there is no NVIDIA driver$/],
    [
      'a driver that is too old',
      { ORTHOKIT_EMULATOR_DRIVER: '11040' },
      /^the NVIDIA driver is too old: it runs CUDA 11\.4, and this plug-in needs 1\d\.\d$/,
    ],
    ['no device', { ORTHOKIT_EMULATOR_DEVICES: '0' }, /^there is no CUDA device$/],
    [
      'a device that is too old',
      { ORTHOKIT_EMULATOR_CC: '70' },
      /^the device has compute capability 7\.0, and 7\.5 is needed$/,
    ],
    [
      'a driver that fails',
      { ORTHOKIT_EMULATOR_FAIL: 'cudaGetDeviceCount:1:999' },
      /^cudaGetDeviceCount: unknown error \(cudaErrorUnknown\)$/,
    ],
    [
      'no plug-in',
      { ORTHOKIT_CUDA_PLUGIN: path.join(folder, 'none.so') },
      /^ORTHOKIT_CUDA_PLUGIN names .*none\.so: No such file or directory$/,
    ],
    [
      'a plug-in that cannot be loaded',
      { ORTHOKIT_CUDA_PLUGIN: alone },
      /^the CUDA plug-in cannot be loaded: libcudaemu\.so: /,
    ],
    ['disabled', { ORTHOKIT_DISABLE_CUDA: '1' }, /^disabled by ORTHOKIT_DISABLE_CUDA$/],
  ];
  it.each(reasons)('%s', async (_, env, words) => {
    const { available, unavailable, errors } = await open(env);
    expect(available).toEqual(['cpu']);
    expect(unavailable.cuda).toMatch(words);
    expect(errors.cuda).toEqual({
      code: 'ERR_BACKEND',
      message: `Device.open: cuda is unavailable: ${unavailable.cuda}`,
    });
    // No reason reads like another one.
    expect(reasons.filter(([, , other]) => other.test(unavailable.cuda!))).toHaveLength(1);
  });

  it('there is a device, and not that one', () => {
    expect(() => Device.open('cuda:3')).toThrow('Device.open: there is no such device, got 3');
  });
});

describe('what a cuda device says of itself', { timeout: 60_000 }, () => {
  const cublas = path.join(path.dirname(plugin), 'libcublas_emu.so');

  it('versions of driver, runtime and cuBLAS', async () => {
    const { info } = await open({ ORTHOKIT_EMULATOR_DRIVER: '13020', ORTHOKIT_CUBLAS: cublas });
    expect(info.cuda).toMatchObject({ isa: 'sm_90', units: 132, memoryBytes: 2 ** 30 });
    expect(info.cuda!.driver).toMatch(/^CUDA 13\.2, runtime 1\d\.\d$/);
    expect(info.cuda!.blas).toMatch(/^cuBLAS \d+\.\d+\.\d+$/);
  });

  it.each([
    ['none', 'built-in kernels'],
    ['/no/such/libcublas.so', 'built-in kernels (/no/such/libcublas.so is no cuBLAS)'],
    ['libm.so.6', 'built-in kernels (libm.so.6 is no cuBLAS)'],
  ])('ORTHOKIT_CUBLAS=%s', async (chosen, blas) => {
    expect((await open({ ORTHOKIT_CUBLAS: chosen })).info.cuda?.blas).toBe(blas);
  });

  it('finds cuBLAS in CUDA_HOME, and does without one', async () => {
    const beside = path.join(folder, 'home');
    expect((await open({ ORTHOKIT_CUBLAS: '', CUDA_PATH: '', CUDA_HOME: beside })).info.cuda?.blas).toMatch(
      /^built-in kernels \(no cuBLAS was found\)$|^cuBLAS \d/, // a machine may have one
    );
    mkdirSync(path.join(beside, 'lib64'), { recursive: true });
    symlinkSync(cublas, path.join(beside, 'lib64', 'libcublas.so.12'));
    const found = await open({ ORTHOKIT_CUBLAS: '', CUDA_PATH: '', CUDA_HOME: beside });
    expect(found.info.cuda?.blas).toMatch(/^cuBLAS \d/);
  });
});
