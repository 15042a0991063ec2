import { weightsName } from '../../adapters/internal.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { given, Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { dtypeOfFile, type FileDtype, typedArray } from '../../files/safetensors/dtypes.ts';
import type { TensorInfo } from '../../files/safetensors/header.ts';
import type { Factors } from './adapter.ts';
import type { Model } from './models.ts';

type Reading = Pick<Task, 'device' | 'queue' | 'wait'>;

/** Factors on a device, whose product is what is added. */
interface Held {
  readonly owned: Owned<Tensor>;
  readonly left: Tensor;
  readonly right: Tensor;
}

/**
 * The part of an adapter for a tensor of the base: scale · b·a, a span at a time, or 0 where it has no factors for it.
 * Factors stay on the device from the first span that is asked for to the one with which the tensor ends.
 */
export class Update {
  readonly model: Model;
  readonly factors: Factors | undefined;
  #held: Held | undefined;

  constructor(model: Model, factors: Factors | undefined) {
    this.model = model;
    this.factors = factors;
  }

  /** Element types of the factors. */
  get dtypes(): readonly FileDtype[] {
    return this.factors ? [this.factors.a.dtype, this.factors.b.dtype] : [];
  }

  /** Sizes of what is added; undefined for 0, which has any. */
  get shape(): readonly [number, number] | undefined {
    if (!this.factors) return undefined;
    const { a, b, isTurned } = this.factors;
    const [outputs, inputs] = [b.shape[0]!, a.shape[1]!];
    return isTurned ? [inputs, outputs] : [outputs, inputs];
  }

  /** Bytes of memory that a span of so many elements takes: factors as stored and as held, and rows of the product. */
  bytesOf(count: number, elementBytes: number): number {
    const { factors, shape } = this;
    if (!factors) return count * elementBytes;
    const { a, b, rank } = factors;
    const elements = rank * (a.shape[1]! + b.shape[0]!);
    const stored = 2 * (a.byteLength + b.byteLength);
    return stored + elementBytes * (2 * elements + 2 * count + 2 * shape![1]);
  }

  /** Some elements of it in a row, in the dtype of the sums. */
  async read(
    task: Reading,
    { from, count }: { readonly from: number; readonly count: number },
    dtype: 'f32' | 'f64',
  ): Promise<Tensor> {
    const { device, queue } = task;
    const { factors } = this;
    if (!factors) return Tensor.zeros(device, [count], { dtype });
    const { left, right } = (await this.hold(task, dtype))!;
    const columns = right.shape[1]!;
    const [first, last] = [Math.floor(from / columns), Math.ceil((from + count) / columns)];
    using owned = new Owned<Tensor>();
    const out = owned.add(new Tensor(device, [count], dtype));
    const rows = owned.add(left.rows(first, last));
    const size = (last - first) * columns;
    const product = size === count ? out : owned.add(new Tensor(device, [size], dtype));
    const matrix = owned.add(product.reshape([last - first, columns]));
    ops.gemm(queue, { a: rows, b: right, c: matrix, alpha: factors.scale });
    if (product !== out) {
      const begin = from - first * columns;
      vectors.copy(queue, owned.add(product.rows(begin, begin + count)), out);
    }
    if (from + count === left.shape[0]! * columns) this.dispose();
    return owned.release(out);
  }

  /**
   * The factors on the device, which stay this object's until they are given back: their product is what is added, but
   * for the scale. Undefined where there are none.
   */
  async hold(task: Reading, dtype: 'f32' | 'f64'): Promise<Pick<Held, 'left' | 'right'> | undefined> {
    if (this.factors && this.#held?.left.dtype !== dtype) {
      this.dispose();
      this.#held = await this.#load(task, this.factors, dtype);
    }
    return this.#held;
  }

  async #load(task: Reading, { a, b, isTurned }: Factors, dtype: 'f32' | 'f64'): Promise<Held> {
    using owned = new Owned<Tensor>();
    const left = owned.add(await this.#factor(task, isTurned ? a : b, dtype, isTurned));
    const right = owned.add(await this.#factor(task, isTurned ? b : a, dtype, isTurned));
    return { left, right, owned: owned.move() };
  }

  /** A factor as it is, or with rows as columns. */
  async #factor(task: Reading, info: TensorInfo, dtype: 'f32' | 'f64', isTurned: boolean): Promise<Tensor> {
    const { device, queue } = task;
    const stored = dtypeOfFile(info.dtype)!;
    const bytes = await task.wait(this.model.weights.opened(weightsName).readBytes(info));
    using owned = new Owned<Tensor>();
    const own = owned.add(given(device, typedArray(stored, bytes) as never, info.shape, stored));
    const wide = owned.add(new Tensor(device, info.shape, dtype));
    ops.cast(queue, { x: [own], out: [wide] });
    if (!isTurned) return owned.release(wide);
    const out = owned.add(new Tensor(device, [...info.shape].reverse(), dtype));
    ops.transpose(queue, { x: wide, out });
    return owned.release(out);
  }

  /** Gives the factors back, which are read again where they are asked for. */
  dispose(): void {
    this.#held?.owned.dispose();
    this.#held = undefined;
  }
}
