import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import type { Parts } from './parts.ts';

/**
 * The null space of a balanced plan's Schur complement in units of √r, the roots of its row sums: the vectors that are
 * a multiple of √r on each part of the plan, as a shift of the potentials of a part changes nothing.
 */
export class PartShifts {
  readonly #owned: Owned<Tensor>;
  readonly #queue: Device;
  readonly #index: Tensor;
  /** One unit vector a part, all in one: each row is in one part. */
  readonly #units: Tensor;
  readonly #shares: Tensor;
  readonly #spread: Tensor;

  /** `roots` are √r, on the host. */
  constructor(device: Device, queue: Device, parts: Parts, roots: Float64Array) {
    const n = roots.length;
    const squares = new Float64Array(parts.count);
    for (const [i, k] of parts.rows.entries()) if (k >= 0) squares[k] = squares[k]! + roots[i]! ** 2;
    const units = roots.map((root, i) => (parts.rows[i]! >= 0 ? root / Math.sqrt(squares[parts.rows[i]!]!) : 0));
    using owned = new Owned<Tensor>();
    const index = parts.rows.map((k) => Math.max(k, 0));
    this.#queue = queue;
    this.#index = owned.add(Tensor.from(device, index, [n]));
    this.#units = owned.add(Tensor.from(device, units, [n]));
    this.#shares = owned.add(new Tensor(device, [Math.max(parts.count, 1)], 'f64'));
    this.#spread = owned.add(new Tensor(device, [n], 'f64'));
    this.#owned = owned.move();
  }

  /** x loses its part in the null space. */
  removeFrom(x: Tensor): void {
    const [queue, units, shares, spread] = [this.#queue, this.#units, this.#shares, this.#spread];
    vectors.multiply(queue, x, units, spread);
    ops.fill(queue, { x: [shares] });
    ops.scatterRows(queue, { out: shares, index: this.#index, x: spread });
    ops.gatherRows(queue, { x: shares, index: this.#index, out: spread });
    vectors.multiply(queue, spread, units, spread);
    vectors.axpy(queue, -1, spread, x);
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}
