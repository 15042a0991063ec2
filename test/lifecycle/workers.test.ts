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

describe.each(onlyCpu)('worker threads that train networks', () => {
  it('end in every way, in the middle of a step too, and leave nothing', { timeout: 120_000 }, async () => {
    const { stdout, ...ended } = await runChild('nn-workers.mjs', { limit: 110_000 });
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    const { ends, extraThreads, grown, loss } = JSON.parse(stdout);
    expect(ends.sort()).toEqual(['exit 5', 'leave 0', 'terminate 1', 'throw 1']);
    expect(extraThreads).toBe(0);
    expect(loss).toBeGreaterThan(0);
    // Sixteen workers ended in between, each of which had some 24 MB: one in eight that stayed would show.
    expect(grown).toBeLessThan(40 * 2 ** 20);
  });
});
