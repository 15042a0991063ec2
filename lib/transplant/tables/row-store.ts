import type { Records } from '../../files/model-folder/journal.ts';

/** Facts of rows, one by one; a part that a method does not tell is absent. */
export interface RowFacts {
  /** Relative residuals. */
  readonly residuals?: ArrayLike<number> | undefined;
  /** Norms of the coefficients. */
  readonly norms?: ArrayLike<number> | undefined;
  /** The rows that were cut to the longest norm of the base, marked by 1. */
  readonly clipped: Uint8Array;
  /** The rows of the donor that were not finite and were taken as zero, marked by 1. */
  readonly nonFinite: Uint8Array;
}

/** Rows as bytes of their table's dtype; residuals and norms are NaN where there is none. */
export interface StoredRows {
  readonly rows: Uint8Array;
  readonly residuals: Float32Array;
  readonly norms: Float32Array;
  readonly clipped: Uint8Array;
  readonly nonFinite: Uint8Array;
}

/** Behind each row: residual and norm in f32, and a word of marks. */
const factBytes = 12;
const isClipped = 1;
const isNonFinite = 2;

/** The size of a record of {@link RowStore}. */
export const recordBytesOf = (rowBytes: number): number => rowBytes + factBytes;

/** The finished rows of one table, each with its facts. */
export class RowStore {
  readonly #records: Records;
  readonly #rowBytes: number;

  constructor(records: Records, rowBytes: number) {
    this.#records = records;
    this.#rowBytes = rowBytes;
  }

  /** Number of rows. */
  get count(): number {
    return this.#records.count;
  }

  /** Puts rows at `at`, each with what is known of it. */
  async write(at: number, rows: Uint8Array, { residuals, norms, clipped, nonFinite }: RowFacts): Promise<void> {
    const count = rows.length / this.#rowBytes;
    const recordBytes = recordBytesOf(this.#rowBytes);
    const records = new Uint8Array(count * recordBytes);
    const view = new DataView(records.buffer);
    for (let i = 0; i < count; ++i) {
      records.set(rows.subarray(i * this.#rowBytes, (i + 1) * this.#rowBytes), i * recordBytes);
      const facts = i * recordBytes + this.#rowBytes;
      view.setFloat32(facts, residuals?.[i] ?? Number.NaN, true);
      view.setFloat32(facts + 4, norms?.[i] ?? Number.NaN, true);
      view.setUint32(facts + 8, (clipped[i] ? isClipped : 0) | (nonFinite[i] ? isNonFinite : 0), true);
    }
    await this.#records.write(at, records);
  }

  /** Rows from `at` on, and what is known of them. */
  async read(at: number, count: number): Promise<StoredRows> {
    const recordBytes = recordBytesOf(this.#rowBytes);
    const records = await this.#records.read(at, count);
    const rows = new Uint8Array(count * this.#rowBytes);
    const residuals = new Float32Array(count);
    const norms = new Float32Array(count);
    const clipped = new Uint8Array(count);
    const nonFinite = new Uint8Array(count);
    const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
    for (let i = 0; i < count; ++i) {
      const from = i * recordBytes;
      const facts = from + this.#rowBytes;
      rows.set(records.subarray(from, facts), i * this.#rowBytes);
      residuals[i] = view.getFloat32(facts, true);
      norms[i] = view.getFloat32(facts + 4, true);
      const marks = view.getUint32(facts + 8, true);
      clipped[i] = marks & isClipped ? 1 : 0;
      nonFinite[i] = marks & isNonFinite ? 1 : 0;
    }
    return { rows, residuals, norms, clipped, nonFinite };
  }
}
