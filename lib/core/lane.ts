import type { Device } from './device.ts';
import { native } from './native.ts';

/**
 * A way into a device's queue whose work can be given up: what was queued through it is skipped then, and what runs ends
 * early. What that work would have written is unknown, and must be of no use to anybody else.
 */
export class Lane {
  /** Takes operations like the device. */
  readonly queue: Device;
  readonly #signal: AbortSignal | undefined;

  /** Given up when the signal is aborted, unless the lane has been disposed by then. */
  constructor(device: Device, signal?: AbortSignal) {
    this.queue = new native.Device(device) as Device;
    this.#signal = signal;
    signal?.addEventListener('abort', this.giveUp, { once: true });
  }

  readonly giveUp = (): void => native.giveUp(this.queue);

  [Symbol.dispose](): void {
    this.#signal?.removeEventListener('abort', this.giveUp);
  }
}
