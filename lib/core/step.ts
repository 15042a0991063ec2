import type { Device } from './device.ts';
import { native } from './native.ts';

/** Devices with a step that ends with the turn. */
const open = new Set<Device>();

/**
 * Begins a step: all that the caller queues from here until it waits, or begins the next one, such as the gradients of
 * a batch and what an optimizer makes of them. On CUDA one that comes again is given to the device as one.
 */
export function beginStep(device: Device): void {
  if (device.kind !== 'cuda') return;
  native.beginStep(device);
  if (open.has(device)) return;
  open.add(device);
  queueMicrotask(() => {
    open.delete(device);
    native.endStep(device);
  });
}
