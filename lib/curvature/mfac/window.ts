// A ring of gradients and what solves with them: F = λ I + Σ gᵢ gᵢᵀ / m, of which nothing of d × d is made.
import type { Device } from '../../core/device.ts';
import { OrthokitError } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';

/** Dtype of a ring. */
export type WindowDtype = 'f32' | 'f64' | 'bf16';
/** Bytes of an element of a ring. */
const bytesOf: Readonly<Record<WindowDtype, number>> = { f32: 4, f64: 8, bf16: 2 };

/** Damping below this share of the largest square, times the size of the window, is lost in rounding. */
const rounding = 64 * 2 ** -52;
/** Sizes of a window. */
export interface WindowSizes {
  /** Gradients, m. */
  readonly window: number;
  /** Elements of one, d. */
  readonly size: number;
  readonly dtype: WindowDtype;
  readonly damp: number;
}

/** Bytes of state of a window. */
export const bytesOfWindow = ({ window, size, dtype }: WindowSizes): number =>
  window * size * bytesOf[dtype] + 8 * window * window;

/** Queues work alone, and waits for nothing. */
export class Window {
  readonly sizes: WindowSizes;
  /** `[m, d]`: the gradients; a row that is not filled is 0. */
  readonly gradients: Tensor;
  /** `[m, m]`, f64: the inner products of all pairs. */
  readonly gram: Tensor;
  /** The dtype of vectors. */
  readonly work: 'f32' | 'f64';
  readonly #device: Device;
  readonly #owned = new Owned<Tensor>();
  readonly #rows: readonly Tensor[];
  readonly #diagonal: Tensor;
  readonly #ones: Tensor;
  readonly #least: Tensor;
  readonly #top: Tensor;
  readonly #inverse: Tensor;
  readonly #products: Tensor;
  readonly #factor: Tensor;
  #isFactored = false;
  /** A slot that an entry has begun to write, and where its gradient of before is. */
  #torn: { readonly slot: number; readonly room: Tensor } | undefined;

