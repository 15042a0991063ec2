import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { positive, type Resolved, readOptions, type Schema, watchers } from '../../core/schema.ts';
import { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';

/** Options of {@link MFacStatic.fromGradients}. */
export interface MFacStaticOptions {
  /** Damping, λ on the diagonal: > 0. Default: 1e-5. */
  damp?: number | undefined;
  /**
   * Size of the blocks of the matrix beside whose diagonal nothing is kept, whole, from 1 to d, the last one what is
   * left; or all as one. Default: `full`.
   */
  blockSize?: number | 'full' | undefined;
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

/** Options of {@link MFacStatic.diagonal}. */
export interface MFacDiagonalOptions {
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

const diagonalSchema: Schema<{ signal: AbortSignal | undefined }> = { signal: watchers<never>().signal };
const schema: Schema<Resolved<MFacStaticOptions, 'signal'>> = {
  damp: positive(1e-5),
  blockSize: {
    default: 'full',
    wrong: (x) =>
      x === 'full' || (Number.isSafeInteger(x) && x >= 1) ? undefined : "must be 'full' or a whole number from 1 on",
  },
  signal: watchers<never>().signal,
};

/** Damping below this share of the largest square, times the gradients, is lost in rounding. */
const rounding = 64 * 2 ** -52;
/** Elements of gradients that are worked on at a time, in f64. */
const elements = 1 << 20;

/** Some of the columns of the gradients: blocks of one width, next to each other. */
interface Stretch {
  /** The first column. */
  readonly from: number;
  /** `[blocks, m, width]` */
  readonly rows: Tensor;
  readonly blocks: number;
  readonly width: number;
  /** `[blocks, m, m]`, f64: the lower factor of m λ I + G Gᵀ of each block, or that of all stretches. */
  readonly factor: Tensor;
  /** λ of each block, on the host and, as its inverse `[blocks]` in f64, on the device. */
  readonly ridges: readonly number[];
  readonly inverses: Tensor;
}

/**
 * The inverse of F = λ I + Σ gᵢ gᵢᵀ / m for m gradients, of which nothing of d × d is made: products, the diagonal,
 * single elements. With `blockSize` F has blocks along its diagonal alone. Arithmetic is in f64.
 *
 * Memory: a copy of the gradients, and 8 m² bytes for each block; while it is made, another copy.
 *
 * Source: Frantar, Kurtic and Alistarh 2021, by Woodbury's identity.
 *
 * @example
 * using fixed = await MFacStatic.fromGradients(gradients, { damp: 1e-4 });
 * const direction = fixed.solve(gradient);
 */
export class MFacStatic {
  /** The device of the gradients. */
  readonly device: Device;
  /** Elements of a gradient, d. */
  readonly size: number;
  /** The dtype of the gradients. */
  readonly dtype: 'f32' | 'f64';
  readonly #gradients: number;
  readonly #isFull: boolean;
  readonly #stretches: readonly Stretch[];
  readonly #owned: Owned<Tensor>;
  #disposed = false;

  private constructor(gradients: Tensor, isFull: boolean, stretches: readonly Stretch[], owned: Owned<Tensor>) {
    this.device = gradients.device;
    this.dtype = gradients.dtype as 'f32' | 'f64';
    [this.#gradients, this.size] = gradients.shape as [number, number];
    this.#isFull = isFull;
    this.#stretches = stretches;
    this.#owned = owned;
  }

  /**
   * Looks at the gradients and factors what solves with them. A damping that rounding would lose beside their squares
   * counts as the least that is not lost, 64 ε |g|², of each block by its own part of the gradients.
   *
   * @param gradients `[m, d]`, f32 or f64, one a row; they are copied.
   * @throws ERR_ARGUMENT for options out of range, NaN and infinity, of squares too; ERR_SHAPE, ERR_DTYPE for what is
   * no such matrix; ERR_DISPOSED; ERR_MEMORY; the signal's reason when aborted
   */
  static async fromGradients(gradients: Tensor, options: MFacStaticOptions = {}): Promise<MFacStatic> {
    const where = 'MFacStatic.fromGradients';
    check.tensor(where, 'gradients', gradients, { rank: 2, filled: true, dtypes: check.arithmetic });
    const { damp, blockSize, signal } = readOptions(where, options, schema);
    const { device } = gradients;
    const [m, d] = gradients.shape as [number, number];
    if (blockSize !== 'full' && blockSize > d) throw refusal(where, 'blockSize', `be at most ${d}`, blockSize);
    using task = new Task<never>(device, { signal });
    using kept = new Owned<Tensor>();
    const { queue } = task;
    const isFull = blockSize === 'full';
    using columns = new Tensor(device, [d, m], gradients.dtype);
    ops.rearrange(queue, { x: gradients, out: columns, axes: [1, 0] });
    const stretches: Omit<Stretch, 'ridges' | 'inverses'>[] = [];
    const shared = isFull ? kept.add(Tensor.zeros(device, [1, m, m], { dtype: 'f64' })) : undefined;
    for (const { from, blocks, width } of cut(m, d, blockSize)) {
      using owned = new Owned<Tensor>();
      const rows = kept.add(new Tensor(device, [blocks, m, width], gradients.dtype));
      const part = owned.add(columns.rows(from, from + blocks * width));
      ops.rearrange(queue, { x: part, out: rows, shape: [blocks, width, m], axes: [0, 2, 1] });
      const factor = shared ?? kept.add(new Tensor(device, [blocks, m, m], 'f64'));
      const wide = widened(queue, rows, owned);
      ops.gemm(queue, { a: wide, b: wide, c: factor, transB: 'transposed', beta: Number(isFull) });
      stretches.push({ from, rows, blocks, width, factor });
      await task.synchronize();
    }
    const factors = shared ? [shared] : stretches.map(({ factor }) => factor);
    using owned = new Owned<Tensor>();
    const tops: Tensor[] = [];
    const sums = owned.add(new Tensor(device, [factors.length], 'f64'));
    const places: { index: Tensor; elements: Tensor; count: number }[] = [];
    for (const factor of factors) {
      const count = factor.size / m;
      const index = owned.add(vectors.index(device, count, (i) => Math.floor(i / m) * m * m + (i % m) * (m + 1)));
      const all = owned.add(factor.reshape([factor.size, 1]));
      places.push({ index, elements: all, count });
      const own = owned.add(new Tensor(device, [count, 1], 'f64'));
      ops.gatherRows(queue, { x: all, index, out: own });
      const top = owned.add(new Tensor(device, [count / m], 'f64'));
      ops.rowReduce(queue, { x: owned.add(own.reshape([count / m, m])), out: top, reduction: 'max' });
      tops.push(top);
      await task.synchronize();
    }
    vectors.dots(queue, factors.map((factor) => [factor, factor] as const), sums); // biome-ignore format: one line
    const [squares, ...largest] = await task.readAll(sums, ...tops);
    for (const square of squares as Float64Array)
      if (!Number.isFinite(square)) throw refusal(where, 'gradients', 'have finite squares', square);
    const ridges = largest.map((list) => [...(list as Float64Array)].map((top) => Math.max(damp, top * rounding)));
    for (const [i, { index, elements: all, count }] of places.entries()) {
      const added = Float64Array.from({ length: count }, (_, k) => m * ridges[i]![Math.floor(k / m)]!);
      const own = owned.add(Tensor.from(device, added, [count, 1]));
      ops.scatterRows(queue, { out: all, index, x: own, mode: 'add' });
      const gram = owned.add(factors[i]!.copy());
      const info = owned.add(new Tensor(device, [count / m], 'i32'));
      ops.cholesky(queue, { gram, factor: factors[i]!, info });
      owned.drop(gram);
      await task.synchronize();
    }
    const inverses = ridges.map((list) => kept.add(Tensor.from(device, Float64Array.from(list, (x) => 1 / x), [list.length]))); // biome-ignore format: one line
    const damped = stretches.map((stretch, i): Stretch => {
      const own = isFull ? 0 : i;
      return { ...stretch, ridges: ridges[own]!, inverses: inverses[own]! };
    });
    return new MFacStatic(gradients, isFull, damped, kept.move());
  }

  /** True once {@link MFacStatic.dispose} has been called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * F⁻¹ x. Queued; nothing is awaited.
   *
   * @param x `[d]`, of the gradients' dtype.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for another tensor; ERR_DISPOSED; ERR_MEMORY
   */
  solve(x: Tensor): Tensor {
    const where = 'MFacStatic.solve';
    this.#alive(where);
    check.tensor(where, 'x', x, { shape: [this.size], dtypes: [this.dtype], device: this.device });
    using owned = new Owned<Tensor>();
    const queue = this.device;
    const m = this.#gradients;
    const out = owned.add(new Tensor(queue, [this.size], this.dtype));
    const partOf = (of: Tensor, { from, blocks, width }: Stretch, inner: Owned<Tensor>): Tensor =>
      inner.add(inner.add(of.rows(from, from + blocks * width)).reshape([blocks, width, 1]));
    const multiply = (stretch: Stretch, z: Tensor, beta: number): void => {
      using inner = new Owned<Tensor>();
      const b = widened(queue, partOf(x, stretch, inner), inner);
      ops.gemm(queue, { a: widened(queue, stretch.rows, inner), b, c: z, beta });
    };
    const finish = (stretch: Stretch, y: Tensor): void => {
      using inner = new Owned<Tensor>();
      const part = partOf(out, stretch, inner);
      const c = widened(queue, partOf(x, stretch, inner), inner);
      const wide = inner.add(c.copy());
      const a = widened(queue, stretch.rows, inner);
      ops.gemm(queue, { a, b: y, c: wide, transA: 'transposed', alpha: -1, beta: 1 });
      ops.scaleAxis(queue, { x: wide, scale: stretch.inverses, out: wide, axis: 0 });
      ops.cast(queue, { x: [wide], out: [part] });
    };
    const solved = ({ factor }: Stretch, z: Tensor): Tensor => {
      const y = owned.add(new Tensor(queue, z.shape, 'f64'));
      ops.choleskySolve(queue, { factor, rhs: z, out: y });
      return y;
    };
    if (this.#isFull) {
      const z = owned.add(new Tensor(queue, [1, m, 1], 'f64'));
      for (const [i, stretch] of this.#stretches.entries()) multiply(stretch, z, Number(i > 0));
      const y = solved(this.#stretches[0]!, z);
      for (const stretch of this.#stretches) finish(stretch, y);
    } else {
      for (const stretch of this.#stretches) {
        const z = owned.add(new Tensor(queue, [stretch.blocks, m, 1], 'f64'));
        multiply(stretch, z, 0);
        finish(stretch, solved(stretch, z));
      }
    }
    return owned.release(out);
  }

  /**
   * The diagonal of F⁻¹: `[d]`, of the gradients' dtype.
   * @throws ERR_ARGUMENT for options; ERR_DISPOSED, also if that happens in between; ERR_MEMORY; the signal's reason
   * when
   * aborted
   */
  async diagonal(options: MFacDiagonalOptions = {}): Promise<Tensor> {
    const where = 'MFacStatic.diagonal';
    this.#alive(where);
    using task = new Task<never>(this.device, readOptions(where, options, diagonalSchema));
    using owned = new Owned<Tensor>();
    const { queue } = task;
    const out = owned.add(new Tensor(this.device, [this.size], this.dtype));
    for (const { from, rows, blocks, width, factor, inverses } of this.#stretches) {
      using inner = new Owned<Tensor>();
      const wide = widened(queue, rows, inner);
      const solved = inner.add(new Tensor(this.device, wide.shape, 'f64'));
      ops.choleskySolve(queue, { factor, rhs: wide, out: solved });
      ops.multiply(queue, { x: [solved], y: [wide], out: [solved] });
      const sums = inner.add(new Tensor(this.device, [blocks, width], 'f64'));
      ops.columnReduce(queue, { x: solved, out: sums });
      const ones = inner.add(Tensor.full(this.device, [blocks, width], 1, { dtype: 'f64' }));
      vectors.combine(queue, sums, [-1, sums], [1, ones]);
      ops.scaleAxis(queue, { x: sums, scale: inverses, out: sums, axis: 0 });
      const part = inner.add(inner.add(out.rows(from, from + blocks * width)).reshape([blocks, width]));
      ops.cast(queue, { x: [sums], out: [part] });
      await task.synchronize();
      this.#alive(where);
    }
    return owned.release(out);
  }

  /**
   * One element of F⁻¹; 0 outside of its blocks.
   *
   * @param i Its row: whole, from 0 to d − 1.
   * @param j Its column: whole, from 0 to d − 1.
   * @throws ERR_ARGUMENT for others; ERR_DISPOSED; ERR_MEMORY
   */
  async element(i: number, j: number): Promise<number> {
    const where = 'MFacStatic.element';
    this.#alive(where);
    for (const [name, value] of Object.entries({ i, j }))
      if (!(Number.isInteger(value) && value >= 0 && value < this.size))
        throw refusal(where, name, `be a whole number below ${this.size}`, shown(value));
    const places = [i, j].map((column) => {
      const stretch = this.#stretches.find(({ from, blocks, width }) => column < from + blocks * width)!;
      const block = Math.floor((column - stretch.from) / stretch.width);
      return { stretch, block, at: (column - stretch.from) % stretch.width };
    });
    const [first, second] = places as [(typeof places)[0], (typeof places)[0]];
    if (!this.#isFull && (first.stretch !== second.stretch || first.block !== second.block)) return 0;
    using owned = new Owned<Tensor>();
    const queue = this.device;
    const m = this.#gradients;
    const [x, y] = places.map(({ stretch, block, at }) => {
      const { rows, width } = stretch;
      const index = owned.add(vectors.index(queue, m, (row) => (block * m + row) * width + at));
      const column = owned.add(new Tensor(queue, [m, 1], this.dtype));
      ops.gatherRows(queue, { x: owned.add(rows.reshape([rows.size, 1])), index, out: column });
      return widened(queue, owned.add(column.reshape([1, m, 1])), owned);
    }) as [Tensor, Tensor];
    const block = this.#isFull ? 0 : first.block;
    const factor = owned.add(first.stretch.factor.rows(block, block + 1));
    const solved = owned.add(new Tensor(queue, [1, m, 1], 'f64'));
    ops.choleskySolve(queue, { factor, rhs: y, out: solved });
    const product = owned.add(vectors.scalar(queue));
    vectors.dot(queue, x, solved, product);
    return (Number(i === j) - (await product.read())[0]!) / first.stretch.ridges[block]!;
  }

  /** Gives the memory back. */
  dispose(): void {
    this.#disposed = true;
    this.#owned.dispose();
  }

  /** Disposes: `using fixed = await MFacStatic.fromGradients(g)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #alive(where: string): void {
    if (this.#disposed) throw new OrthokitError('ERR_DISPOSED', `${where}: the matrix has been disposed`);
  }
}

/** Stretches of d columns: of about as many elements each as are worked on at a time. */
function* cut(m: number, d: number, blockSize: number | 'full'): Generator<Pick<Stretch, 'from' | 'blocks' | 'width'>> {
  const most = Math.max(1, Math.floor(elements / m));
  const width = blockSize === 'full' ? Math.min(d, most) : blockSize;
  const whole = Math.floor(d / width);
  const group = blockSize === 'full' ? 1 : Math.max(1, Math.floor(most / (width + m)));
  for (let block = 0; block < whole; block += group)
    yield { from: block * width, blocks: Math.min(group, whole - block), width };
  if (whole * width < d) yield { from: whole * width, blocks: 1, width: d - whole * width };
}

/** The same in f64. */
function widened(queue: Device, x: Tensor, owned: Owned<Tensor>): Tensor {
  if (x.dtype === 'f64') return x;
  const wide = owned.add(new Tensor(x.device, x.shape, 'f64'));
  ops.cast(queue, { x: [x], out: [wide] });
  return wide;
}
