// Devices: cpu, cuda
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';

// The clock of the loop that is tested stands still but for what the test says.
let now = 1e6;
vi.spyOn(performance, 'now').mockImplementation(() => now);
afterAll(() => void vi.restoreAllMocks());

/** Counts turns of the event loop from now on, until it is called. */
function countTurns(): () => number {
  let turns = 0;
  let counting = true;
  const next = (): void => {
    if (!counting) return;
    turns++;
    setImmediate(next);
  };
  setImmediate(next);
  return () => {
    counting = false;
    return turns;
  };
}

describe.each(devices)('a loop that awaits a device on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const x = Tensor.zeros(device, [10]);
  beforeEach(async () => {
    await device.synchronize();
    now += 100;
    await device.flow(); // a turn has just begun
  });

  it('flow() answers at once within a few milliseconds', async () => {
    const turns = countTurns();
    for (let i = 0; i < 1000; i++) await device.flow();
    expect(turns()).toBe(0);
  });

  it('flow() gives others their turn every few milliseconds', async () => {
    const turns = countTurns();
    for (let i = 0; i < 100; i++) {
      now += 1;
      await device.flow();
    }
    expect(turns()).toBeGreaterThanOrEqual(20);
  });

  it.each(['flow', 'synchronize', 'read'] as const)('%s() that waits gives others their turn, too', async (name) => {
    const turns = countTurns();
    for (let i = 0; i < 100; i++) {
      ops.fill(device, { x: [x], value: i });
      now += 4;
      await (name === 'read' ? x.read() : device[name]());
    }
    expect(turns()).toBeGreaterThanOrEqual(99);
  });

  it('flow() gives a turn after tensors of 64 MB, so that those that nobody holds can be given back', async () => {
    const turns = countTurns();
    for (let i = 0; i < 20; i++) {
      new Tensor(device, [1 << 22]).dispose(); // 16 MB
      await device.flow();
    }
    expect(turns()).toBeGreaterThanOrEqual(4);
  });

  it('reads are answered in their order', async () => {
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const read = x.read();
        await read;
        now += 1;
        order.push(i);
      }),
    );
    expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });
});
