import { setImmediate as nextTurn } from 'node:timers/promises';
import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { RandomStream } from '../core/random.ts';
import {
  count as countOf,
  notNegative,
  type Option,
  optional,
  readOptions,
  type Schema,
  whole,
  word,
} from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { type KeptState, loadState, saveState } from '../files/state.ts';
import type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
import type { TransferOptions } from '../files/transfer.ts';
import { polar, polarByProducts } from '../linalg/polar.ts';
import { SparseCode } from './code.ts';

/** Options of {@link OnlineOrthogonalDictionary}; all may be left out. */
export interface OnlineOrthogonalDictionaryOptions {
  /** The power p of the objective, 3 or 4. Default: 3. */
  power?: 3 | 4 | undefined;
  /** Seed of the first atoms: whole, from 0 to 2⁵³ − 1. Default: 0. */
  seed?: number | undefined;
  /** The dtype of atoms and signals. Default: `'f32'`. */
  dtype?: 'f32' | 'f64' | undefined;
}

/** The result of {@link OnlineOrthogonalDictionary.update}. */
export interface DictionaryUpdate {
  /** ⟨S − D, g⟩ of the update, from 0 on but for rounding: how far the atoms were from a stationary point. */
  readonly gap: number;
  /** `'zero-gradient'` and `'nonfinite'`: the atoms and the gradient have stayed as they were. */
  readonly status: 'ok' | 'zero-gradient' | 'nonfinite';
}

/** Options of {@link OnlineOrthogonalDictionary.encode}: one of both. */
export interface EncodeOptions {
  /** The number of the largest coefficients that are kept: whole, from 1 to n. Default: by `threshold`. */
  count?: number | undefined;
  /** The size above which coefficients are kept: finite, not negative. Default: by `count`. */
  threshold?: number | undefined;
}

const schema: Schema<{ power: 3 | 4; seed: number; dtype: 'f32' | 'f64' }> = {
  power: whole(3, 3, 4) as Option<3 | 4>,
  seed: whole(0, 0, Number.MAX_SAFE_INTEGER),
  dtype: word(['f32', 'f64'], 'f32'),
};
const encodeSchema: Schema<{ count: number | undefined; threshold: number | undefined }> = {
  count: optional(countOf(1)),
  threshold: optional(notNegative(0)),
};

/** Exponents by which the shares of a batch in gradient and atoms fall with the number of updates. */
const gradientExponent = 0.5;
const atomExponent = 0.75;

/**
 * An orthogonal dictionary learnt from a stream of signals, one batch at a time, with no history but a running
 * gradient: the atoms D, rows, maximize the mean of Σ |D y|ᵖ / p, whose maxima are the directions of which signals are
 * sparse sums.
 * Update t, from 1 on, with Z = y·Dᵀ of a batch of b signals, rows:
 *
 *   g ← (1 − t^(−1/2))·g + t^(−1/2)·(|Z|^(p−2) ⊙ Z)ᵀ·y / b
 *   S = the polar factor of g
 *   D ← (1 − t^(−3/4))·D + t^(−3/4)·S
 *
 * D is in the ball of spectral norm 1, and nears an orthogonal matrix; {@link OnlineOrthogonalDictionary.atoms} is its
 * polar factor. The state goes to a file and comes back bit for bit.
 *
 * Memory: two matrices `[n, n]`; six more in an update, and twice the batch.
 *
 * Source: Xue and Lau, arXiv 2103.01484, of which no program is known. From it: the relaxation to the spectral ball,
 * Frank–Wolfe steps on a running gradient, no history. Ours: the exponents of both shares, and the polar factor by
 * products.
 *
 * @example
 * const dictionary = new OnlineOrthogonalDictionary(device, 64, { seed: 1 });
 * for (const batch of batches) await dictionary.update(batch);
 * using atoms = await dictionary.atoms();
 */
export class OnlineOrthogonalDictionary implements Stateful {
  /** The device of the atoms. */
  readonly device: Device;
  /** Atoms, and elements of each. */
  readonly size: number;
  /** The dtype of atoms and signals. */
  readonly dtype: 'f32' | 'f64';
  /** The power of the objective. */
  readonly power: 3 | 4;
  readonly #owned: Owned<Tensor>;
  readonly #atoms: Tensor;
  readonly #gradient: Tensor;
  /** Gap, guard and |g|² of each update that nobody has read. */
  #unread: Tensor[] = [];
  #reading: Promise<readonly ArrayLike<number>[]> | undefined;
  #updates = 0;
  #disposed = false;

