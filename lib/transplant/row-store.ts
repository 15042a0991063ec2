/** Where finished rows of one table stand, with what is known of each. */
export interface RowStore {
  /** How many rows are there. */
  readonly count: number;
  /** Puts rows at `at`, each with its relative residual and the norm of its coefficients, NaN where there is none. */
  write(at: number, rows: Uint8Array, residuals?: Float64Array, norms?: Float64Array): Promise<void>;
  /** Rows from `at` on, and what is known of them. */
  read(at: number, count: number): Promise<StoredRows>;
}

/** Rows as bytes of their table's dtype, each with its relative residual and the norm of its coefficients. */
export interface StoredRows {
  readonly rows: Uint8Array;
  readonly residuals: Float32Array;
  readonly norms: Float32Array;
}

/** Rows in memory. */
export class MemoryRows implements RowStore {
  readonly #rowBytes: number;
  readonly #rows: Uint8Array;
  readonly #residuals: Float32Array;
  readonly #norms: Float32Array;
  #count = 0;

  constructor(rowBytes: number, count: number) {
    this.#rowBytes = rowBytes;
    this.#rows = new Uint8Array(rowBytes * count);
    this.#residuals = new Float32Array(count).fill(Number.NaN);
    this.#norms = new Float32Array(count).fill(Number.NaN);
  }

  get count(): number {
    return this.#count;
  }

  async write(at: number, rows: Uint8Array, residuals?: Float64Array, norms?: Float64Array): Promise<void> {
    this.#rows.set(rows, at * this.#rowBytes);
    if (residuals) this.#residuals.set(residuals, at);
    if (norms) this.#norms.set(norms, at);
    this.#count = Math.max(this.#count, at + rows.length / this.#rowBytes);
  }

  async read(at: number, count: number): Promise<StoredRows> {
    const end = at + count;
    return {
      rows: this.#rows.subarray(at * this.#rowBytes, end * this.#rowBytes),
      residuals: this.#residuals.subarray(at, end),
      norms: this.#norms.subarray(at, end),
    };
  }
}
