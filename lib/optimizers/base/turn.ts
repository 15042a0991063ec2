import { Owned } from '../../core/owned.ts';
import { isSameShape } from '../../core/shapes.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { BlockCopies } from './cut.ts';
import type { Entry, Lists } from './entry.ts';

/** The weights and gradients of a step, by blocks. */
export class Turn {
  readonly weights: readonly Tensor[];
  readonly grads: readonly Tensor[];
  readonly #owned = new Owned<Tensor | BlockCopies>();
  readonly #taken: BlockCopies[] = [];
  readonly #put: BlockCopies[] = [];

  /** Allocates all that the step needs; nothing is queued yet. */
  constructor(entries: readonly Entry[], lists: Lists, grads: readonly Tensor[]) {
    const seen: Tensor[] = [];
    let isCopied = false;
    try {
      for (const [i, entry] of entries.entries()) {
        const { weight, cut, blocks } = entry;
        if (!cut && blocks[0]!.shape === weight.shape) seen.push(grads[i]!);
        else seen.push(...this.#blocks(entry, grads[i]!, [this.#taken]));
        isCopied ||= cut?.areViews === false;
      }
      this.grads = seen;
      this.weights = isCopied ? entries.flatMap((entry) => this.#weights(entry)) : lists.weights;
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Queues what is copied for the step. */
  begin(): void {
    for (const copies of this.#taken) copies.take();
  }

  /** Queues what is copied back. */
  end(): void {
    for (const copies of this.#put) copies.put();
  }

  dispose(): void {
    this.#owned.dispose();
  }

  #weights(entry: Entry): readonly Tensor[] {
    return entry.cut?.areViews === false
      ? this.#blocks(entry, entry.weight, [this.#taken, this.#put])
      : entry.blocks.map(({ views }) => views['weight']!);
  }

  /** A tensor like the weight as its blocks; `lists` get the copies that this makes. */
  #blocks({ cut, blocks }: Entry, tensor: Tensor, lists: readonly BlockCopies[][]): readonly Tensor[] {
    const seen = (part: Tensor, i: number): Tensor => {
      const { shape } = blocks[i]!;
      return isSameShape(shape, part.shape) ? part : this.#owned.add(part.reshape(shape));
    };
    if (!cut) return [seen(tensor, 0)];
    if (cut.areViews) return cut.views(tensor).map((view, i) => seen(this.#owned.add(view), i));
    const copies = this.#owned.add(cut.copies(tensor));
    for (const list of lists) list.push(copies);
    return copies.blocks.map(seen);
  }
}