  /**
   * @param n Elements of a signal, and atoms: whole, from 1 on
   * @throws ERR_ARGUMENT, ERR_MEMORY
   */
  constructor(device: Device, n: number, options: OnlineOrthogonalDictionaryOptions = {}) {
    const where = 'OnlineOrthogonalDictionary';
    check.device(where, 'device', device);
    const { power, seed, dtype } = readOptions(where, options, schema);
    const problem = countOf(1).wrong(n);
    if (problem) throw refusal(where, 'n', problem.replace(/^must /, ''), shown(n));
    this.device = device;
    this.size = n;
    this.dtype = dtype;
    this.power = power;
    using owned = new Owned<Tensor>();
    const start = owned.add(new RandomStream(seed).normal(device, [n, n], { dtype }));
    this.#atoms = owned.add(polarByProducts(device, start));
    owned.drop(start);
    this.#gradient = owned.add(Tensor.zeros(device, [n, n], { dtype }));
    this.#owned = owned.move();
  }

  /** Updates so far, those that changed nothing too. */
  get updates(): number {
    return this.#updates;
  }

  /** True once {@link OnlineOrthogonalDictionary.dispose} has been called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** Bytes of atoms and gradient on the device; 0 once disposed. */
  get stateBytes(): number {
    return this.#disposed ? 0 : this.#atoms.byteLength + this.#gradient.byteLength;
  }

