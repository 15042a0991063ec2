// Devices: emulator
// How workers and processes end that have a cuda device, with work in its queue or after a fault that stays.
import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';

const env = { ORTHOKIT_TEST_KIND: 'cuda', ORTHOKIT_CUBLAS: 'none' };

describe('a process with a cuda device', { timeout: 120_000 }, () => {
  it.each([
    ['exit', { status: 7, signal: null }],
    ['exit-later', { status: 7, signal: null }],
    ['throw', { status: 1, signal: null }],
    ['reject', { status: 1, signal: null }],
    ['SIGTERM', { status: null, signal: 'SIGTERM' }],
  ])('and work in its queue ends: %s', async (way, expected) => {
    const { status, signal, stderr } = await runChild('exit.mjs', {
      args: [way],
      env,
      onLine: (_, child) => way === 'SIGTERM' && child.kill('SIGTERM'),
    });
    expect({ status, signal }).toEqual(expected);
    if (way === 'throw' || way === 'reject') expect(stderr).toContain('RangeError: uncaught');
    else expect(stderr).toBe('');
  });

  it('and workers with devices of their own, which end in every way at any time', async () => {
    const { stdout, ...ended } = await runChild('workers.mjs', { args: ['1', '40'], env, limit: 110_000 });
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    const { ends, extraThreads } = JSON.parse(stdout);
    expect(extraThreads).toBe(0);
    for (const end of Object.keys(ends)) expect(end).toMatch(/^(return 0|leave 0|throw 1|exit 5|terminate [01])$/);
    expect(Object.values<number>(ends).reduce((a, b) => a + b)).toBe(40);
  });

  it.each([
    ['close', 0],
    ['leave', 0],
    ['exit', 7],
  ])('that is lost ends: %s', async (way, status) => {
    expect(await runChild('fault.mjs', { args: [way], env })).toEqual({
      status,
      signal: null,
      stdout: 'lost\n3 3\n',
      stderr: '',
    });
  });
});
