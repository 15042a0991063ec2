// Attention of awkward shapes: its operands, and what it gives of them.
import { type Device, ops, Tensor } from '../../lib/index.ts';
import { normal, sizeOf } from './data.ts';
import type { Floating } from './dtypes.ts';
import { referenceDevice } from './reference.ts';
import { tensorOf } from './tensors.ts';

export interface AttentionShape {
  batch: number;
  queries: number;
  /** Default: as many as queries, in one tensor with them. */
  keys?: number;
  heads: number;
  kvHeads?: number;
  size: number;
  lengths?: readonly number[];
  mask?: 'causal' | 'none';
}

export const attentionShapes: Readonly<Record<string, AttentionShape>> = {
  'one query, one key, one element': { batch: 1, queries: 1, heads: 1, size: 1 },
  'a tile and a place': { batch: 2, queries: 65, heads: 2, size: 16 },
  'heads of an odd size': { batch: 1, queries: 33, heads: 3, size: 7 },
  'long heads': { batch: 1, queries: 20, heads: 1, size: 129 },
  'all keys': { batch: 1, queries: 70, heads: 2, size: 8, mask: 'none' },
  'keys that count': { batch: 4, queries: 67, heads: 1, size: 4, lengths: [0, 1, 65, 100] },
  'keys that count, all seen': { batch: 3, queries: 66, heads: 2, size: 4, lengths: [64, -3, 5], mask: 'none' },
  'grouped heads': { batch: 2, queries: 18, heads: 6, kvHeads: 2, size: 5 },
  'the last queries of many keys': { batch: 2, queries: 3, keys: 130, heads: 2, size: 8 },
  'more queries than keys': { batch: 1, queries: 80, keys: 9, heads: 2, size: 8 },
  'more queries than keys, all seen': { batch: 1, queries: 5, keys: 2, heads: 1, size: 3, mask: 'none' },
  'no keys': { batch: 2, queries: 3, keys: 0, heads: 1, size: 2 },
};

/** Queries, keys and values, and a place for what attention gives of them. */
export function attentionOperands(on: Device, s: AttentionShape, dtype: Floating, deviation = 1) {
  const { batch, queries, heads, size, mask } = s;
  const kvHeads = s.kvHeads ?? heads;
  const draw = (seed: number, shape: number[]) => tensorOf(on, normal(sizeOf(shape), seed, deviation), shape, dtype);
  const operands =
    s.keys === undefined
      ? { qkv: draw(1, [batch, queries, (heads + 2 * kvHeads) * size]) }
      : { q: draw(1, [batch, queries, heads * size]), kv: draw(2, [batch, s.keys, 2 * kvHeads * size]) };
  return {
    ...operands,
    lengths: s.lengths && tensorOf(on, s.lengths, [batch], 'i32'),
    out: Tensor.full(on, [batch, queries, heads * size], NaN, { dtype }),
    logSums: Tensor.full(on, [batch, heads, queries], NaN, { dtype: dtype === 'f64' ? 'f64' : 'f32' }),
    heads,
    kvHeads,
    mask,
  };
}

/** The same with what attention gives on the reference, so that all devices get the same bits. */
export async function attentionResults(shape: AttentionShape, dtype: Floating) {
  const operands = attentionOperands(referenceDevice(), shape, dtype);
  ops.attention(referenceDevice(), operands);
  const [out, logSums] = [await operands.out.read(), await operands.logSums.read()];
  return (on: Device) => {
    const all = attentionOperands(on, shape, dtype);
    all.out.write(out);
    all.logSums.write(logSums);
    return all;
  };
}

/** Tensors that lie as the operands do, under names that begin with `prefix`. */
export function likeOperands<P extends string>(
  operands: ReturnType<typeof attentionOperands>,
  prefix: P,
  make: (x: Tensor, index: number) => Tensor,
): { [K in `${P}${'Qkv' | 'Q' | 'Kv'}`]?: Tensor } {
  const named = 'qkv' in operands ? { Qkv: operands.qkv } : { Q: operands.q, Kv: operands.kv };
  return Object.fromEntries(Object.entries(named).map(([name, x], i) => [`${prefix}${name}`, make(x!, i)])) as never;
}