  /** @throws ERR_MEMORY with the bytes that the state takes */
  constructor(where: string, device: Device, sizes: WindowSizes, memoryLimit: number) {
    const { window, size, dtype, damp } = sizes;
    const bytes = bytesOfWindow(sizes);
    const short = (got: string): OrthokitError =>
      new OrthokitError(
        'ERR_MEMORY',
        `${where}: a window of ${window} gradients of ${size} elements must find ${bytes} bytes, got ${got}`,
      );
    if (bytes > memoryLimit) throw short(`a limit of ${memoryLimit}`);
    this.sizes = sizes;
    this.work = dtype === 'f64' ? 'f64' : 'f32';
    this.#device = device;
    const make = (shape: readonly number[], of: 'f32' | 'f64' | 'bf16' | 'i32' = 'f64'): Tensor =>
      this.#owned.add(new Tensor(device, shape, of));
    try {
      this.gradients = make([window, size], dtype);
      this.gram = make([window, window]);
      ops.fill(device, { x: [this.gradients, this.gram] });
      this.#rows = Array.from({ length: window }, (_, i) =>
        this.#owned.add(this.#owned.add(this.gradients.rows(i, i + 1)).reshape([size])),
      );
      this.#factor = make([window, window]);
      this.#products = make([window, 1]);
      this.#diagonal = this.#owned.add(vectors.index(device, window, (i) => i * (window + 1)));
      this.#ones = make([window, 1]);
      ops.fill(device, { x: [this.#ones], value: 1 });
      this.#least = make([1]);
      ops.fill(device, { x: [this.#least], value: window * damp });
      this.#top = make([2]);
      this.#inverse = make([1]);
    } catch (error) {
      this.#owned.dispose();
      if (error instanceof OrthokitError && error.code === 'ERR_MEMORY') throw short('less');
      throw error;
    }
  }

  /**
   * Takes a new gradient into a slot: `[d]`, of the ring's dtype. What fails leaves the window as it was.
   * @param room `[d]`, of the work's dtype: it keeps the slot's gradient until the next call
   */
  enter(queue: Device, slot: number, gradient: Tensor, room: Tensor): void {
    this.mend(queue);
    const own = this.#rows[slot]!;
    const rows = this.#rows.map((row) => (row === own ? gradient : row));
    ops.cast(queue, { x: [own], out: [room] });
    ops.dots(queue, { x: rows, y: rows.map(() => gradient), out: this.#products });
    this.#write(queue, slot, room);
    ops.copy(queue, { x: [gradient], out: [own] });
    this.#torn = undefined;
  }

  /**
   * Takes an entry back, at once or, where that fails, in the next call.
   * @param room `[d]`: the slot's gradient of before
   */
  takeBack(queue: Device, slot: number, room: Tensor): void {
    this.#isFactored = false;
    this.#torn = { slot, room };
    try {
      this.mend(queue);
    } catch {
      // the next call does it, or says why it cannot
    }
  }

  /** Takes back what an entry has written that then failed. */
  mend(queue: Device): void {
    if (this.#torn === undefined) return;
    const { slot, room } = this.#torn;
    const own = this.#rows[slot]!;
    ops.cast(queue, { x: [room], out: [own] });
    ops.dots(queue, { x: this.#rows, y: this.#rows.map(() => own), out: this.#products });
    this.#write(queue, slot, room);
    this.#torn = undefined;
  }

  /** Writes the products into a slot's row and column of inner products. */
  #write(queue: Device, slot: number, room: Tensor): void {
    const { window } = this.sizes;
    using column = vectors.index(this.#device, window, (i) => i * window + slot);
    using elements = this.gram.reshape([window * window, 1]);
    using row = this.gram.rows(slot, slot + 1);
    using flat = row.reshape([window, 1]);
    this.#torn = { slot, room };
    this.#isFactored = false;
    ops.copy(queue, { x: [this.#products], out: [flat] });
    ops.scatterRows(queue, { out: elements, index: column, x: this.#products, mode: 'set' });
  }

  /** Gradients and inner products have been replaced: the factor of them is made anew. */
  forget(): void {
    [this.#isFactored, this.#torn] = [false, undefined];
  }

  /** out = F⁻¹ x by Woodbury's identity; `[d]`, in the dtype of the work; x and out are two. */
  solve(queue: Device, x: Tensor, out: Tensor): void {
    this.#factorize(queue);
    ops.dots(queue, { x: this.#rows, y: this.#rows.map(() => x), out: this.#products });
    ops.choleskySolve(queue, { factor: this.#factor, rhs: this.#products, out: this.#products });
    this.#combine(queue, out);
    vectors.combine(queue, out, [this.#inverse, x], [[-1, this.#inverse], out]);
  }

  /** out = F⁻¹ g of the gradient of a slot, without the difference of two large numbers: m Gᵀ C⁻¹ e. */
  solveSlot(queue: Device, slot: number, out: Tensor): void {
    const { window } = this.sizes;
    this.#factorize(queue);
    this.#products.write(Float64Array.from({ length: window }, (_, i) => (i === slot ? window : 0)));
    ops.choleskySolve(queue, { factor: this.#factor, rhs: this.#products, out: this.#products });
    this.#combine(queue, out);
  }

  dispose(): void {
    this.#owned.dispose();
  }

  /** C = m λ I + G Gᵀ as its lower factor, and 1 / λ. */
  #factorize(queue: Device): void {
    this.mend(queue);
    if (this.#isFactored) return;
    const { window } = this.sizes;
    using owned = new Owned<Tensor>();
    const elements = owned.add(this.gram.reshape([window * window, 1]));
    const own = owned.add(new Tensor(this.#device, [window, 1], 'f64'));
    const [first, second] = [owned.add(this.#top.rows(0, 1)), owned.add(this.#top.rows(1, 2))];
    ops.gatherRows(queue, { x: elements, index: this.#diagonal, out: own });
    ops.rowReduce(queue, { x: owned.add(own.reshape([1, window])), out: first, reduction: 'max' });
    const pair = owned.add(this.#top.reshape([1, 2]));
    vectors.scale(queue, rounding * window, first);
    ops.copy(queue, { x: [this.#least], out: [second] });
    const ridge = owned.add(vectors.scalar(this.#device));
    ops.rowReduce(queue, { x: pair, out: ridge, reduction: 'max' });
    const count = owned.add(vectors.scalar(this.#device));
    ops.fill(queue, { x: [count], value: window });
    vectors.divide(queue, count, ridge, this.#inverse);

    const shifted = owned.add(new Tensor(this.#device, [window, window], 'f64'));
    const places = owned.add(shifted.reshape([window * window, 1]));
    ops.copy(queue, { x: [this.gram], out: [shifted] });
    vectors.scale(queue, ridge, this.#ones, own);
    ops.scatterRows(queue, { out: places, index: this.#diagonal, x: own, mode: 'add' });
    const info = owned.add(new Tensor(this.#device, [1], 'i32'));
    ops.cholesky(queue, { gram: shifted, factor: this.#factor, info });
    this.#isFactored = true;
  }

  /**
   * out = Gᵀ y, y the products. Gradients that depend on others make y large along what gives nothing: it is summed
   * with all digits of y.
   */
  #combine(queue: Device, out: Tensor): void {
    const { window, size } = this.sizes;
    using row = out.reshape([1, size]);
    using coefficients = this.#products.reshape([1, window]);
    ops.combineRows(queue, { x: this.gradients, coefficients, out: row });
  }
}
