import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import type { Dtype } from '../core/dtypes.ts';
import { refusal } from '../core/errors.ts';
import { Lane } from '../core/lane.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { kind, readOptions, type Schema } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { GramRows } from './gram-rows.ts';

/** Options of {@link Dictionary}. */
export interface DictionaryOptions {
  /**
   * Bytes of the device that the dictionary and the work with it may take, beside atoms, signals and results. Default:
   * 40 % of the device's memory.
   */
  memoryLimit?: number | undefined;
}

const schema: Schema<{ memoryLimit: number | undefined }> = {
  memoryLimit: kind((x) => Number.isSafeInteger(x) && (x as number) > 0, 'a whole number of bytes above 0'),
};

/**
 * The share of the memory limit that rows of a Gram matrix may take that does not fit; the rest is for the work with
 * them.
 */
const shareOfRows = 0.75;

/** Norms of the atoms, once they have been looked at. */
export interface AtomNorms {
  /** |d|² of each atom, f64. */
  readonly squares: Tensor;
  /** 1 / |d|, in the dtype of the atoms; 0 for an atom of zeros. */
  readonly inverses: Tensor;
}

/** Norms beyond this leave squares and products without digits, or infinite. */
const mostNorm: Partial<Record<Dtype, number>> = { f32: 1e15, f64: 1e140 };

/** @throws ERR_ARGUMENT unless all norms are 0 or of a size whose products the dtype holds */
export function checkNorms(where: string, name: string, squares: ArrayLike<number>, dtype: Dtype): void {
  const most = mostNorm[dtype] ?? 1e15;
  let largest = 0;
  for (let i = 0; i < squares.length; ++i) {
    const square = squares[i]!;
    if (!Number.isFinite(square)) throw refusal(where, name, 'be finite', `${square} as a norm² in row ${i}`);
    if (square > largest) largest = square;
  }
  const norm = Math.sqrt(largest);
  if (norm > most || (norm > 0 && norm < 1 / most))
    throw refusal(where, name, `have norms of ${1 / most} to ${most} in ${dtype}`, norm);
}

/**
 * Atoms for sparse coding, one a row: `[N, d]`, f32 or f64; f16 and bf16 are widened to f32 once. Keeps what every call
 * of {@link omp} needs of them: norms, and the Gram matrix once it has been computed, or those of its rows that were
 * used last where `memoryLimit` does not hold it. The atoms must not change while the dictionary is in use; they stay
 * the caller's, and `dispose` leaves them alone.
 *
 * @example
 * const dictionary = new Dictionary(Tensor.from(device, [1, 0, 0, 1, 1, 1], [3, 2]));
 * using code = await omp(dictionary, Tensor.from(device, [3, 3.5], [1, 2]), { k: 1 });
 * console.log(await code.indices.read()); // Int32Array(1) [ 2 ]
 */
export class Dictionary {
  /** The device of the atoms. */
  readonly device: Device;
  /** The atoms in the dtype of the work: the tensor that was given, or its f32 copy. */
  readonly atoms: Tensor;
  /** Number of atoms. */
  readonly size: number;
  /** The number of elements of an atom. */
  readonly length: number;
  /** Bytes that the work with the dictionary may take: {@link DictionaryOptions.memoryLimit}. */
  readonly memoryLimit: number;
  /** Tensors that the dictionary keeps beside the atoms: their f32 copy, norms, and the Gram matrix or rows of it. */
  readonly #owned = new Owned<Tensor>();
  #norms: Promise<AtomNorms> | undefined;
  #gram: Tensor | undefined;
  #rows: GramRows | undefined;
  #disposed = false;
  /** Work that all calls share goes through a lane of its own, which is given up when the last of them is. */
  #lane: Lane | undefined;
  #users = 0;
  #isGramQueued = false;

  /**
   * The atoms are looked at in the first {@link omp}: one that is not finite rejects there.
   * @throws ERR_ARGUMENT, ERR_DTYPE for integers, ERR_SHAPE unless the atoms are a matrix with rows, ERR_DISPOSED
   */
  constructor(atoms: Tensor, options: DictionaryOptions = {}) {
    const where = 'Dictionary';
    check.tensor(where, 'atoms', atoms, { dtypes: check.floating, rank: 2 });
    if (atoms.shape[0] === 0)
      throw refusal(where, 'atoms', 'be at least one row', `[${atoms.shape.join(', ')}]`, 'ERR_SHAPE');
    const { memoryLimit } = readOptions(where, options, schema);
    const halves = atoms.dtype === 'f16' || atoms.dtype === 'bf16';
    this.device = atoms.device;
    this.atoms = halves ? this.#owned.add(atoms.cast('f32')) : atoms;
    this.size = atoms.shape[0]!;
    this.length = atoms.shape[1]!;
    this.memoryLimit = memoryLimit ?? Math.floor(0.4 * this.device.info.memoryBytes);
  }

