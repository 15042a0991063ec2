import { placeOf, type Tensor } from './tensor.ts';

interface Range {
  readonly begin: number;
  readonly end: number;
}

/** Bytes of tensors, none of them twice. An empty tensor has none. */
export class Places {
  /** The ranges of each block, in order. */
  readonly #blocks = new Map<object, Range[]>();

  /** Adds a tensor's bytes; false, and nothing is added, if some of them are there already. */
  add(tensor: Tensor): boolean {
    const { block, begin, end } = placeOf(tensor);
    const ranges = this.#blocks.get(block) ?? [];
    const at = firstAfter(ranges, begin);
    if (begin === end) return true;
    if (at < ranges.length && ranges[at]!.begin < end) return false;
    ranges.splice(at, 0, { begin, end });
    this.#blocks.set(block, ranges);
    return true;
  }

  /** True if some of a tensor's bytes are there. */
  has(tensor: Tensor): boolean {
    const { block, begin, end } = placeOf(tensor);
    const ranges = this.#blocks.get(block) ?? [];
    const at = firstAfter(ranges, begin);
    return begin < end && at < ranges.length && ranges[at]!.begin < end;
  }
}

/** The index of the first range that ends after a byte. */
function firstAfter(ranges: readonly Range[], byte: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle]!.end > byte) high = middle;
    else low = middle + 1;
  }
  return low;
}
