// Devices: cpu, cuda
// Axes: node
import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';
import { devices } from '../support/devices.ts';

describe.each(devices)('a process with a device on %s', { timeout: 60_000 }, (kind) => {
  const env = { ORTHOKIT_TEST_KIND: kind };

  it('ends when it was never closed', async () => {
    expect(await runChild('idle.mjs', { env })).toEqual({ status: 0, signal: null, stdout: 'idle\n', stderr: '' });
  });

  it('finishes pending reads first', async () => {
    const { stdout, ...ended } = await runChild('pending.mjs', { env });
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout).toMatch(/^read \d+\nsynchronized\n$/);
  });

  it('is not kept alive by calls on a closed device', async () => {
    const { stdout, ...ended } = await runChild('after-close.mjs', { env });
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout).toBe('ERR_DISPOSED\n'.repeat(5));
  });

  it('gives back the memory of tensors and devices that nobody holds', async () => {
    const { stdout, ...ended } = await runChild('collect.mjs', { nodeArgs: ['--expose-gc'], env });
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout).toBe(`${'true true true\n'.repeat(3)}true\ntrue\n`);
  });

  it('gives back what a loop of flow() alone leaves to the garbage collector', async () => {
    const { stdout, ...ended } = await runChild('garbage.mjs', { env });
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(Number(stdout)).toBeGreaterThan(0);
    expect(Number(stdout)).toBeLessThan(1024); // MB, of 6,000
  });

  it('collects no garbage for each large tensor that is made and disposed of', async () => {
    const { stdout, ...ended } = await runChild('disposed.mjs', { env });
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout).toMatch(/^\d+\n$/);
    expect(Number(stdout)).toBeLessThan(20); // times, of 400 tensors
  });

  it('ends the threads of devices that were dropped before there are many', async () => {
    const { stdout, ...ended } = await runChild('dropped-devices.mjs', { env });
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(Number(stdout)).toBeGreaterThan(2);
    expect(Number(stdout)).toBeLessThan(400); // of 500 devices
  });
});
