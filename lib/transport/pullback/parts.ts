import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import type { PlanRows, Vectors } from './panels.ts';

/** The part of a plan that each row and column is in, from 0 on; −1 for those without mass. */
export interface Parts {
  readonly count: number;
  readonly rows: Int32Array;
  readonly columns: Int32Array;
}

/** The mean of x in each part. */
export function means(parts: Int32Array, count: number, x: Float64Array): Float64Array {
  const [sums, counts] = [new Float64Array(count), new Float64Array(count)];
  for (const [i, k] of parts.entries()) {
    if (k < 0) continue;
    sums[k] = sums[k]! + x[i]!;
    counts[k] = counts[k]! + 1;
  }
  return sums.map((sum, k) => (counts[k]! > 0 ? sum / counts[k]! : 0));
}

/** x + by · shifts of the parts, in place. */
export function shift(parts: Int32Array, x: Float64Array, by: number, shifts: Float64Array): void {
  for (const [i, k] of parts.entries()) if (k >= 0) x[i] = x[i]! + by * shifts[k]!;
}

/**
 * The parts of a plan: rows and columns are joined by entries above `least` of the mass of their row or their column.
 *
 * Union and find, over some rows at a time. The device says which of them reach columns outside the largest part so
 * far; the host looks at the entries of these alone. Once all columns are in one part, so are all rows, and the rest is
 * not read.
 */
export class PartsFinder {
  readonly #masses: Vectors;
  readonly #least: number;
  readonly #lane: Lane;
  /** Parents of rows, then of columns. */
  readonly #parents: Int32Array;

  constructor(masses: Vectors, least: number, lane: Lane) {
    this.#masses = masses;
    this.#least = least;
    this.#lane = lane;
    this.#parents = Int32Array.from({ length: masses.rows.length + masses.columns.length }, (_, i) => i);
  }

  async find(rows: PlanRows): Promise<Parts> {
    await rows(async (first, plan) => {
      await this.#add(first, plan);
      return !this.#joinAll();
    });
    return this.#numbered();
  }

  #root(at: number): number {
    const parents = this.#parents;
    let node = at;
    for (let up = parents[node]!; up !== node; up = parents[node]!) {
      parents[node] = parents[up]!;
      node = parents[node]!;
    }
    return node;
  }

  #join(one: number, other: number): void {
    const [p, q] = [this.#root(one), this.#root(other)];
    if (p !== q) this.#parents[Math.max(p, q)] = Math.min(p, q);
  }

  /** The columns of the part that has most. */
  #largest(): number[] {
    const { rows, columns } = this.#masses;
    const roots = Array.from(columns, (_, j) => this.#root(rows.length + j));
    const counts = new Map<number, number>();
    for (const root of roots) counts.set(root, (counts.get(root) ?? 0) + 1);
    let most = roots[0]!;
    for (const [root, count] of counts) if (count > counts.get(most)!) most = root;
    return roots.flatMap((root, j) => (root === most ? [j] : []));
  }

  async #add(first: number, plan: Tensor<'f64'>): Promise<void> {
    const { rows, columns } = this.#masses;
    const [count, m] = plan.shape as [number, number];
    const least = this.#least;
    const largest = this.#largest();
    // Σ P and Σ P / c over the columns inside, and over those outside.
    const weights = new Float64Array(4 * m);
    const isInside = new Uint8Array(m);
    for (const j of largest) isInside[j] = 1;
    for (let j = 0; j < m; ++j) {
      const at = 4 * j + (isInside[j] ? 0 : 2);
      weights[at] = 1;
      weights[at + 1] = columns[j]! > 0 ? 1 / columns[j]! : 0;
    }
    using by = Tensor.from(plan.device, weights, [m, 4]);
    using out = new Tensor(plan.device, [count, 4], 'f64');
    ops.gemm(this.#lane.queue, { a: plan, b: by, c: out });
    const shares = await this.#lane.read(out);
    let entries: Float64Array | undefined;
    for (let i = 0; i < count; ++i) {
      const row = first + i;
      const mass = rows[row]!;
      if (!(mass > 0)) continue;
      const joins = (at: number) => shares[at]! > least * mass || shares[at + 1]! > least;
      if (!joins(4 * i + 2)) {
        if (joins(4 * i)) this.#join(row, rows.length + largest[0]!);
        continue;
      }
      entries ??= await this.#lane.read(plan);
      for (let j = 0; j < m; ++j) {
        const entry = entries[i * m + j]!;
        if (entry > least * mass || entry > least * columns[j]!) this.#join(row, rows.length + j);
      }
    }
  }

  /** True if all columns are in one part; then rows are, as the largest entry of each is no small share of its mass. */
  #joinAll(): boolean {
    const { rows, columns } = this.#masses;
    const some = columns.findIndex((mass) => mass > 0);
    if (some < 0) return true;
    const root = this.#root(rows.length + some);
    for (const [j, mass] of columns.entries()) if (mass > 0 && this.#root(rows.length + j) !== root) return false;
    for (const [i, mass] of rows.entries()) if (mass > 0) this.#join(i, rows.length + some);
    return true;
  }

  #numbered(): Parts {
    const { rows, columns } = this.#masses;
    const numbers = new Map<number, number>();
    const of = (masses: Float64Array, offset: number) =>
      Int32Array.from(masses, (mass, i) => {
        if (!(mass > 0)) return -1;
        const root = this.#root(offset + i);
        const known = numbers.get(root) ?? numbers.size;
        numbers.set(root, known);
        return known;
      });
    const parts = { rows: of(rows, 0), columns: of(columns, rows.length) };
    return { ...parts, count: numbers.size };
  }
}
