// The memory of a device once the tensors that nobody has any more are gone: what a later call leaves is counted from there.
import { setTimeout } from 'node:timers/promises';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Device } from '../../lib/index.ts';

v8.setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * The memory of the device after the tensors that earlier tests have dropped are collected and finalized. Finalizers run in
 * turns of their own, and some of what they drop is collected only then: it has settled when three rounds leave it as it is.
 */
export async function settledMemory(device: Device): Promise<Device['info']['memory']> {
  let least = Infinity;
  for (let quiet = 0; quiet < 3; ) {
    await device.synchronize();
    collect();
    await setTimeout(2);
    const { live } = device.info.memory;
    quiet = live < least ? 0 : quiet + 1;
    least = Math.min(least, live);
  }
  return device.info.memory;
}
