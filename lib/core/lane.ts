import { abortable } from './abortable.ts';
import type { Device } from './device.ts';
import { DevicePlace } from './device-place.ts';
import type { Dtype, DtypeArrays } from './dtypes.ts';
import { native } from './native.ts';
import type { Tensor } from './tensor.ts';

/**
 * A way into a device's queue whose work can be given up: what was queued through it is skipped then, and what runs
 * ends early. What that work would have written is unknown, and must be of no use to anybody else.
 */
export class Lane {
  /** Takes operations like the device. */
  readonly queue: Device;
  readonly #device: Device;
  readonly #signal: AbortSignal | undefined;

  /** Given up when the signal is aborted, unless the lane has been disposed by then. */
  constructor(device: Device, signal?: AbortSignal) {
    this.queue = new native.Device(device) as Device;
    DevicePlace.put(this.queue);
    this.#device = device;
    this.#signal = signal;
    signal?.addEventListener('abort', this.giveUp, { once: true });
  }

  readonly giveUp = (): void => native.giveUp(this.queue);

  /** The elements of a tensor. @throws the signal's reason as soon as it is aborted */
  read<D extends Dtype>(tensor: Tensor<D>): Promise<DtypeArrays[D]> {
    const signal = this.#signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    // Of several reads that are waited for together none may throw, which would leave those before to nobody.
    try {
      return abortable(tensor.read(), signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Waits until the device has caught up. @throws the signal's reason as soon as it is aborted */
  async synchronize(): Promise<void> {
    this.#signal?.throwIfAborted();
    await abortable(this.#device.synchronize(), this.#signal);
  }

  [Symbol.dispose](): void {
    this.#signal?.removeEventListener('abort', this.giveUp);
  }
}
