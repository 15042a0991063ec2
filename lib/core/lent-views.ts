import type { Owned } from './owned.ts';
import type { Tensor } from './tensor.ts';

/** Views of tensors for functions of the caller's: one that disposes of what it is given takes nothing else along. */
export class LentViews {
  readonly #of: readonly Tensor[];
  readonly #views: Tensor[];

  /** `owned` has the views; it may move. */
  constructor(of: readonly Tensor[], owned: Owned<Tensor>) {
    this.#of = of;
    this.#views = of.map((one) => owned.add(one.reshape(one.shape)));
  }

  /** The views, made anew where some have been disposed of; their owner has those, too. */
  lend(owned: Owned<Tensor>): readonly Tensor[] {
    for (const [i, old] of this.#views.entries()) {
      if (!old.disposed) continue;
      owned.drop(old);
      this.#views[i] = owned.add(this.#of[i]!.reshape(old.shape));
    }
    return this.#views;
  }
}
