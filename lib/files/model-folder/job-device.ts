import { Device, type DeviceKind } from '../../core/device.ts';

/** The device of a job: an open one, or the name of one that the job opens and closes. */
export type JobDevice = Device | DeviceKind | 'auto' | `cuda:${number}`;

export const openDevice = (device: JobDevice): Device =>
  device instanceof Device ? device : Device.open(device as DeviceKind);

/** Closes the device of a job unless it was given. An aborted signal asks not to wait for work that still runs. */
export async function closeDevice(opened: Device | undefined, given: JobDevice, signal?: AbortSignal): Promise<void> {
  const closed = opened && opened !== given ? opened.close() : undefined;
  if (!signal?.aborted) await closed;
}
