// Devices: cpu, cuda
// Axes: node
import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';
import { devices } from '../support/devices.ts';

describe.each(devices)('worker threads with devices on %s', { timeout: 60_000 }, (kind) => {
  it('give back the memory of reads that were dropped', async () => {
    const ended = await runChild('dropped-reads.mjs', { env: { ORTHOKIT_TEST_KIND: kind } });
    expect(ended).toEqual({ status: 0, signal: null, stdout: 'true\n', stderr: '' });
  });
});
