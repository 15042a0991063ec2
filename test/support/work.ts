// Queued work: operations, bytes of their operands, and multiplications and additions of matrix products.

import { native } from '../../lib/core/native.ts';
import { isTensor, type Tensor } from '../../lib/core/tensor.ts';

/** Work that was queued, a sum over operations. */
export interface Work {
  readonly operations: number;
  /** Bytes of all tensors of each operation, once each. */
  readonly bytes: number;
  /**
   * 2 · rows · columns · depth of products, by numbers or packed codes; of attention to cached places, of each query with
   * all keys, and of its weights with all values.
   */
  readonly productFlops: number;
}

/** The first operand and the result among the values of a product's fields. */
const products: Readonly<Record<string, readonly [a: number, c: number]>> = { gemm: [0, 2], quantized_gemm: [0, 3] };

/** Counts what a call queues. */
export async function workOf(call: () => unknown): Promise<Work> {
  let [operations, bytes, productFlops] = [0, 0, 0];
  const all = native.ops as Record<string, (device?: object, ...values: unknown[]) => unknown>;
  const before = { ...all };
  for (const [name, run] of Object.entries(before))
    all[name] = (device, ...values) => {
      // A call that is written on the sheet is asked for anew, with its values.
      if (device === undefined) return false;
      operations += 1;
      for (const tensor of new Set(values.flat().filter(isTensor))) bytes += tensor.byteLength;
      if (name === 'cached_attention') {
        const [qkv, , , keys, cached] = values as [Tensor, unknown, unknown, Tensor, Tensor];
        productFlops += 2 * qkv.shape[1]! * (keys.size + cached.size);
      }
      const places = products[name];
      if (places) {
        const [a, c] = places.map((i) => values[i] as Tensor) as [Tensor, Tensor];
        productFlops += 2 * c.size * (a.size / c.shape.at(-2)!);
      }
      return run(device, ...values);
    };
  try {
    await call();
  } finally {
    Object.assign(all, before);
  }
  return { operations, bytes, productFlops };
}
