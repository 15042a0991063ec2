// The memory of a device once the tensors that nobody has any more are gone: what a later call leaves is counted from there.
import { setTimeout } from 'node:timers/promises';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'vitest';
import type { Device } from '../../lib/index.ts';

v8.setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * The memory of the device after the tensors that earlier tests have dropped are collected and finalized. Finalizers run in
 * turns of their own, and some of what they drop is collected only then: it has settled when two rounds leave it as it is.
 */
export async function settledMemory(device: Device): Promise<Device['info']['memory']> {
  await device.synchronize();
  let least = device.info.memory.live;
  for (let quiet = 0; quiet < 2; ) {
    collect();
    await setTimeout(2);
    await device.synchronize();
    const { live } = device.info.memory;
    quiet = live < least ? 0 : quiet + 1;
    least = Math.min(least, live);
  }
  return device.info.memory;
}

/**
 * Runs what must leave as many tensors as there were. A collection takes long in a process with many modules, so there is
 * none at first; where the numbers differ, as after tensors that were dropped before, it runs again on memory that has
 * settled, and that is judged.
 */
export async function leavesMemory(device: Device, body: () => Promise<void>): Promise<void> {
  await device.synchronize();
  const { live } = device.info.memory;
  await body();
  await device.synchronize();
  if (device.info.memory.live === live) return;
  const settled = await settledMemory(device);
  expect(settled.live).toBeLessThanOrEqual(live);
  await body();
  await device.synchronize();
  expect(device.info.memory.live).toBe(settled.live);
}
