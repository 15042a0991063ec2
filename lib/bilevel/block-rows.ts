import type { Device } from '../core/device.ts';
import { ops } from '../core/native-ops.ts';
import type { Owned } from '../core/owned.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';

/** Numbers of the sampled blocks, in the dtype of the problem. */
export interface RowFactors {
  /** `[ids]`: 1 for a block that has been sampled before, else 0. */
  readonly seen: Tensor;
  /** `[ids]`: 1 − seen. */
  readonly isNew: Tensor;
  /** `[ids]`: α + γ, and 1 for a new block. */
  readonly now: Tensor;
  /** `[ids]`: −γ, and 0 for a new block. */
  readonly before: Tensor;
}

/** Rows of a table of all blocks: those of the step's blocks, as they are and as they become. */
export class BlockRows {
  /** `[count, …]`. */
  readonly all: Tensor;
  /** `[ids, …]`, gathered. */
  readonly rows: Tensor;
  /** `[ids, …]`, new. */
  readonly next: Tensor;
  readonly #device: Device;

  /** A table of zeros, or one that is there already. */
  constructor(
    device: Device,
    shape: readonly number[],
    ids: number,
    dtype: Tensor['dtype'],
    owned: Owned<Tensor>,
    all?: Tensor,
  ) {
    // biome-ignore format: one line
    this.#device = device;
    this.all = all ?? owned.add(Tensor.zeros(device, shape, { dtype: dtype as 'f64' }));
    const make = () => owned.add(new Tensor(device, [ids, ...shape.slice(1)], dtype));
    [this.rows, this.next] = [make(), make()];
  }

  gather(index: Tensor): void {
    ops.gatherRows(this.#device, { x: this.all, index, out: this.rows });
  }

  /** Puts the rows back, which are new ones where the step counts. */
  scatter(index: Tensor): void {
    ops.scatterRows(this.#device, { out: this.all, index, x: this.rows, mode: 'set' });
  }
}

/** A tracker by MSVR: next = (1 − α) rows + α now + γ (now − before), and now for a new block. */
export function track(
  device: Device,
  { rows, next }: { readonly rows: Tensor; readonly next: Tensor },
  now: Tensor,
  before: Tensor,
  factors: RowFactors,
  alpha: number,
): void {
  ops.scaleAxis(device, { x: now, scale: factors.now, out: next, axis: 0 });
  vectors.combine(device, next, [1 - alpha, rows], [1, next]);
  ops.scaleAxis(device, { x: before, scale: factors.before, out: next, axis: 0, beta: 1 });
}

/** Rows that the step's blocks had at the step before: those of a block that was not in it have not changed since. */
export class RowsBefore {
  /** `[ids, …]`, of the blocks of the step before: state. */
  readonly kept: Tensor;
  /** `[ids, …]`, of the blocks of this step. */
  readonly before: Tensor;
  readonly #both: Tensor;
  readonly #halves: readonly [Tensor, Tensor];
  readonly #device: Device;

  constructor(device: Device, like: Tensor, owned: Owned<Tensor>) {
    this.#device = device;
    const [ids, ...rest] = like.shape as [number, ...number[]];
    this.kept = owned.add(Tensor.zeros(device, like.shape, { dtype: like.dtype as 'f64' }));
    [this.before] = vectors.like(like, owned) as [Tensor];
    this.#both = owned.add(new Tensor(device, [2 * ids, ...rest], like.dtype));
    this.#halves = [owned.add(this.#both.rows(0, ids)), owned.add(this.#both.rows(ids, 2 * ids))];
  }

  /** before = what the blocks had, of which `now` is what they have, by their places. */
  find(now: Tensor, places: Tensor): void {
    vectors.copy(this.#device, [now, this.kept], this.#halves);
    ops.gatherRows(this.#device, { x: this.#both, index: places, out: this.before });
  }
}
