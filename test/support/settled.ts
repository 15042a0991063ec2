// The memory of a device once the tensors that nobody has any more are gone: what a later call leaves is counted from there.
import { setImmediate } from 'node:timers/promises';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Device } from '../../lib/index.ts';

v8.setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** The memory of the device after the tensors that earlier tests have dropped are collected and finalized. */
export async function settledMemory(device: Device): Promise<Device['info']['memory']> {
  for (let before = Infinity; device.info.memory.live < before; ) {
    before = device.info.memory.live;
    collect();
    for (let turn = 0; turn < 3; turn += 1) await setImmediate();
  }
  return device.info.memory;
}
