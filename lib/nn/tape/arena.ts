import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { OrthokitError } from '../../core/errors.ts';
import { Tensor } from '../../core/tensor.ts';
import { type DeviceOps, opsOn } from './device-ops.ts';
import { Views } from './views.ts';

/** Buffers of one shape and dtype, or a constant. */
interface Shelf {
  /** In the order in which they were made. */
  readonly all: Tensor[];
  /** The last one is lent next. */
  free: Tensor[];
  bytes: number;
  lastCall: number;
}

/** One call of an arena: whoever lives longer than it can tell it from others, and ask how it ended. */
export interface ArenaCall {
  /** True once it, or one inside it, has thrown. */
  hasThrown: boolean;
}

/** A pool holds so many times the bytes of its largest call before buffers of shapes that are no longer seen go. */
const mostBytes = 1.4;

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
  /** @internal The number of calls that have ended. */
  calls = 0;
  /** @internal The call that runs, or the one that comes next. */
  current: ArenaCall = { hasThrown: false };
  readonly #views = new Views();
  readonly #shelves = new Map<string, Shelf>();
  readonly #lent = new Map<Tensor, Shelf>();
  readonly #pinned = new Set<Tensor>();
  #bytes = 0;
  /** The bytes of the largest call. */
  #largest = 0;
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

  /** @internal Lends a buffer whose elements are not set. */
  take(shape: readonly number[], dtype: Dtype): Tensor {
    const shelf = this.#shelf(`${dtype} ${shape}`);
    const tensor = shelf.free.pop() ?? this.#add(shelf, new Tensor(this.device, shape, dtype));
    this.#lent.set(tensor, shelf);
    return tensor;
  }

  /** @internal Masks and lists of indices: made once, and gone as buffers are. */
  constant(key: string, make: (device: Device) => Tensor): Tensor {
    const shelf = this.#shelf(`constant ${key}`);
    return shelf.all[0] ?? this.#add(shelf, make(this.device));
  }

  #shelf(key: string): Shelf {
    if (this.#disposed) throw new OrthokitError('ERR_DISPOSED', 'nn: the arena has been disposed');
    const shelf = this.#shelves.get(key) ?? { all: [], free: [], bytes: 0, lastCall: 0 };
    this.#shelves.set(key, shelf);
    shelf.lastCall = this.calls;
    return shelf;
  }

  #add(shelf: Shelf, tensor: Tensor): Tensor {
    shelf.all.push(tensor);
    shelf.bytes += tensor.byteLength;
    this.#bytes += tensor.byteLength;
    this.#views.keep(tensor);
    this.#evict();
    return tensor;
  }

  /** @internal Takes a buffer back; what was not lent, or is pinned, is left alone. */
  give(tensor: Tensor): void {
    const shelf = this.#lent.get(tensor);
    if (!shelf || this.#pinned.has(tensor)) return;
    this.#lent.delete(tensor);
    shelf.free.push(tensor);
  }

  /** @internal Keeps a buffer until the next call. */
  pin(tensor: Tensor): void {
    this.#pinned.add(tensor);
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

  /** All that was lent comes back, so that the next call of equal shapes gets the same buffers in the same order. */
  #reset(): void {
    this.#views.reset();
    this.#pinned.clear();
    this.#lent.clear();
    let used = 0;
    for (const shelf of this.#shelves.values()) {
      if (shelf.lastCall === this.calls) used += shelf.bytes;
      shelf.free = shelf.all.toReversed();
    }
    this.#largest = Math.max(this.#largest, used);
    this.#evict();
    this.calls += 1;
    this.current = { hasThrown: false };
  }

  /** Of too much, shapes that this call has not seen go, those that were not seen for longest first. */
  #evict(): void {
    if (this.#bytes <= mostBytes * this.#largest) return;
    for (const [key, shelf] of [...this.#shelves].sort(([, a], [, b]) => a.lastCall - b.lastCall))
      if (this.#bytes > mostBytes * this.#largest && shelf.lastCall < this.calls) this.#drop(key, shelf);
  }

  #drop(key: string, shelf: Shelf): void {
    this.#shelves.delete(key);
    this.#bytes -= shelf.bytes;
    for (const tensor of shelf.all) this.#views.drop(tensor);
  }

  /** Gives all buffers back. Results of its calls are gone. */
  dispose(): void {
    if (this.#disposed) return;
    this.#reset();
    this.#disposed = true;
    for (const [key, shelf] of this.#shelves) this.#drop(key, shelf);
  }

  /** Disposes: `using arena = new nn.Arena(device)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
