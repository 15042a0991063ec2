import type { Dtype } from '../../core/dtypes.ts';
import { isSameShape } from '../../core/shapes.ts';
import type { Tensor } from '../../core/tensor.ts';

/** A tensor of a shelf. */
export interface Buffer {
  readonly tensor: Tensor;
  readonly shelf: Shelf;
  isLent: boolean;
  /** True: it stays until the next call. */
  isPinned: boolean;
}

/** Buffers of one shape and dtype, or a constant. */
export interface Shelf {
  /** All of them, in the order in which they were made. */
  readonly all: Buffer[];
  /** The last one is lent next. */
  readonly free: Buffer[];
  bytes: number;
  lastCall: number;
}

/** Shelves hold so many times the bytes of the largest call before those that are no longer seen go. */
const mostBytes = 1.4;

/** The shelves of repeated calls, of which those that no call has seen for long go. */
export class Shelves {
  /** The number of calls that have ended. */
  calls = 0;
  readonly #drop: (tensor: Tensor) => void;
  readonly #shelves = new Map<string, Shelf>();
  /** Those that the call before asked for, in its order, and the place of the next one. */
  readonly #order: Shelf[] = [];
  #next = 0;
  #bytes = 0;
  /** The bytes of the largest call. */
  #largest = 0;

  /** @param drop Gives a tensor's memory back. */
  constructor(drop: (tensor: Tensor) => void) {
    this.#drop = drop;
  }

  /**
   * The shelf of a shape. That of the same place in the call before is likely to be it: a key is a string, which costs
   * more than all else.
   */
  of(shape: readonly number[], dtype: Dtype): Shelf {
    const place = this.#next;
    this.#next += 1;
    const before = this.#order[place];
    const like = before?.all[0]?.tensor;
    if (like && like.dtype === dtype && isSameShape(like.shape, shape)) {
      before.lastCall = this.calls;
      return before;
    }
    const shelf = this.at(`${dtype} ${shape}`);
    this.#order[place] = shelf;
    return shelf;
  }

  /** The shelf of a key, which this call has seen. */
  at(key: string): Shelf {
    const shelf = this.#shelves.get(key) ?? { all: [], free: [], bytes: 0, lastCall: 0 };
    this.#shelves.set(key, shelf);
    shelf.lastCall = this.calls;
    return shelf;
  }

  /** A new tensor of a shelf, which is not free. */
  add(shelf: Shelf, tensor: Tensor): Buffer {
    const buffer = { tensor, shelf, isLent: false, isPinned: false };
    shelf.all.push(buffer);
    shelf.bytes += tensor.byteLength;
    this.#bytes += tensor.byteLength;
    this.#evict();
    return buffer;
  }

  /** A call ends: all tensors are free, so that the next call of equal shapes gets the same in the same order. */
  reset(): void {
    let used = 0;
    for (const shelf of this.#shelves.values()) {
      if (shelf.lastCall === this.calls) used += shelf.bytes;
      shelf.free.length = 0;
      for (let i = shelf.all.length - 1; i >= 0; --i) {
        const buffer = shelf.all[i]!;
        buffer.isLent = false;
        buffer.isPinned = false;
        shelf.free.push(buffer);
      }
    }
    this.#order.length = this.#next;
    this.#next = 0;
    this.#largest = Math.max(this.#largest, used);
    this.#evict();
    this.calls += 1;
  }

  /**
   * Gives back shapes that this call has not seen where there is too much, those that were not seen for longest first.
   */
  #evict(): void {
    if (this.#bytes <= mostBytes * this.#largest) return;
    for (const [key, shelf] of [...this.#shelves].sort(([, a], [, b]) => a.lastCall - b.lastCall))
      if (this.#bytes > mostBytes * this.#largest && shelf.lastCall < this.calls) this.#remove(key, shelf);
  }

  #remove(key: string, shelf: Shelf): void {
    this.#shelves.delete(key);
    this.#bytes -= shelf.bytes;
    for (const { tensor } of shelf.all.splice(0)) this.#drop(tensor);
  }

  clear(): void {
    for (const [key, shelf] of this.#shelves) this.#remove(key, shelf);
  }
}
