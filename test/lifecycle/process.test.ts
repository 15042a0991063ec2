import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';

describe('a process', { timeout: 60_000 }, () => {
  it('ends with a device that was never closed', async () => {
    expect(await runChild('idle.mjs')).toEqual({ status: 0, signal: null, stdout: 'idle\n', stderr: '' });
  });

  it('finishes pending reads first', async () => {
    const { stdout, ...ended } = await runChild('pending.mjs');
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout).toBe('read 490000\nsynchronized\n');
  });

  it('is not kept alive by calls on a closed device', async () => {
    const { stdout, ...ended } = await runChild('after-close.mjs');
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout).toBe('ERR_DISPOSED\n'.repeat(5));
  });

  it.each(['exit', 'exit-after-read'])('process.exit with queued work ends at once: %s', async (way) => {
    for (let i = 0; i < 3; i++) {
      const ended = await runChild('exit.mjs', { args: [way] });
      expect(ended).toEqual({ status: 7, signal: null, stdout: 'ready\n', stderr: '' });
    }
  });

  it.each(['throw', 'reject'])('an uncaught exception with queued work exits 1: %s', async (way) => {
    const { stderr, ...ended } = await runChild('exit.mjs', { args: [way] });
    expect(ended).toEqual({ status: 1, signal: null, stdout: 'ready\n' });
    expect(stderr).toContain('RangeError: uncaught');
  });

  it('SIGTERM ends it in the middle of work', async () => {
    const { status, signal, stderr } = await runChild('exit.mjs', { args: ['kill'], signalWhenReady: 'SIGTERM' });
    expect({ status, signal, stderr }).toEqual({ status: null, signal: 'SIGTERM', stderr: '' });
  });

  it('gives back the memory of tensors and devices that nobody holds', async () => {
    const { stdout, ...ended } = await runChild('collect.mjs', { nodeArgs: ['--expose-gc'] });
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout).toBe(`${'true true true\n'.repeat(3)}true\ntrue\n`);
  });
});