  /** The type of the work and its results: f32 or f64. */
  get dtype(): 'f32' | 'f64' {
    return this.atoms.dtype as 'f32' | 'f64';
  }

  /** Bytes on the device that the dictionary keeps beside the atoms. */
  get bytes(): number {
    return [...this.#owned].reduce((sum, tensor) => sum + tensor.byteLength, 0);
  }

  /** True once {@link Dictionary.dispose} has been called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** Gives back what the dictionary keeps; later use throws `ERR_DISPOSED`. The given atoms stay. */
  dispose(): void {
    this.#disposed = true;
    this.#owned.dispose();
    this.#gram = undefined;
    this.#rows = undefined;
  }

  /** Disposes: `using dictionary = new Dictionary(atoms)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal Norms of the atoms, computed once. @throws ERR_ARGUMENT for atoms that are not finite */
  norms(): Promise<AtomNorms> {
    this.#norms ??= this.#measure();
    return this.#norms;
  }

  /** @internal A call that needs what the dictionary keeps begins; disposing ends it. */
  use(signal: AbortSignal | undefined): { [Symbol.dispose](): void } {
    this.#users += 1;
    const end = (): void => {
      this.#users--;
      if (signal?.aborted && this.#users === 0) this.#giveUp();
    };
    return { [Symbol.dispose]: end };
  }

  /** @internal What takes the work that all calls share. */
  queue(): Device {
    this.#lane ??= new Lane(this.device);
    return this.#lane.queue;
  }

  /** @internal To be called when all that was queued has been done. */
  done(): void {
    this.#lane = undefined;
    this.#isGramQueued = false;
    this.#rows?.done();
  }

  /** Nobody waits for what may not be there yet. */
  #giveUp(): void {
    this.#lane?.giveUp();
    this.#lane = undefined;
    this.#rows?.giveUp();
    if (!this.#isGramQueued) return;
    this.#isGramQueued = false;
    if (this.#gram) this.#owned.drop(this.#gram);
    this.#gram = undefined;
  }

  /** @internal Bytes that the Gram matrix takes, or would take. */
  get gramBytes(): number {
    return this.size ** 2 * (this.dtype === 'f64' ? 8 : 4);
  }

  /** @internal Whether the Gram matrix is there already. */
  get hasGram(): boolean {
    return this.#gram !== undefined;
  }

  /** @internal The Gram matrix; queued the first time. */
  gram(): Tensor {
    if (!this.#gram) {
      this.#gram = this.#owned.add(this.#product());
      this.#isGramQueued = true;
    }
    return this.#gram;
  }

  /** @internal How many rows of the Gram matrix there is room for where it does not fit. */
  get mostRows(): number {
    return Math.min(this.size, Math.floor((shareOfRows * this.memoryLimit * this.size) / this.gramBytes));
  }

  /** @internal Rows of the Gram matrix that were used last. @throws ERR_MEMORY */
  gramRows(): GramRows {
    if (!this.#rows) {
      this.#rows = new GramRows(this.atoms, this.mostRows);
      this.#owned.add(this.#rows.table);
    }
    return this.#rows;
  }

  async #measure(): Promise<AtomNorms> {
    const { device, atoms, size, dtype } = this;
    const squares = this.#owned.add(vectors.rowSquares(device, atoms));
    const values = await squares.read();
    checkNorms('Dictionary', 'atoms', values, dtype);
    const inverses = values.map((square) => (square > 0 ? 1 / Math.sqrt(square) : 0));
    check.alive('Dictionary', 'dictionary', this);
    return {
      squares,
      inverses: this.#owned.add(Tensor.from(device, dtype === 'f32' ? new Float32Array(inverses) : inverses, [size])),
    };
  }

  #product(): Tensor {
    const { device, atoms, size, dtype } = this;
    const queue = this.queue();
    return filled(new Tensor(device, [size, size], dtype), (gram) => {
      // Both give atoms that are the same columns that are the same, so that the lowest of them wins; a BLAS need not.
      if (device.kind === 'cpu' && dtype === 'f32') ops.symmetricProduct(queue, { a: atoms, c: gram });
      else ops.correlations(queue, { x: atoms, atoms, out: gram });
    });
  }
}
