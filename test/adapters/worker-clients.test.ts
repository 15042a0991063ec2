// Devices: cpu
// Clients of federated training in worker threads, each with a device of its own.
import { expect, it } from 'vitest';
import { runChild } from '../support/child.ts';

it('a server and its clients in worker threads train one adapter', { timeout: 60_000 }, async () => {
  const { status, stdout, stderr } = await runChild('federated.mjs');
  expect([status, stderr]).toEqual([0, '']);
  const { rounds, first, last } = JSON.parse(stdout);
  expect(rounds).toBe(40);
  expect(last).toBeLessThan(first / 2);
});
