import { describe, expect, it } from 'vitest';
import { Device } from '../../lib/index.ts';
import { runChild } from '../support/child.ts';

describe.each(Device.available)('worker threads with devices on %s', { timeout: 60_000 }, (kind) => {
  it('give back the memory of reads that were dropped', async () => {
    const ended = await runChild('dropped-reads.mjs', { env: { ORTHOKIT_TEST_KIND: kind } });
    expect(ended).toEqual({ status: 0, signal: null, stdout: 'true\n', stderr: '' });
  });
});
