// Compressed parts that are finished, in a file beside the new folder: a run that was killed goes on after them.
import type { Records } from '../../files/model-folder/journal.ts';
import type { NewPart } from '../../files/model-folder/write-weights.ts';
import type { Chosen } from './choice.ts';
import { bytesOf, partsOf } from './layout.ts';
import type { OutputError, Packed } from './packed.ts';

/** Bytes of a record of parts. */
export const storeBytes: number = 1 << 16;
/**
 * Bytes of the record of a matrix: |W − Q|² and |W|², the bytes of its parts, which a resumed run compares, and its
 * errors of outputs, NaN where they were not measured.
 */
export const measuredBytes = 40;

const recordsOf = ({ form }: Chosen): number => Math.ceil(bytesOf(form) / storeBytes);

/** Bytes that the parts of all take in their file, check sums not counted. */
export const scratchBytesOf = (chosen: readonly Chosen[]): number =>
  chosen.reduce((sum, one) => sum + storeBytes * recordsOf(one), 0);

export class Store {
  readonly #parts: Records;
  readonly #measured: Records;
  readonly #chosen: readonly Chosen[];
  readonly #first: readonly number[];

  constructor(parts: Records, measured: Records, chosen: readonly Chosen[]) {
    this.#parts = parts;
    this.#measured = measured;
    this.#chosen = chosen;
    let at = 0;
    this.#first = chosen.map((one) => {
      at += recordsOf(one);
      return at - recordsOf(one);
    });
  }

  /** Matrices whose parts are all there. */
  get done(): number {
    let count = 0;
    const isThere = (i: number): boolean =>
      i < Math.min(this.#chosen.length, this.#measured.count) &&
      this.#first[i]! + recordsOf(this.#chosen[i]!) <= this.#parts.count;
    while (isThere(count)) count += 1;
    return count;
  }

  async add(i: number, { parts, difference, squares, outputs }: Packed): Promise<void> {
    const chosen = this.#chosen[i]!;
    const bytes = new Uint8Array(recordsOf(chosen) * storeBytes);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    await this.#parts.write(this.#first[i]!, bytes);
    const { before, after } = outputs ?? { before: Number.NaN, after: Number.NaN };
    await this.#measured.write(i, new Uint8Array(Float64Array.of(difference, squares, at, before, after).buffer));
  }

  /** |W − Q| / |W|, 0 for a matrix of zeros; and of outputs for inputs of calibration. */
  async errors(i: number): Promise<{ readonly error: number; readonly outputError: OutputError | undefined }> {
    const { buffer, byteOffset } = await this.#measured.read(i, 1);
    const [difference, squares, , before, after] = new Float64Array(buffer, byteOffset, measuredBytes / 8);
    return {
      error: squares! > 0 ? Math.sqrt(difference! / squares!) : 0,
      outputError: Number.isNaN(before) ? undefined : { before: before!, after: after! },
    };
  }

  /** The parts as they go to their file. */
  newParts(i: number): NewPart[] {
    const chosen = this.#chosen[i]!;
    let at = 0;
    return partsOf(chosen.form).map(({ suffix, dtype, shape, byteLength }) => {
      const from = at;
      at += byteLength;
      return { name: chosen.name + suffix, dtype, shape, data: () => this.#bytes(i, from, byteLength) };
    });
  }

  async *#bytes(i: number, from: number, byteLength: number): AsyncGenerator<Uint8Array, void> {
    const end = from + byteLength;
    for (let at = from; at < end; ) {
      const record = Math.floor(at / storeBytes);
      const bytes = await this.#parts.read(this.#first[i]! + record, 1);
      const stop = Math.min(end, (record + 1) * storeBytes);
      yield bytes.subarray(at - record * storeBytes, stop - record * storeBytes);
      at = stop;
    }
  }
}
