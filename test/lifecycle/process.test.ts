import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';

describe('a process', { timeout: 60_000 }, () => {
  it('ends with a device that was never closed', async () => {
    expect(await runChild('idle.mjs')).toEqual({ status: 0, signal: null, stdout: 'idle\n', stderr: '' });
  });

  it('finishes pending reads first', async () => {
    const { stdout, ...ended } = await runChild('pending.mjs');
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout).toBe('read 1000000\nsynchronized\n');
  });

  it('is not kept alive by calls on a closed device', async () => {
    const { stdout, ...ended } = await runChild('after-close.mjs');
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout).toBe('ERR_DISPOSED\n'.repeat(5));
  });

  it('gives back the memory of tensors and devices that nobody holds', async () => {
    const { stdout, ...ended } = await runChild('collect.mjs', { nodeArgs: ['--expose-gc'] });
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout).toBe(`${'true true true\n'.repeat(3)}true\ntrue\n`);
  });
});
