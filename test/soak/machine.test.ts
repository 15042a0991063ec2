// Devices: cpu
// The judge of R18 and R19: what a process does to itself is no excuse, what others do to it is one.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { clock, Machine } from '../support/machine.ts';

describe('the machine, as another process sees it', { timeout: 60_000 }, () => {
  it('has not stood still while this event loop has', async () => {
    using machine = await Machine.start();
    const excuses: number[] = [];
    for (let i = 0; i < 5; i++) {
      const start = clock();
      while (clock() - start < 200);
      excuses.push((await machine.lost(start, clock())) / (clock() - start));
    }
    // Others may have had the machine for a part of the time, not for all of it each time.
    expect(Math.min(...excuses)).toBeLessThan(0.95);
  });

  it('has stood still while that process was stopped', async () => {
    using machine = await Machine.start();
    const start = clock();
    process.kill(machine.pid, 'SIGSTOP');
    await sleep(300);
    process.kill(machine.pid, 'SIGCONT');
    const end = clock();
    await sleep(50);
    const lost = await machine.lost(start, end);
    expect(lost).toBeGreaterThan(0.9 * (end - start));
    expect(lost).toBeLessThanOrEqual(end - start);
  });
});
