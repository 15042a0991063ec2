import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { count, flag, type Given, optional, positive, readOptions, required, type Schema } from '../core/schema.ts';
import { isTensor, Tensor } from '../core/tensor.ts';

/** Options of {@link largestLogits}. */
export interface LargestLogitsOptions {
  /** The number of heads, at least 1. It has no default. */
  heads: number;
  /** Heads of the keys; each serves heads / keyHeads neighbours. Default: as many as heads. */
  keyHeads: number | undefined;
  /** True: a query sees the keys up to its own place; the last one stands at that of the last key. Default true. */
  causal: boolean;
  /** Factor of the products, > 0. Default 1 / √size. */
  scale: number | undefined;
  /** Queries, and keys, of a block of products. Default 128. */
  block: number;
}

/** Queries `[B, T, heads · size]` and keys `[B, S, keyHeads · size]`. */
export interface QueriesAndKeys {
  /** Queries, `[batch, places, heads · size]`. */
  readonly q: Tensor;
  /** Keys, `[batch, places, keyHeads · size]`. */
  readonly k: Tensor;
}

const schema: Schema<LargestLogitsOptions> = {
  heads: required(count(1)),
  keyHeads: optional(count(1)),
  causal: flag(true),
  scale: optional(positive(1)),
  block: count(128),
};

const where = 'largestLogits';

/** The sizes of a call. */
interface Sizes {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly keyHeads: number;
  /** Heads of queries that share one of keys. */
  readonly shared: number;
  readonly size: number;
  readonly block: number;
}

/** Some of the `groups` heads on the last axis of x, places first, `[places, heads, batch, size]`, in f32 or f64. */
function byPlaces(x: Tensor, groups: number, first: number, heads: number): Tensor {
  const [batch, places, width] = x.shape as [number, number, number];
  const size = width / groups;
  using all = new Tensor(x.device, [groups, places, batch, size], x.dtype);
  ops.rearrange(x.device, { x, out: all, shape: [batch, places, groups, size], axes: [2, 1, 0, 3] });
  using own = all.rows(first, first + heads);
  using wide = x.dtype === 'f64' ? own.copy() : own.cast('f32');
  return filled(new Tensor(x.device, [places, heads, batch, size], wide.dtype), (out) =>
    ops.rearrange(x.device, { x: wide, out, axes: [1, 0, 2, 3] }),
  );
}

/** −∞ where a key stands behind the query, and 0 elsewhere, for each matrix of a block on the diagonal. */
function maskOf(like: Tensor, { batch, keyHeads, shared }: Sizes, places: number): Tensor {
  const { device, dtype } = like;
  const seen = Array.from({ length: shared * places * places }, (_, at) =>
    at % places <= Math.floor(at / places) % places ? 0 : Number.NEGATIVE_INFINITY,
  );
  using one = Tensor.from(device, seen, [1, seen.length], { dtype });
  using index = Tensor.zeros(device, [keyHeads * batch], { dtype: 'i32' });
  return filled(new Tensor(device, [keyHeads * batch, shared * places, places], dtype), (all) => {
    using rows = all.reshape([keyHeads * batch, seen.length]);
    ops.gatherRows(device, { x: one, index, out: rows });
  });
}

/** Queries from one place to another, and keys likewise: `diagonal` where a query does not see all of these. */
interface Pair {
  readonly queries: readonly [number, number];
  readonly keys: readonly [number, number];
  readonly diagonal: boolean;
}

function* pairsOf({ queries, keys, block }: Sizes, causal: boolean): Generator<Pair> {
  for (let from = 0; from < queries; from += block) {
    const own: [number, number] = [from, Math.min(from + block, queries)];
    const ahead = keys - queries;
    const all = causal ? from + ahead : keys;
    for (let first = 0; first < all; first += block)
      yield { queries: own, keys: [first, Math.min(first + block, all)], diagonal: false };
    if (causal) yield { queries: own, keys: [own[0] + ahead, own[1] + ahead], diagonal: true };
  }
}

/** The largest product of each head and sequence in a block, `[keyHeads · batch · shared]`. */
function largestOf(q: Tensor, k: Tensor, pair: Pair, sizes: Sizes, alpha: number, out: Tensor): void {
  const { device, dtype } = q;
  const { batch, keyHeads, shared, size } = sizes;
  const [height, width] = [pair.queries[1] - pair.queries[0], pair.keys[1] - pair.keys[0]];
  const count = keyHeads * batch;
  using qRows = q.rows(...pair.queries);
  using kRows = k.rows(...pair.keys);
  using a = new Tensor(device, [count, shared * height, size], dtype);
  using b = new Tensor(device, [count, width, size], dtype);
  ops.rearrange(device, { x: qRows, out: a, shape: [height, keyHeads, shared, batch, size], axes: [1, 3, 2, 0, 4] });
  ops.rearrange(device, { x: kRows, out: b, axes: [1, 2, 0, 3] });
  using c = pair.diagonal ? maskOf(q, sizes, height) : new Tensor(device, [count, shared * height, width], dtype);
  ops.gemm(device, { a, b, c, transB: 'transposed', alpha, beta: pair.diagonal ? 1 : 0 });
  using rows = new Tensor(device, [count * shared, height], dtype);
  using flat = rows.reshape([count, shared * height]);
  ops.rowReduce(device, { x: c, out: flat, reduction: 'max' });
  ops.rowReduce(device, { x: rows, out, reduction: 'max' });
}

