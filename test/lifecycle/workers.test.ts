// Devices: cpu, cuda
// Axes: node
import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';
import { devices, onlyCpu } from '../support/devices.ts';

describe.each(devices)('worker threads with devices on %s', { timeout: 60_000 }, (kind) => {
  it('give back the memory of reads that were dropped', async () => {
    const ended = await runChild('dropped-reads.mjs', { env: { ORTHOKIT_TEST_KIND: kind } });
    expect(ended).toEqual({ status: 0, signal: null, stdout: 'true\n', stderr: '' });
  });
});

describe.each(onlyCpu)('a worker', { timeout: 60_000 }, () => {
  it('that is ended inside a getter, which native code has called, ends alone', async () => {
    const ended = await runChild('endless-getter.mjs');
    const stdout = 'field ended\nelement ended\nshape ended\n';
    expect(ended).toEqual({ status: 0, signal: null, stdout, stderr: '' });
  });
});
