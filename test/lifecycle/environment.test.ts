// Devices: cpu
// Variables that our own code reads and acts upon, which is the same on each version of Node.js.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';
import { open } from '../support/opened.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('ORTHOKIT_CPU', { timeout: 60_000 }, () => {
  it('a word that is none: no device, with the reason, and import works', async () => {
    const found = await open({ ORTHOKIT_CPU: 'nonsense' });
    const reason = 'ORTHOKIT_CPU must be portable, avx2 or avx512, got nonsense';
    expect(found.available).not.toContain('cpu');
    expect(found.unavailable.cpu).toBe(reason);
    expect(found.errors.cpu).toEqual({ code: 'ERR_BACKEND', message: `Device.open: cpu is unavailable: ${reason}` });
  });

  it.each(['portable', 'avx2', 'avx512'])('%s is what runs, or the reason why not', async (isa) => {
    const found = await open({ ORTHOKIT_CPU: isa });
    if (found.unavailable.cpu === null) expect(found.info.cpu?.isa).toBe(isa);
    else expect(found.unavailable.cpu).toMatch(new RegExp(`(this build has no kernels for|this processor cannot run) ORTHOKIT_CPU=${isa}`)); // biome-ignore format: one line
    if (isa === 'portable') expect(found.unavailable.cpu).toBeNull();
  });

  it('nothing is the best there is', async () => {
    expect((await open({ ORTHOKIT_CPU: '' })).available).toContain('cpu');
  });
});

describe('ORTHOKIT_NUM_THREADS', { timeout: 60_000 }, () => {
  it('is the number of threads; nothing and 0 are all cores', async () => {
    expect((await open({ ORTHOKIT_NUM_THREADS: '3' })).info.cpu?.units).toBe(3);
    const all = os.availableParallelism();
    for (const none of ['', '0']) {
      const units = (await open({ ORTHOKIT_NUM_THREADS: none })).info.cpu?.units;
      expect(units).toBeGreaterThanOrEqual(1);
      expect(units).toBeLessThanOrEqual(Math.max(all, os.cpus().length));
    }
  });

  it.each(['-2', 'many', '1.5', '2 ', '1025', '99999999999'])(
    '%j is refused when a device is opened',
    async (wrong) => {
      const found = await open({ ORTHOKIT_NUM_THREADS: wrong });
      expect(found.available).toContain('cpu');
      expect(found.errors.cpu).toEqual({
        code: 'ERR_ARGUMENT',
        message: `Device.open: ORTHOKIT_NUM_THREADS must be a whole number from 1 to 1024, got ${wrong}`,
      });
    },
  );
});

/** A plug-in of a few lines of C++. */
function plugin(name: string, code: string): string {
  const target = path.join(folder, `${name}.so`);
  execFileSync('g++', ['-shared', '-fPIC', '-x', 'c++', '-', '-o', target], { input: code });
  return target;
}

/** The first bytes of a file. */
function cut(file: string, bytes: number): string {
  const target = path.join(folder, `${bytes}.so`);
  writeFileSync(target, readFileSync(file).subarray(0, bytes));
  return target;
}