/**
 * The largest logit of each head, `[heads]` in f32, or f64 of f64: max of scale · qᵢ·kⱼ over sequences, queries and the
 * keys that they see, which {@link qkClip} asks for. `of` is what stands between the linear layers of `nn.attention`,
 * `[B, T, (heads + 2 keyHeads) · size]`, queries, then keys, then values; or queries and keys apart. Products are made
 * a block at a time, and no matrix of all places is stored; those of f16 and bf16 in f32. −∞ without queries or keys; a
 * NaN makes its head NaN. Queued; returns at once.
 *
 * @example
 * const project = nn.forward((m: typeof layer, x: Tensor) => nn.linear(m.qkv, x));
 * using maxLogits = largestLogits(project(layer, x), { heads: 8 });
 * qkClip(queryRows, keyRows, maxLogits);
 * @throws ERR_ARGUMENT where keyHeads does not divide heads; ERR_SHAPE, also for causal queries of more places than
 * keys; ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
 */
export function largestLogits(
  of: Tensor | QueriesAndKeys,
  options: Given<LargestLogitsOptions> & Pick<LargestLogitsOptions, 'heads'>,
): Tensor {
  const { heads, keyHeads = heads, causal, scale, block } = readOptions(where, options, schema);
  if (heads % keyHeads !== 0) throw refusal(where, 'keyHeads', `divide the ${heads} heads`, keyHeads);
  const isFused = isTensor(of);
  const { q, k }: QueriesAndKeys = isFused ? { q: of, k: of } : of;
  check.tensor(where, isFused ? 'qkv' : 'q', q, { rank: 3, dtypes: check.floating });
  const { device, dtype } = q;
  check.tensor(where, 'k', k, { rank: 3, dtypes: [dtype], device });
  const [qGroups, kGroups] = isFused ? [heads + 2 * keyHeads, heads + 2 * keyHeads] : [heads, keyHeads];
  for (const [name, x, groups] of [[isFused ? 'qkv' : 'q', q, qGroups], ['k', k, kGroups]] as const) // biome-ignore format: one line
    if (x.shape[2]! % groups !== 0 || x.shape[2] === 0)
      throw refusal(where, name, `have a last axis that ${groups} heads divide`, `[${x.shape}]`, 'ERR_SHAPE');
  const [batch, queries, width] = q.shape as [number, number, number];
  const keys = k.shape[1]!;
  const size = width / qGroups;
  if (k.shape[0] !== batch || k.shape[2]! / kGroups !== size)
    throw refusal(where, 'k', `be like q, [${batch}, keys, ${keyHeads * size}]`, `[${k.shape}]`, 'ERR_SHAPE');
  if (causal && keys < queries)
    throw refusal(where, 'k', `have a place for each of ${queries} queries`, keys, 'ERR_SHAPE');

  const sizes: Sizes = { batch, queries, keys, keyHeads, shared: heads / keyHeads, size, block };
  const kept = dtype === 'f64' ? 'f64' : 'f32';
  const pairs = batch > 0 ? [...pairsOf(sizes, causal)] : [];
  if (pairs.length === 0) return Tensor.full(device, [heads], Number.NEGATIVE_INFINITY, { dtype: kept });
  using qPlaces = byPlaces(q, qGroups, 0, heads);
  using kPlaces = byPlaces(k, kGroups, isFused ? heads : 0, keyHeads);
  using all = new Tensor(device, [pairs.length, heads * batch], kept);
  for (const [i, pair] of pairs.entries()) {
    using row = all.rows(i, i + 1);
    using out = row.reshape([heads * batch]);
    largestOf(qPlaces, kPlaces, pair, sizes, scale ?? 1 / Math.sqrt(size), out);
  }
  using each = new Tensor(device, [heads * batch], kept);
  ops.columnReduce(device, { x: all, out: each, reduction: 'max' });
  using ofHeads = new Tensor(device, [heads, batch], kept);
  ops.rearrange(device, { x: each, out: ofHeads, shape: [keyHeads, batch, heads / keyHeads], axes: [0, 2, 1] });
  return filled(new Tensor(device, [heads], kept), (out) => {
    ops.rowReduce(device, { x: ofHeads, out, reduction: 'max' });
  });
}
