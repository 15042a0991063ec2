import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';

describe('worker threads with devices', { timeout: 60_000 }, () => {
  it('give back the memory of reads that were dropped', async () => {
    expect(await runChild('dropped-reads.mjs')).toEqual({ status: 0, signal: null, stdout: 'true\n', stderr: '' });
  });
});