describe('R20: ORTHOKIT_CUDA_PLUGIN', { tags: ['R20'], timeout: 60_000 }, () => {
  const file = path.join(folder, 'text.so');
  writeFileSync(file, 'this is no library\n'.repeat(10));
  const empty = path.join(folder, 'empty.so');
  writeFileSync(empty, '');
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
  const library = sharedObjects.find((name) => /\/libm[.-]/.test(name)) ?? '';
  const loop = path.join(folder, 'loop.so');
  symlinkSync('loop.so', loop);
  const get = 'extern "C" const void* orthokit_backend()';
  const none = plugin('none', `${get} { return nullptr; }`);
  const old = plugin('old', `unsigned table[64] = {999, 8}; ${get} { return table; }`);
  const lacks = plugin('lacks', `void* nowhere(); ${get} { return nowhere(); }`);
  const throws = plugin('throws', `#include <stdexcept>\n${get} { throw std::runtime_error("from the plug-in"); }`);
  const throwsNumber = plugin('number', `${get} { throw 1; }`);

  it.each([
    ['a missing file', path.join(folder, 'missing.so'), 'No such file'],
    ['a text file', file, 'invalid ELF header'],
    ['an empty file', empty, 'file too short'],
    ['a folder', folder, 'is not a file'],
    ['a library of another kind', library, 'is not an orthokit plug-in'],
    ['a link to itself, which nobody can read', loop, 'Too many levels of symbolic links'],
    ['one of another version', old, 'was built for another version of orthokit (contract 999)'],
    ['one that lacks a symbol', lacks, 'undefined symbol'],
    ['one without a backend', none, 'offers no backend'],
    ['one that throws when it starts', throws, 'cannot be started: from the plug-in'],
    ['one that throws a number', throwsNumber, 'cannot be started'],
    // A place where a loader would run beyond the end of the file, and end the process.
    ['one of 64 bytes', cut(none, 64), 'is cut short'],
    ['one of 1,000 bytes', cut(none, 1000), 'is cut short'],
    ['one of 4,096 bytes', cut(none, 4096), 'is cut short'],
    ['one of 12,000 bytes', cut(none, 12_000), 'is cut short'],
  ])('%s: import works, and the reason names it', async (_, plugin, words) => {
    const found = await open({ ORTHOKIT_CUDA_PLUGIN: plugin });
    expect(found.available).toEqual(['cpu']);
    expect(found.unavailable.cuda).toContain(plugin);
    expect(found.unavailable.cuda).toContain(words);
    expect(found.errors['cuda']?.code).toBe('ERR_BACKEND');
    expect(found.errors['cuda']?.message).toContain(plugin);
  });
});

describe('a relative ORTHOKIT_CUDA_PLUGIN', { timeout: 60_000 }, () => {
  const reason = (name: string) => `ORTHOKIT_CUDA_PLUGIN must be an absolute path, got ${name}`;
  it.each(['name.so', './name.so', '../name.so', 'folder/name.so'])(
    '%s is refused, be it there or not',
    async (name) => {
      const found = await open({ ORTHOKIT_CUDA_PLUGIN: name });
      expect(found.unavailable.cuda).toBe(reason(name));
      expect(found.errors.cuda?.message).toContain(reason(name));
    },
  );
});

describe('ORTHOKIT_REFERENCE_PLUGIN', { timeout: 60_000 }, () => {
  const plugin = process.env['ORTHOKIT_REFERENCE_PLUGIN']!;

  it('without it the kind does not exist; with it, it is not listed', async () => {
    const without = await open({ ORTHOKIT_REFERENCE_PLUGIN: '' });
    expect(without.errors['reference']).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'Device.open: device must be cpu, cuda, cuda:<n> or auto, got reference',
    });
    const found = await open({ ORTHOKIT_REFERENCE_PLUGIN: plugin });
    expect(found.errors['reference']).toBeUndefined();
    expect(found.available).toEqual(without.available);
  });

  it.each([
    ['name.so', 'ORTHOKIT_REFERENCE_PLUGIN must be an absolute path, got name.so'],
    ['/nowhere/name.so', 'ORTHOKIT_REFERENCE_PLUGIN names /nowhere/name.so: No such file or directory'],
  ])('%s is refused, with the reason', async (name, reason) => {
    const { errors } = await open({ ORTHOKIT_REFERENCE_PLUGIN: name });
    const message = `Device.open: reference is unavailable: ${reason}`;
    expect(errors['reference']).toEqual({ code: 'ERR_BACKEND', message });
  });
});

describe('ORTHOKIT_DISABLE_CUDA', { timeout: 60_000 }, () => {
  it('1 is the reason; 0 and nothing are off', async () => {
    const reason = 'disabled by ORTHOKIT_DISABLE_CUDA';
    const { unavailable, errors } = await open({ ORTHOKIT_DISABLE_CUDA: '1' });
    expect(unavailable.cuda).toBe(reason);
    // Nothing falls back to the CPU.
    for (const name of ['cuda', 'cuda:1'])
      expect(errors[name]).toEqual({ code: 'ERR_BACKEND', message: expect.stringContaining(reason) });
    for (const off of ['0', ''])
      expect((await open({ ORTHOKIT_DISABLE_CUDA: off })).unavailable.cuda ?? '').not.toContain('DISABLE');
  });
});

describe('threads', { timeout: 60_000 }, () => {
  it('do not change a bit', async () => {
    const digests = await Promise.all(
      ['1', '2', '3', '7'].map(async (threads) => (await runChild('bits.mjs', { args: [threads] })).stdout),
    );
    expect(digests[0]).toMatch(/^[0-9a-f]{64}\n$/);
    expect(new Set(digests).size).toBe(1);
  });
});
