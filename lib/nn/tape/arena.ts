import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { OrthokitError } from '../../core/errors.ts';
import { Tensor } from '../../core/tensor.ts';
import { type DeviceOps, opsOn } from './device-ops.ts';
import { type Buffer, type Shelf, Shelves } from './shelves.ts';
import { Views } from './views.ts';

/** One call of an arena: whoever lives longer than it can tell it from others, and ask how it ended. */
export interface ArenaCall {
  /** True once it, or one inside it, has thrown. */
  hasThrown: boolean;
}

/**
 * The buffers of repeated calls. A buffer that is given back serves the next one of its shape: work runs in the order
 * in which it was queued, so nothing has to be awaited. From the second call of equal shapes on nothing is allocated,
 * and each place gets the same buffer again.
 *
 * Calls of one arena share its buffers: results hold until the next call of any of them.
 *
 * @example
 * using arena = new nn.Arena(device);
 * const train = nn.valueAndGrad(loss, { arena });
 * const evaluate = nn.forward(loss, { arena });
 */
export class Arena {
  /** The device of all buffers. */
  readonly device: Device;
  /** @internal Operations on it. */
  readonly ops: DeviceOps;
  /** @internal The call that runs, or the one that comes next. */
  current: ArenaCall = { hasThrown: false };
  readonly #views = new Views();
  readonly #shelves = new Shelves((tensor) => {
    this.#buffers.delete(tensor);
    this.#views.drop(tensor);
  });
  readonly #buffers = new Map<Tensor, Buffer>();
  /** Calls that run, one inside the other. */
  #depth = 0;
  #disposed = false;

  /** @throws ERR_ARGUMENT for what is no device */
  constructor(device: Device) {
    check.device('nn.Arena', 'device', device);
    this.device = device;
    this.ops = opsOn(device);
  }

  /** True once {@link Arena.dispose} has been called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** @internal The number of calls that have ended. */
  get calls(): number {
    return this.#shelves.calls;
  }

  /** @internal Lends a buffer whose elements are not set. */
  take(shape: readonly number[], dtype: Dtype): Tensor {
    const shelf = this.#alive().of(shape, dtype);
    const buffer = shelf.free.pop() ?? this.#add(shelf, new Tensor(this.device, shape, dtype));
    buffer.isLent = true;
    return buffer.tensor;
  }

  /** @internal Masks and lists of indices: made once, and gone as buffers are. */
  constant(key: string, make: (device: Device) => Tensor): Tensor {
    const shelf = this.#alive().at(`constant ${key}`);
    return (shelf.all[0] ?? this.#add(shelf, make(this.device))).tensor;
  }

  #alive(): Shelves {
    if (this.#disposed) throw new OrthokitError('ERR_DISPOSED', 'nn: the arena has been disposed');
    return this.#shelves;
  }

  #add(shelf: Shelf, tensor: Tensor): Buffer {
    this.#views.keep(tensor);
    const buffer = this.#shelves.add(shelf, tensor);
    this.#buffers.set(tensor, buffer);
    return buffer;
  }

  /** @internal Takes a buffer back; what was not lent, or is pinned, is left alone. */
  give(tensor: Tensor): void {
    const buffer = this.#buffers.get(tensor);
    if (!buffer?.isLent || buffer.isPinned) return;
    buffer.isLent = false;
    buffer.shelf.free.push(buffer);
  }

  /** @internal Keeps a buffer until the next call. */
  pin(tensor: Tensor): void {
    const buffer = this.#buffers.get(tensor);
    if (buffer) buffer.isPinned = true;
  }

  /** @internal True for what stays until the next call. */
  isPinned(tensor: Tensor): boolean {
    return this.#buffers.get(tensor)?.isPinned === true;
  }

  /** @internal The same bytes under another shape. */
  view(tensor: Tensor, shape: readonly number[]): Tensor {
    return this.#views.view(tensor, shape);
  }

  /** @internal A call, whether it ends well or not: buffers come back at the end of the outermost. */
  call<R>(body: () => R): R {
    this.#depth += 1;
    try {
      return body();
    } catch (error) {
      this.current.hasThrown = true;
      throw error;
    } finally {
      this.#depth -= 1;
      if (this.#depth === 0) this.#reset();
    }
  }

  #reset(): void {
    this.#views.reset();
    this.#shelves.reset();
    this.current = { hasThrown: false };
  }

  /** Gives all buffers back. Results of its calls are gone. */
  dispose(): void {
    if (this.#disposed) return;
    this.#reset();
    this.#disposed = true;
    this.#shelves.clear();
  }

  /** Disposes: `using arena = new nn.Arena(device)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
