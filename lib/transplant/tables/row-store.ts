/** Store of the finished rows of one table, with the facts of each. */
export interface RowStore {
  /** How many rows are there. */
  readonly count: number;
  /** Puts rows at `at`, each with what is known of it. */
  write(at: number, rows: Uint8Array, facts: RowFacts): Promise<void>;
  /** Rows from `at` on, and what is known of them. */
  read(at: number, count: number): Promise<StoredRows>;
}

/** Facts of rows, one by one; a part that a method does not tell is absent. */
export interface RowFacts {
  /** Relative residuals. */
  readonly residuals?: ArrayLike<number> | undefined;
  /** Norms of the coefficients. */
  readonly norms?: ArrayLike<number> | undefined;
  /** Which rows were cut to the longest norm of the base, marked by 1. */
  readonly clipped: Uint8Array;
  /** Which rows of the donor were not finite and were taken as zero, marked by 1. */
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

/** Rows in memory. */
export class MemoryRows implements RowStore {
  readonly #rowBytes: number;
  readonly #rows: Uint8Array;
  readonly #residuals: Float32Array;
  readonly #norms: Float32Array;
  readonly #clipped: Uint8Array;
  readonly #nonFinite: Uint8Array;
  #count = 0;

  constructor(rowBytes: number, count: number) {
    this.#rowBytes = rowBytes;
    this.#rows = new Uint8Array(rowBytes * count);
    this.#residuals = new Float32Array(count).fill(Number.NaN);
    this.#norms = new Float32Array(count).fill(Number.NaN);
    this.#clipped = new Uint8Array(count);
    this.#nonFinite = new Uint8Array(count);
  }

  get count(): number {
    return this.#count;
  }

  async write(at: number, rows: Uint8Array, { residuals, norms, clipped, nonFinite }: RowFacts): Promise<void> {
    this.#rows.set(rows, at * this.#rowBytes);
    if (residuals) this.#residuals.set(residuals, at);
    if (norms) this.#norms.set(norms, at);
    this.#clipped.set(clipped, at);
    this.#nonFinite.set(nonFinite, at);
    this.#count = Math.max(this.#count, at + rows.length / this.#rowBytes);
  }

  async read(at: number, count: number): Promise<StoredRows> {
    const end = at + count;
    return {
      rows: this.#rows.subarray(at * this.#rowBytes, end * this.#rowBytes),
      residuals: this.#residuals.subarray(at, end),
      norms: this.#norms.subarray(at, end),
      clipped: this.#clipped.subarray(at, end),
      nonFinite: this.#nonFinite.subarray(at, end),
    };
  }
}
