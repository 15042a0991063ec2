import type { Device } from '../core/device.ts';
import { ops } from '../core/native-ops.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';

const leastRows = 8;

/**
 * Number of rows, of so many, to compute at once, at most `together`: powers of two, and a few rows that are wasted, so
 * that the device keeps few sizes of memory to use again.
 */
function countOf(rows: number, together: number): number {
  const count = Math.max(leastRows, 2 ** Math.floor(Math.log2(rows)));
  return Math.min(count, 2 ** Math.ceil(Math.log2(together)));
}

/** −1, what no row is gathered from or scattered to, fills it up. */
const indexOf = (device: Device, places: readonly number[], count: number): Tensor =>
  vectors.index(device, count, (i) => places[i] ?? -1);

/** Rows of a Gram matrix that does not fit: those used last. A row has the same bits whenever it is computed. */
export class GramRows {
  /** Number of rows that there is room for. */
  readonly capacity: number;
  /** The rows, `[capacity, N]`, by place. */
  readonly table: Tensor;
  readonly #atoms: Tensor;
  /** The place of the row of each atom; the one that was used last is the last. */
  readonly #places = new Map<number, number>();
  readonly #free: number[] = [];
  /** Atoms whose rows have been queued, and may not be there yet. */
  #queued: number[] = [];
  #begun = 0;

  constructor(atoms: Tensor, capacity: number) {
    this.#atoms = atoms;
    this.capacity = capacity;
    this.table = new Tensor(atoms.device, [capacity, atoms.shape[0]!], atoms.dtype);
  }

  /**
   * The places of the rows of these atoms, −1 for what is no atom; what is missing is computed, at most `together` rows
   * at once. Queued on `queue`. The places hold until the next call, and the atoms may be no more than there is room
   * for.
   */
  placesOf(queue: Device, wanted: Int32Array, together: number): Int32Array<ArrayBuffer> {
    const missing = new Set<number>();
    for (const atom of wanted) {
      if (atom < 0) continue;
      const place = this.#places.get(atom);
      if (place === undefined) missing.add(atom);
      else this.#use(atom, place);
    }
    const all = [...missing];
    for (let i = 0; i < all.length; ) {
      const count = countOf(all.length - i, together);
      this.#compute(queue, all.slice(i, i + count), count);
      i += count;
    }
    return Int32Array.from(wanted, (atom) => (atom < 0 ? -1 : this.#places.get(atom)!));
  }

  #use(atom: number, place: number): void {
    this.#places.delete(atom);
    this.#places.set(atom, place);
  }

  /** `count` rows, as many of them as there are atoms. */
  #compute(queue: Device, missing: readonly number[], count: number): void {
    const atoms = this.#atoms;
    const { device, dtype } = atoms;
    const [size, length] = atoms.shape as readonly [number, number];
    const places = missing.map(() => this.#freePlace());
    try {
      using of = indexOf(device, missing, count);
      using to = indexOf(device, places, count);
      using some = new Tensor(device, [count, length], dtype);
      using rows = new Tensor(device, [count, size], dtype);
      ops.gatherRows(queue, { x: atoms, index: of, out: some });
      ops.correlations(queue, { x: some, atoms, out: rows });
      ops.scatterRows(queue, { out: this.table, index: to, x: rows, mode: 'set' });
    } catch (error) {
      this.#free.push(...places);
      throw error;
    }
    for (const [i, atom] of missing.entries()) this.#use(atom, places[i]!);
    this.#queued.push(...missing);
  }

  /** Is called when all that was queued has been done. */
  done(): void {
    this.#queued = [];
  }

  /** Rows that have been queued will not come. */
  giveUp(): void {
    for (const atom of this.#queued) {
      const place = this.#places.get(atom);
      if (place === undefined) continue;
      this.#places.delete(atom);
      this.#free.push(place);
    }
    this.#queued = [];
  }

  /** One that holds nothing, or else the row that has not been used for longest. */
  #freePlace(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#begun < this.capacity) return this.#begun++;
    const [atom, place] = this.#places.entries().next().value!;
    this.#places.delete(atom);
    return place;
  }
}
