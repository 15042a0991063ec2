import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { OrthokitError } from '../../core/errors.ts';
import { placeOf, Tensor } from '../../core/tensor.ts';

/** Buffers of one shape and dtype. */
interface Shelf {
  /** In the order in which they were made. */
  readonly all: Tensor[];
  /** The last one is lent next. */
  readonly free: Tensor[];
  readonly bytes: number;
  lastCall: number;
}

/** A pool holds so many times the bytes of its largest call before buffers of shapes that are no longer seen go. */
const mostBytes = 1.5;

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
  readonly #shelves = new Map<string, Shelf>();
  readonly #lent = new Map<Tensor, Shelf>();
  readonly #views = new Map<Tensor, Map<string, Tensor>>();
  /** Views of tensors that are not the arena's: until the call ends. */
  #foreign: Tensor[] = [];
  readonly #constants = new Map<string, Tensor>();
  readonly #blocks = new WeakSet<object>();
  #call = 0;
  #bytes = 0;
  #largest = 0;
  #disposed = false;

  /** @throws ERR_ARGUMENT for what is no device */
  constructor(device: Device) {
    check.device('nn.Arena', 'device', device);
    this.device = device;
  }

  /** True once {@link Arena.dispose} has been called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** @internal Lends a buffer whose elements are not set. */
  take(shape: readonly number[], dtype: Dtype): Tensor {
    if (this.#disposed) throw new OrthokitError('ERR_DISPOSED', 'nn: the arena has been disposed');
    const key = `${dtype} ${shape}`;
    let shelf = this.#shelves.get(key);
    let tensor = shelf?.free.pop();
    if (!tensor) {
      tensor = new Tensor(this.device, shape, dtype);
      shelf ??= { all: [], free: [], bytes: tensor.byteLength, lastCall: 0 };
      this.#shelves.set(key, shelf);
      shelf.all.push(tensor);
      this.#blocks.add(placeOf(tensor).block);
      this.#bytes += shelf.bytes;
    }
    this.#lent.set(tensor, shelf!);
    shelf!.lastCall = this.#call;
    return tensor;
  }

  /** @internal Takes a buffer back; what was not lent is left alone. */
  give(tensor: Tensor): void {
    const shelf = this.#lent.get(tensor);
    if (!shelf) return;
    this.#lent.delete(tensor);
    shelf.free.push(tensor);
  }

  /** @internal The same bytes under another shape. */
  view(tensor: Tensor, shape: readonly number[]): Tensor {
    if (shape.length === tensor.shape.length && shape.every((size, i) => size === tensor.shape[i])) return tensor;
    if (!this.#blocks.has(placeOf(tensor).block)) {
      const view = tensor.reshape(shape);
      this.#foreign.push(view);
      return view;
    }
    let views = this.#views.get(tensor);
    if (!views) {
      views = new Map();
      this.#views.set(tensor, views);
    }
    const key = shape.join();
    let view = views.get(key);
    if (!view) {
      view = tensor.reshape(shape);
      views.set(key, view);
    }
    return view;
  }

  /** @internal Masks and lists of indices: made once, kept until the arena is disposed of. */
  constant(key: string, make: (device: Device) => Tensor): Tensor {
    let tensor = this.#constants.get(key);
    if (!tensor) {
      tensor = make(this.device);
      this.#constants.set(key, tensor);
    }
    return tensor;
  }

  /**
   * @internal After a call, whether it ended well or not: all that was lent comes back, so that the next call of equal
   * shapes gets the same buffers in the same order.
   */
  reset(): void {
    for (const view of this.#foreign) view.dispose();
    this.#foreign = [];
    let used = 0;
    for (const { all, free, bytes, lastCall } of this.#shelves.values()) {
      if (lastCall === this.#call) used += all.length * bytes;
      free.length = 0;
      for (let i = all.length - 1; i >= 0; --i) free.push(all[i]!);
    }
    this.#lent.clear();
    this.#largest = Math.max(this.#largest, used);
    if (this.#bytes > mostBytes * this.#largest) this.#evict();
    this.#call += 1;
  }

  /** Shapes that have not been seen for longest go first. */
  #evict(): void {
    const byAge = [...this.#shelves].sort(([, a], [, b]) => a.lastCall - b.lastCall);
    for (const [key, shelf] of byAge) {
      if (this.#bytes <= mostBytes * this.#largest || shelf.lastCall === this.#call) return;
      this.#shelves.delete(key);
      this.#bytes -= shelf.all.length * shelf.bytes;
      for (const tensor of shelf.all) this.#drop(tensor);
    }
  }

  #drop(tensor: Tensor): void {
    for (const view of this.#views.get(tensor)?.values() ?? []) view.dispose();
    this.#views.delete(tensor);
    tensor.dispose();
  }

  /** Gives all buffers back. Results of its calls are gone. */
  dispose(): void {
    if (this.#disposed) return;
    this.reset();
    this.#disposed = true;
    for (const { all } of this.#shelves.values()) for (const tensor of all) this.#drop(tensor);
    for (const tensor of this.#constants.values()) tensor.dispose();
    this.#shelves.clear();
    this.#constants.clear();
  }

  /** Disposes: `using arena = new nn.Arena(device)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
