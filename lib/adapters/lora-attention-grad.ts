import * as check from '../core/check.ts';
import type { Dtype } from '../core/dtypes.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { isRecord } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { positive, type Resolved, readOptions, type Schema, watchers, whole, word } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { type Certificate, certificateOf, mostFeatures } from './attention/certificate.ts';
import { chainGradient } from './attention/chain.ts';
import { exactGradient } from './attention/exact.ts';
import type { Head } from './attention/head.ts';

/** An attention head whose query weight is adapted: the arguments of {@link loraAttentionGrad}. */
export interface LoraAttention {
  /** The sequence, `[L, d]`. */
  readonly x: Tensor;
  /** `[h, d]`: the weight of queries that b·a is added to. */
  readonly wq: Tensor;
  /** `[h, d]`. */
  readonly wk: Tensor;
  /** `[n, d]`. */
  readonly wv: Tensor;
  /** The goal of the head's output, `[L, n]`. */
  readonly y: Tensor;
  /** `[rank, d]`. */
  readonly a: Tensor;
  /** `[h, rank]`. */
  readonly b: Tensor;
  /** The factor of b·a: finite. */
  readonly scale: number;
}

/** Options of {@link loraAttentionGrad}; all may be left out. */
export interface LoraAttentionGradOptions {
  /** The relative error that each exponential may have: above 0. Default: 1e-3. */
  readonly tol?: number | undefined;
  /** The most monomials of one place of the sequence: whole, 1 to 2^20. Default: 4096. */
  readonly maxFeatures?: number | undefined;
  /** `'auto'`: the chain where its bound is within `tol`, else exact. Default: `'auto'`. */
  readonly mode?: 'auto' | 'exact' | 'chain' | undefined;
  /** Ends the call with the signal's reason. Default: none. */
  readonly signal?: AbortSignal | undefined;
}

/** The result of {@link loraAttentionGrad}. */
export interface LoraAttentionGradient {
  /** The gradient of `a`, `[rank, d]`; the caller's. */
  readonly da: Tensor;
  /** The gradient of `b`, `[h, rank]`; the caller's. */
  readonly db: Tensor;
  /** ½·|attention − y|². */
  readonly loss: number;
  /** The way that was taken. */
  readonly mode: 'exact' | 'chain';
  /** Degree of the polynomial in place of the exponential; 0 where it is exact. */
  readonly degree: number;
  /** Monomials of one place of the sequence; 0 where it is exact. */
  readonly features: number;
  /** The largest relative error that an exponential may have, its rounding included; 0 where it is exact. */
  readonly errorBound: number;
}

type Mode = NonNullable<LoraAttentionGradOptions['mode']>;
const schema: Schema<Resolved<LoraAttentionGradOptions, 'signal'>> = {
  tol: positive(1e-3),
  maxFeatures: whole(4096, 1, mostFeatures),
  mode: word<Mode>(['auto', 'exact', 'chain'], 'auto'),
  signal: watchers<never>().signal,
};
const where = 'loraAttentionGrad';
const names = ['x', 'wq', 'wk', 'wv', 'y', 'a', 'b'] as const;

/**
 * The gradient of ½·|softmax(q·kᵀ/√h)·v − y|² by the factors of an adapter of the query weight, q = x·(wq +
 * scale·b·a)ᵀ, k = x·wkᵀ, v = x·wvᵀ; softmax over whole rows.
 *
 * `'chain'` takes Taylor's polynomial for the exponential, by monomials of q and k: time and memory grow with L alone,
 * times C(h + degree, degree) monomials. Its degree is the lowest whose error is within `tol` for scores up to the
 * product of the longest query and key over √h, rounding included: that bound is `errorBound`. Rounding to f32 allows
 * scores up to 2.5 or so at `tol` 1e-3, that to f64 up to 12. `'exact'` takes blocks of rows: time grows with L².
 * Monomials are many: the chain is for small heads, h up to 16 or so, with small scores, and long sequences.
 *
 * Source: Hu et al. 2024, arXiv 2406.03136, which shows that small scores allow such a chain, and large ones none. It
 * has no program: the chain and its bound are ours.
 *
 * @param head tensors in f32 or f64, all of one dtype, on one device; they must not change while the call lasts
 * @example
 * const { da, db, mode, errorBound } = await loraAttentionGrad({ x, wq, wk, wv, y, a, b, scale: 1 }, { tol: 1e-3 });
 *
 * @throws ERR_ARGUMENT for options, NaN and infinity; ERR_UNSUPPORTED for `'chain'` where `tol` asks for more than
 * `maxFeatures` or for less than rounding takes, or a row of exponentials has no positive sum; ERR_SHAPE, ERR_DTYPE,
 * ERR_DEVICE, ERR_DISPOSED; ERR_MEMORY; the signal's reason when aborted
 */
