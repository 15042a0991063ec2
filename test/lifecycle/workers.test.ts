import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';

describe('worker threads with devices', { timeout: 60_000 }, () => {
  it.each([
    ['return', 4, [0]],
    ['leave', 4, [0]],
    ['throw', 4, [1]],
    ['exit', 4, [5]],
    ['terminate', 40, [1]],
  ] as const)('end by %s, %d of them', async (way, count, codes) => {
    const { stdout, ...ended } = await runChild('workers.mjs', { args: [way, String(count)] });
    expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toEqual(codes);
  });

  it('give back the memory of reads that were dropped', async () => {
    expect(await runChild('dropped-reads.mjs')).toEqual({ status: 0, signal: null, stdout: 'true\n', stderr: '' });
  });
});
