import { placeOf, type Tensor } from '../../core/tensor.ts';

/** Tensors under other shapes. Those of kept tensors are made once; others go when the call ends. */
export class Views {
  /** By the block of memory, so that views of views go with it. */
  readonly #kept = new Map<object, Map<string, Tensor>>();
  #others: Tensor[] = [];

  keep(tensor: Tensor): void {
    this.#kept.set(placeOf(tensor).block, new Map());
  }

  view(tensor: Tensor, shape: readonly number[]): Tensor {
    if (shape.length === tensor.shape.length && shape.every((size, i) => size === tensor.shape[i])) return tensor;
    const { block, begin } = placeOf(tensor);
    const known = this.#kept.get(block);
    const key = `${begin} ${shape}`;
    let view = known?.get(key);
    if (!view) {
      view = tensor.reshape(shape);
      if (known) known.set(key, view);
      else this.#others.push(view);
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