  /**
   * Learns from a batch. The work is queued before the call returns, and in a loop that awaits nothing nothing is read:
   * the numbers of all updates that a turn of the event loop has queued are read after it.
   *
   * @param y `[b, n]`, b from 1 on, in the dictionary's dtype; not changed
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for y; ERR_DISPOSED; ERR_MEMORY
   */
  async update(y: Tensor): Promise<DictionaryUpdate> {
    const place = this.#unread.push(this.#learn('OnlineOrthogonalDictionary.update', y)) - 1;
    this.#reading ??= this.#read();
    const [gap, held, square] = (await this.#reading)[place] as unknown as [number, number, number];
    if (held === 0) return { gap, status: 'ok' };
    return square === 0 ? { gap: 0, status: 'zero-gradient' } : { gap: NaN, status: 'nonfinite' };
  }

  /**
   * The atoms as they are, one a row: the polar factor of D, `[n, n]`, the caller's, by a singular value decomposition.
   * They are orthonormal too where the signals leave directions open, along which the atoms are then any.
   * @throws ERR_DISPOSED, ERR_MEMORY
   */
  async atoms(): Promise<Tensor> {
    check.alive('OnlineOrthogonalDictionary.atoms', 'dictionary', this);
    return polar(this.#atoms);
  }

  /**
   * The code of signals by their products with the atoms, the largest first, the caller's: so many of them, or those
   * above a threshold. As the atoms are orthonormal, that is the best code of so many atoms. Products that are 0 are no
   * part of it.
   *
   * @param y `[b, n]`, b from 1 on, in the dictionary's dtype; not changed
   * @throws ERR_ARGUMENT for options and for y with NaN or infinity, there or in its products; ERR_SHAPE, ERR_DTYPE,
   * ERR_DEVICE for y; ERR_DISPOSED; ERR_MEMORY
   */
  async encode(y: Tensor, options: EncodeOptions): Promise<SparseCode> {
    const where = 'OnlineOrthogonalDictionary.encode';
    this.#check(where, y);
    const { count, threshold } = readOptions(where, options, encodeSchema);
    if ((count === undefined) === (threshold === undefined))
      throw refusal(where, 'options', 'have count or threshold, one of both', count === undefined ? 'none' : 'both');
    if (count !== undefined && count > this.size)
      throw refusal(where, 'count', `be at most the number of atoms, ${this.size}`, count);
    const { device, dtype, size: n } = this;
    const b = y.shape[0]!;
    using owned = new Owned<Tensor>();
    const atoms = owned.add(await this.atoms());
    const make = (shape: readonly number[], type: 'f32' | 'f64' | 'i32' = dtype): Tensor =>
      owned.add(new Tensor(device, shape, type));
    const sizes = make([b, n]);
    ops.gemm(device, { a: y, b: atoms, c: sizes, transB: 'transposed' });
    ops.map(device, { x: [sizes], out: [sizes], function: 'abs' });

    // 1 for what is kept, else 0; how many each signal has.
    const kept = make([b, n]);
    const numbers = make([b], 'f64');
    const report = make([2], 'f64');
    const [most, guard] = [0, 1].map((i) => owned.add(report.rows(i, i + 1))) as [Tensor, Tensor];
    ops.checkFinite(device, { x: [y, sizes], guard });
    const mark = (x: Tensor, out: Tensor): void => {
      ops.map(device, { x: [x], out: [out], function: 'soft_threshold', parameters: [threshold ?? 0] });
      ops.map(device, { x: [out], out: [out], function: 'sign' });
    };
    mark(sizes, kept);
    ops.rowReduce(device, { x: kept, out: numbers, reduction: 'sum_of_squares' });
    const row = owned.add(numbers.reshape([1, b]));
    ops.rowReduce(device, { x: row, out: most, reduction: 'max' });
    const [largest, bad] = (await report.read()) as unknown as [number, number];
    if (bad !== 0) throw refusal(where, 'y', 'be finite, with finite products with the atoms', 'NaN or infinity');
    const k = count ?? Math.max(1, largest);

    const code = new SparseCode(device, b, k, n, dtype);
    try {
      this.#fill(code, y, { atoms, sizes }, mark, make);
      return code;
    } catch (error) {
      code.dispose();
      throw error;
    }
  }

  /**
   * Stores the state of the moment of the call in a safetensors file, which replaces `path` at once and whole.
   * @throws ERR_ARGUMENT, ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const where = 'OnlineOrthogonalDictionary.save';
    check.alive(where, 'dictionary', this);
    await saveState(path, where, this.#state, options);
  }

  /**
   * Brings back what {@link OnlineOrthogonalDictionary.save} stored; the next update goes on bit for bit. The file is
   * checked whole before anything changes.
   * @throws ERR_STATE for the state of another size, dtype or power, ERR_FORMAT for a file that is not what it says,
   * ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  async load(path: string, options: TransferOptions = {}): Promise<LoadResult> {
    const where = 'OnlineOrthogonalDictionary.load';
    check.alive(where, 'dictionary', this);
    return loadState(path, where, this.#state, options, ({ updates }) => {
      this.#updates = updates;
    });
  }

  /** Gives the memory of the state back; later use throws `ERR_DISPOSED`. */
  dispose(): void {
    this.#disposed = true;
    this.#owned.dispose();
  }

  /** Disposes: `using dictionary = new OnlineOrthogonalDictionary(device, 64)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  get #state(): KeptState<{ updates: number }> {
    return {
      of: 'OnlineOrthogonalDictionary',
      settings: { power: this.power },
      tensors: { atoms: this.#atoms, gradient: this.#gradient },
      numbers: { updates: this.#updates },
      schema: { updates: countOf(0, 0) },
    };
  }

  #check(where: string, y: Tensor): void {
    check.alive(where, 'dictionary', this);
    check.tensor(where, 'y', y, { dtypes: [this.dtype], device: this.device, shape: [undefined, this.size] });
    if (y.shape[0] === 0) throw refusal(where, 'y', 'have at least one row', `[${y.shape}]`, 'ERR_SHAPE');
  }

  /** The numbers of the updates of this turn of the event loop. */
  async #read(): Promise<readonly ArrayLike<number>[]> {
    await nextTurn();
    const reports = this.#unread;
    this.#unread = [];
    this.#reading = undefined;
    using owned = new Owned<Tensor>();
    for (const report of reports) owned.add(report);
    return await Promise.all(reports.map((report) => report.read()));
  }

  /**
   * Queues an update, and gives its gap, guard and |g|²; the state stays as it is where the gradient is 0 or not
   * finite.
   */
  #learn(where: string, y: Tensor): Tensor {
    this.#check(where, y);
    const { device, dtype, size: n } = this;
    const t = this.#updates + 1;
    const [share, step] = [t ** -gradientExponent, t ** -atomExponent];
    using owned = new Owned<Tensor>();
    const make = (shape: readonly number[], type: 'f32' | 'f64' = dtype): Tensor =>
      owned.add(new Tensor(device, shape, type));
    const report = make([3], 'f64');
    const z = make([y.shape[0]!, n]);
    const powers = make(z.shape);
    ops.gemm(device, { a: y, b: this.#atoms, c: z, transB: 'transposed' });
    if (this.power === 3) ops.map(device, { x: [z], out: [powers], function: 'abs' });
    else vectors.multiply(device, z, z, powers);
    vectors.multiply(device, powers, z, powers);
    const gradient = make([n, n]);
    vectors.scale(device, 1 - share, this.#gradient, gradient);
    ops.gemm(device, { a: powers, b: y, c: gradient, transA: 'transposed', alpha: share / y.shape[0]!, beta: 1 });

    const polar = owned.add(polarByProducts(device, gradient));
    const move = make([n, n]);
    const [gap, guard, square] = [0, 1, 2].map((i) => owned.add(report.rows(i, i + 1))) as [Tensor, Tensor, Tensor];
    vectors.combine(device, move, [1, polar], [-1, this.#atoms]);
    vectors.dot(device, move, gradient, gap);
    vectors.dot(device, gradient, gradient, square);
    vectors.combine(device, move, [1, this.#atoms], [step, move]);
    // Not 0 where a new tensor is not finite, or where |g|² is 0.
    ops.checkFinite(device, { x: [gradient, move], guard });
    const hasNone = owned.add(Tensor.full(device, [1], 1, { dtype: 'f64' }));
    const sign = make([1], 'f64');
    ops.map(device, { x: [square], out: [sign], function: 'sign' });
    vectors.combine(device, guard, [1, guard], [1, hasNone], [-1, sign]);
    ops.commit(device, { state: [this.#atoms, this.#gradient], x: [move, gradient], guard });
    this.#updates = t;
    return owned.release(report);
  }

  #fill(
    code: SparseCode,
    y: Tensor,
    { atoms, sizes }: { atoms: Tensor; sizes: Tensor },
    mark: (x: Tensor, out: Tensor) => void,
    make: (shape: readonly number[], type?: 'f32' | 'f64' | 'i32') => Tensor,
  ): void {
    const { device } = this;
    const [b, k] = code.indices.shape as [number, number];
    const values = make([b, k]);
    const index = make([b, k], 'i32');
    ops.rowTopK(device, { x: sizes, index, values });
    const kept = make([b, k]);
    mark(values, kept);

    // The products again, with their signs.
    using signals = Tensor.from(
      device,
      Float64Array.from({ length: b }, (_, i) => i),
      [b, 1],
    );
    const across = make([1, k], 'f64');
    const numbered = make([b, k], 'f64');
    ops.fill(device, { x: [across], value: 1 });
    ops.gemm(device, { a: signals, b: across, c: numbered });
    const rowOf = make([b, k], 'i32');
    ops.cast(device, { x: [numbered], out: [rowOf] });
    using rows = rowOf.reshape([b * k]);
    using columns = index.reshape([b * k]);
    using products = code.coefficients.reshape([b * k]);
    ops.entryProducts(device, { rows, columns, x: y, y: atoms, out: products });
    vectors.multiply(device, code.coefficients, kept, code.coefficients);

    // kept ? index : −1, as (index + 1)·kept − 1.
    const places = make([b, k], 'f64');
    const marks = make([b, k], 'f64');
    const ones = make([b, k], 'f64');
    ops.fill(device, { x: [ones], value: 1 });
    ops.cast(device, { x: [index], out: [places] });
    ops.cast(device, { x: [kept], out: [marks] });
    vectors.combine(device, places, [1, places], [1, ones]);
    vectors.multiply(device, places, marks, places);
    vectors.combine(device, places, [1, places], [-1, ones]);
    ops.cast(device, { x: [places], out: [code.indices] });
    const numbers = make([b], 'f64');
    ops.rowReduce(device, { x: marks, out: numbers, reduction: 'sum' });
    ops.cast(device, { x: [numbers], out: [code.counts] });

    const rest = make([b, this.size]);
    ops.combineRows(device, { x: atoms, indices: code.indices, coefficients: code.coefficients, out: rest });
    vectors.combine(device, rest, [-1, rest], [1, y]);
    ops.rowReduce(device, { x: rest, out: code.residuals, reduction: 'norm' });
  }
}
