import type { Tensor } from '../../core/tensor.ts';
import type { Views } from './views.ts';

/** Buffers of one shape and dtype, or a constant. */
export interface Shelf {
  /** In the order in which they were made. */
  readonly all: Tensor[];
  /** The last one is lent next. */
  readonly free: Tensor[];
  bytes: number;
  lastCall: number;
}

/** A pool holds so many times the bytes of its largest call before buffers of shapes that are no longer seen go. */
const mostBytes = 1.5;

/** The shelves of an arena, of which those that no call uses go. */
export class Shelves {
  /** How many calls have ended. */
  calls = 0;
  readonly #shelves = new Map<string, Shelf>();
  readonly #views: Views;
  #bytes = 0;
  #largest = 0;

  constructor(views: Views) {
    this.#views = views;
  }

  at(key: string): Shelf {
    let shelf = this.#shelves.get(key);
    if (!shelf) {
      shelf = { all: [], free: [], bytes: 0, lastCall: 0 };
      this.#shelves.set(key, shelf);
    }
    shelf.lastCall = this.calls;
    return shelf;
  }

  add(shelf: Shelf, tensor: Tensor): Tensor {
    shelf.all.push(tensor);
    shelf.bytes += tensor.byteLength;
    this.#bytes += tensor.byteLength;
    this.#views.keep(tensor);
    return tensor;
  }

  /** All that was lent comes back, so that the next call of equal shapes gets the same buffers in the same order. */
  reset(): void {
    let used = 0;
    for (const { all, free, bytes, lastCall } of this.#shelves.values()) {
      if (lastCall === this.calls) used += bytes;
      free.length = 0;
      for (let i = all.length - 1; i >= 0; --i) free.push(all[i]!);
    }
    this.#largest = Math.max(this.#largest, used);
    if (this.#bytes > mostBytes * this.#largest) this.#evict();
    this.calls += 1;
  }

  /** Shapes that have not been seen for longest go first. */
  #evict(): void {
    const byAge = [...this.#shelves].sort(([, a], [, b]) => a.lastCall - b.lastCall);
    for (const [key, shelf] of byAge) {
      if (this.#bytes <= mostBytes * this.#largest || shelf.lastCall === this.calls) return;
      this.#shelves.delete(key);
      this.#bytes -= shelf.bytes;
      for (const tensor of shelf.all) this.#views.drop(tensor);
    }
  }

  clear(): void {
    for (const { all } of this.#shelves.values()) for (const tensor of all) this.#views.drop(tensor);
    this.#shelves.clear();
  }
}
