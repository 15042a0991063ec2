// The sum of the task vectors of a matrix, in a file.
import { arrays } from '../../core/dtypes.ts';
import { given, Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import type { Records } from '../../files/model-folder/journal.ts';
import { type MergeTask, spansOf } from '../folders/spans.ts';

/** Sums are stored in blocks of so many bytes. */
export const blockBytes: number = 1 << 16;

export const blocksOf = (size: number, dtype: 'f32' | 'f64'): number =>
  Math.ceil((size * arrays[dtype].BYTES_PER_ELEMENT) / blockBytes);

/**
 * The sum of a matrix, which is written from its first element to its last, and read anywhere: what has not been
 * written anew is still as it was before.
 */
export class StoredSum {
  readonly #task: MergeTask;
  readonly #blocks: Records;
  readonly #first: number;
  readonly #dtype: 'f32' | 'f64';
  /** The block that is written next, and its bytes so far. */
  #next = 0;
  #rest = new Uint8Array(0);

  /** @param first its first block */
  constructor(task: MergeTask, blocks: Records, first: number, dtype: 'f32' | 'f64') {
    this.#task = task;
    this.#blocks = blocks;
    this.#first = first;
    this.#dtype = dtype;
  }

  /** Writes elements that follow those before. */
  async append({ buffer, byteOffset, byteLength }: Float32Array | Float64Array): Promise<void> {
    let bytes = new Uint8Array(buffer, byteOffset, byteLength);
    if (this.#rest.length > 0) {
      const joined = new Uint8Array(this.#rest.length + byteLength);
      joined.set(this.#rest);
      joined.set(bytes, this.#rest.length);
      bytes = joined;
    }
    const whole = bytes.length - (bytes.length % blockBytes);
    this.#rest = bytes.slice(whole);
    await this.#write(bytes.subarray(0, whole));
  }

  /** Writes what is left; the next element is the first again. */
  async end(): Promise<void> {
    if (this.#rest.length > 0) {
      const block = new Uint8Array(blockBytes);
      block.set(this.#rest);
      await this.#write(block);
    }
    this.#next = 0;
    this.#rest = new Uint8Array(0);
  }

  /** Elements that were written are there after a power cut, too. */
  async sync(): Promise<void> {
    await this.#task.wait(this.#blocks.sync());
  }

  async #write(blocks: Uint8Array): Promise<void> {
    if (blocks.length === 0) return;
    await this.#task.wait(this.#blocks.write(this.#first + this.#next, blocks, 'not synced'));
    this.#next += blocks.length / blockBytes;
  }

  /** Some elements in a row. */
  async read(from: number, count: number): Promise<Tensor> {
    const { BYTES_PER_ELEMENT: elementBytes } = arrays[this.#dtype];
    const [begin, end] = [from * elementBytes, (from + count) * elementBytes];
    const first = Math.floor(begin / blockBytes);
    const reading = this.#blocks.read(this.#first + first, Math.ceil(end / blockBytes) - first);
    const { buffer, byteOffset } = await this.#task.wait(reading);
    const data = new arrays[this.#dtype](buffer, byteOffset + begin - first * blockBytes, count);
    return given(this.#task.device, data as never, [count], this.#dtype);
  }

  async readAll(shape: readonly [number, number]): Promise<Tensor> {
    const out = new Tensor(this.#task.device, shape, this.#dtype);
    try {
      using flat = out.reshape([out.size]);
      for (const { from, count } of spansOf(out.size)) {
        using span = await this.read(from, count);
        using rows = flat.rows(from, from + count);
        vectors.copy(this.#task.queue, span, rows);
        await this.#task.wait(this.#task.device.flow() ?? Promise.resolve());
      }
      return out;
    } catch (error) {
      out.dispose();
      throw error;
    }
  }
}