export async function loraAttentionGrad(
  head: LoraAttention,
  options: LoraAttentionGradOptions = {},
): Promise<LoraAttentionGradient> {
  const { tol, maxFeatures, mode, signal } = readOptions(where, options, schema);
  checkHead(head);
  const { x, wq, wk, wv, y, a, b, scale } = head;
  const { device, dtype } = x;
  using task = new Task(device, { signal });
  const { queue } = task;
  using owned = new Owned<Tensor>();
  const made = (shape: readonly number[]): Tensor => owned.add(new Tensor(device, shape, dtype));
  const projected = (weight: Tensor): Tensor => {
    const out = made([x.shape[0]!, weight.shape[0]!]);
    ops.gemm(queue, { a: x, b: weight, c: out, transB: 'transposed' });
    return out;
  };
  const weight = made(wq.shape);
  ops.gemm(queue, { a: b, b: a, c: weight, addend: wq, alpha: scale, beta: 1 });
  const parts: Head = { task, q: projected(weight), k: projected(wk), v: projected(wv), y };
  const largest = await largestScore(parts, head);
  const found = mode === 'exact' ? undefined : certificateOf(largest, wq.shape[0]!, tol, maxFeatures, unitOf(dtype));
  if (mode === 'chain' && !found)
    throw unsupported(`have scores small enough for ${maxFeatures} features`, `up to ${largest} and tol ${tol}`);
  let taken: Certificate | undefined = found;
  let gradient = found && (await chainGradient(parts, found.degree, owned));
  if (!gradient) {
    if (mode === 'chain')
      throw unsupported('have rows of exponentials with positive sums', `others at degree ${found!.degree}`);
    taken = undefined;
    gradient = await exactGradient(parts, owned);
  }
  const { dq, squares } = gradient;
  const slope = made(wq.shape);
  ops.gemm(queue, { a: dq, b: x, c: slope, transA: 'transposed' });
  const [da, db] = [made(a.shape), made(b.shape)];
  ops.gemm(queue, { a: b, b: slope, c: da, alpha: scale, transA: 'transposed' });
  ops.gemm(queue, { a: slope, b: a, c: db, alpha: scale, transB: 'transposed' });
  const each = (await task.read(squares)) as Float64Array;
  const loss = each.reduce((sum, square) => sum + square, 0) / 2;
  const told = taken ? { mode: 'chain' as const, ...taken } : { mode: 'exact' as const, degree: 0, features: 0, errorBound: 0 }; // biome-ignore format: one line
  return { da: owned.release(da), db: owned.release(db), loss, ...told };
}

const unsupported = (must: string, got: string): OrthokitError => refusal(where, 'head', must, got, 'ERR_UNSUPPORTED');

function checkHead(head: unknown): asserts head is LoraAttention {
  if (!isRecord(head)) throw refusal(where, 'head', 'be an object', shown(head));
  const { x, wq, wk, wv, y, a, b, scale, ...others } = head as Partial<Record<keyof LoraAttention, unknown>>;
  const [other] = Object.keys(others);
  if (other !== undefined) throw new OrthokitError('ERR_ARGUMENT', `${where}: ${shown(other)} is no part of a head`);
  check.tensor(where, 'x', x, { rank: 2, dtypes: check.arithmetic, filled: true });
  const [length, width] = x.shape as [number, number];
  const like = { dtypes: [x.dtype as 'f32'], device: x.device, filled: true };
  check.tensor(where, 'wq', wq, { ...like, shape: [undefined, width] });
  const [size] = wq.shape as [number];
  check.tensor(where, 'wk', wk, { ...like, shape: [size, width] });
  check.tensor(where, 'wv', wv, { ...like, shape: [undefined, width] });
  check.tensor(where, 'y', y, { ...like, shape: [length, wv.shape[0]] });
  check.tensor(where, 'a', a, { ...like, shape: [undefined, width] });
  check.tensor(where, 'b', b, { ...like, shape: [size, a.shape[0]] });
  if (!Number.isFinite(scale)) throw refusal(where, 'scale', 'be finite', shown(scale));
}

/** The largest relative error of rounding. */
const unitOf = (dtype: Dtype): number => (dtype === 'f64' ? 2 ** -53 : 2 ** -24);

/** The largest |q·k|/√h that is possible by the lengths of rows. @throws ERR_ARGUMENT for NaN and infinity */
async function largestScore({ task, q, k }: Head, head: LoraAttention): Promise<number> {
  const { queue, device } = task;
  const given = names.map((name) => head[name]);
  using squares = new Tensor(device, [names.length], 'f64');
  vectors.dots(
    queue,
    given.map((tensor) => [tensor, tensor] as const),
    squares,
  );
  using longest = new Tensor(device, [2], 'f64');
  for (const [i, x] of [q, k].entries()) {
    using all = new Tensor(device, [1, x.shape[0]!], 'f64');
    using flat = all.reshape([x.shape[0]!]);
    using out = longest.rows(i, i + 1);
    ops.rowReduce(queue, { x, out: flat, reduction: 'norm' });
    ops.rowReduce(queue, { x: all, out, reduction: 'max' });
  }
  const [found, lengths] = await task.readAll(squares, longest);
  const wrong = found.findIndex((square) => !Number.isFinite(square));
  if (wrong >= 0) throw refusal(where, names[wrong]!, 'be finite', 'NaN or infinity, or a norm beyond f64');
  const most = (lengths[0]! * lengths[1]!) / Math.sqrt(q.shape[1]!);
  return Number.isFinite(most) ? most : Infinity;
}
