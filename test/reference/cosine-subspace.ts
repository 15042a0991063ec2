/** Vectors of a cosine basis for the shorter side of a matrix, by their definition. */
export class CosineSubspace {
  readonly shorter: number;
  readonly longer: number;
  readonly #vectors: number[][];
  readonly #place: (i: number, j: number) => number;

  constructor(rows: number, columns: number, basis: 'dct2' | 'dct3') {
    this.shorter = Math.min(rows, columns);
    this.longer = Math.max(rows, columns);
    this.#place = rows < columns ? (i, j) => i * columns + j : (i, j) => j * columns + i;
    const n = this.shorter;
    const q = (i: number, j: number): number =>
      Math.sqrt((i === 0 ? 1 : 2) / n) * Math.cos((Math.PI * i * (2 * j + 1)) / (2 * n));
    const range = Array.from({ length: n }, (_, i) => i);
    this.#vectors = range.map((k) => range.map((i) => (basis === 'dct2' ? q(k, i) : q(i, k))));
  }

  /** A row a basis vector. */
  coordinates(x: ArrayLike<number>): number[][] {
    return this.#vectors.map((vector) =>
      Array.from({ length: this.longer }, (_, j) => vector.reduce((sum, v, i) => sum + v * x[this.#place(i, j)]!, 0)),
    );
  }

  /** The rows with the largest 1-norms, from the largest on, the first of equal ones first. */
  largest(all: readonly (readonly number[])[], rank: number): number[] {
    const scores = all.map((row) => row.reduce((sum, v) => sum + Math.abs(v), 0));
    return [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, rank);
  }

  /** The matrix of rows at these basis vectors. */
  matrix(rows: readonly ArrayLike<number>[], indices: readonly number[]): Float64Array {
    const out = new Float64Array(this.shorter * this.longer);
    for (const [k, index] of indices.entries())
      for (let i = 0; i < this.shorter; ++i)
        for (let j = 0; j < this.longer; ++j) out[this.#place(i, j)]! += this.#vectors[index]![i]! * rows[k]![j]!;
    return out;
  }
}
