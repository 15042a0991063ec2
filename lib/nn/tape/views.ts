import { isSameShape } from '../../core/shapes.ts';
import { placeOf, type Tensor } from '../../core/tensor.ts';

/** Tensors under other shapes. Those of kept tensors are made once; others go when the call ends. */
export class Views {
  /** Views by the block of memory, so that views of views go with it. */
  readonly #kept = new Map<object, Map<string, Tensor>>();
  /** The same of each tensor that was asked for: few, and found without a key. */
  readonly #of = new WeakMap<Tensor, Tensor[]>();
  #others: Tensor[] = [];

  keep(tensor: Tensor): void {
    this.#kept.set(placeOf(tensor).block, new Map());
  }

  view(tensor: Tensor, shape: readonly number[]): Tensor {
    if (isSameShape(tensor.shape, shape)) return tensor;
    const seen = this.#of.get(tensor);
    if (seen) for (const view of seen) if (isSameShape(view.shape, shape) && !view.disposed) return view;
    const { block, begin } = placeOf(tensor);
    const known = this.#kept.get(block);
    const key = `${begin} ${shape}`;
    const view = known?.get(key) ?? tensor.reshape(shape);
    if (!known) this.#others.push(view);
    else {
      known.set(key, view);
      if (seen) seen.push(view);
      else this.#of.set(tensor, [view]);
    }
    return view;
  }

  /** A kept tensor goes, and its views. */
  drop(tensor: Tensor): void {
    const { block } = placeOf(tensor);
    for (const view of this.#kept.get(block)?.values() ?? []) view.dispose();
    this.#kept.delete(block);
    tensor.dispose();
  }

  /** At the end of a call. */
  reset(): void {
    for (const view of this.#others) view.dispose();
    this.#others = [];
  }
}
