import { allOrNone } from '../core/all-or-none.ts';
import { callback, checkNumber } from '../core/callbacks.ts';
import type { Device } from '../core/device.ts';
import type { Dtype } from '../core/dtypes.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { RandomStream } from '../core/random.ts';
import { count, type Given, type Option, readOptions, type Schema, watchers, whole } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { isTensor, Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { type Sides, sidesOf } from './compute.ts';
import { qrOf, type SvdResult, svdOf } from './factorizations.ts';

/** Options of {@link randomizedSvd}; all but `rank` may be left out. */
export interface RandomizedSvdOptions {
  /** Number of singular values and vectors: whole, from 1 to the smaller side. There is no default. */
  rank: number;
  /** Directions that are tried beyond `rank`: whole, from 0 on. Default 8. */
  oversample: number;
  /** Products with x·xᵀ that sharpen the directions, 0 where singular values fall fast: whole, to 100. Default 2. */
  power: number;
  /** Seed of the random directions: whole, from 0 to 2⁵³ − 1. Default 0. */
  seed: number;
  /** Ends the call with its reason. Default: none. */
  signal: AbortSignal | undefined;
}

const schema: Schema<RandomizedSvdOptions> = {
  rank: { ...count(1), default: undefined } as unknown as Option<number>,
  oversample: count(8, 0),
  power: whole(2, 0, 100),
  seed: whole(0, 0, Number.MAX_SAFE_INTEGER),
  signal: watchers<never>().signal,
};

/** Both products of a matrix with many vectors, which are rows: out = xs·Aᵀ, or xs·A. */
interface Products<D extends Dtype> extends Sides {
  readonly device: Device;
  readonly dtype: D;
  forward(xs: Tensor, out: Tensor): void | Promise<void>;
  backward(ys: Tensor, out: Tensor): void | Promise<void>;
}

/**
 * The largest singular values and their vectors, x ≈ U·diag(s)·Vᵀ, thin: for a matrix, or an operator that only
 * multiplies, which is far larger than `rank`. Random directions are multiplied by x, made orthonormal, and x is
 * decomposed in their span. The error in the spectral norm is near the first singular value that is left out, the
 * nearer the larger `oversample` and `power` are; where x has no more than `rank` + `oversample` singular values above
 * 0, it is rounding. f32 or f64, and so are the results. The same seed gives the same result. Signs are as they come.
 *
 * Products: 2 · `power` + 2 with each of `rank` + `oversample` vectors.
 *
 * Source: Halko, Martinsson and Tropp 2011, algorithms 4.4 and 5.1.
 *
 * @param x [m, n] or [batch, m, n], or an operator with `adjoint`
 * @returns u [… batch, m, rank], s [… batch, rank], descending, v [… batch, n, rank]
 * @throws ERR_ARGUMENT for NaN and infinity, and for what an operator's functions throw; ERR_SHAPE, ERR_DTYPE;
 *   ERR_DISPOSED if they dispose of what they are given; the signal's reason when aborted
 * @example
 * const { u, s, v } = await randomizedSvd(x, { rank: 16 });
 */
export async function randomizedSvd<D extends Dtype = Dtype>(
  x: Tensor<D> | LinearOperator<D>,
  options: Given<Omit<RandomizedSvdOptions, 'rank'>> & Pick<RandomizedSvdOptions, 'rank'>,
): Promise<SvdResult<D>> {
  const where = 'randomizedSvd';
  const sides = isTensor(x) ? sidesOf(where, 'x', x) : sidesOfOperator(where, x);
  const { rank, oversample, power, seed, signal } = readOptions<RandomizedSvdOptions>(where, options, schema);
  const { smaller, batch, front } = sides;
  if (!(Number.isInteger(rank) && rank >= 1 && rank <= smaller)) {
    const text = `${where}: rank must be a whole number from 1 to ${smaller}, the smaller side, got ${rank}`;
    throw new OrthokitError('ERR_ARGUMENT', text);
  }
  using task = new Task<never>(x.device, { signal });
  const products = isTensor(x) ? ofMatrix(task, x, sides) : ofOperator(where, task, x, sides);
  using owned = new Owned<Tensor>();
  const width = Math.min(rank + oversample, smaller);
  const range = await rangeOf(where, task, products, { width, power, seed }, owned);
  // x ≈ Q·(Qᵀx): the range holds Qᵀ, and its products with x are Qᵀx.
  const image = owned.add(new Tensor(x.device, [batch, width, sides.columns], products.dtype));
  await products.backward(range, image);
  const inner = await task.waitFor(svdOf({ where, name: 'x' }, image, sidesOf(where, 'x', image)));
  const [turn, s, v] = [owned.add(inner.u), owned.add(inner.s), owned.add(inner.v)];
  const first = owned.add(firstOf(batch, width, rank, x.device));
  const pick = (from: Tensor, out: Tensor): void => {
    // Vectors are rows here, so that the first of each matrix are some rows of all.
    using flat = from.reshape([batch * width, from.size / (batch * width)]);
    using to = out.reshape([batch * rank, out.size / (batch * rank)]);
    ops.gatherRows(task.queue, { x: flat, index: first, out: to });
  };
  const like = (...shape: number[]): Tensor => owned.add(new Tensor(x.device, shape, products.dtype));
  const shapes = { u: [...front, sides.rows, rank], s: [...front, rank], v: [...front, sides.columns, rank] };
  const [u, values, right] = allOrNone(
    () => new Tensor(x.device, shapes.u, products.dtype),
    () => new Tensor(x.device, shapes.s, products.dtype),
    () => new Tensor(x.device, shapes.v, products.dtype),
  );
  for (const tensor of [u, values, right]) owned.add(tensor);
  const [turned, kept] = [like(batch, width, width), like(batch, rank, width)];
  ops.transpose(task.queue, { x: turn, out: turned });
  pick(turned, kept);
  using left = u.reshape([batch, sides.rows, rank]);
  ops.gemm(task.queue, { a: range, b: kept, c: left, transA: 'transposed', transB: 'transposed' });
  pick(s, values);
  const [rows, chosen] = [like(batch, width, sides.columns), like(batch, rank, sides.columns)];
  ops.transpose(task.queue, { x: v, out: rows });
  pick(rows, chosen);
  using columns = right.reshape([batch, sides.columns, rank]);
  ops.transpose(task.queue, { x: chosen, out: columns });
  return { u: owned.release(u), s: owned.release(values), v: owned.release(right) };
}

/** Orthonormal vectors, rows of [batch, width, m], near the span of the left singular vectors. */
async function rangeOf<D extends Dtype>(
  where: string,
  task: Task<never>,
  products: Products<D>,
  { width, power, seed }: { width: number; power: number; seed: number },
  owned: Owned<Tensor>,
): Promise<Tensor<D>> {
  const { device, dtype, batch, rows, columns } = products;
  const directions = owned.add(new RandomStream(seed).normal(device, [batch, width, columns], { dtype }));
  const images = owned.add(new Tensor(device, [batch, width, rows], dtype));
  await products.forward(directions, images);
  await orthonormalize(where, task, images);
  for (let i = 0; i < power; ++i) {
    await products.backward(images, directions);
    await orthonormalize(where, task, directions);
    await products.forward(directions, images);
    await orthonormalize(where, task, images);
  }
  return images;
}

/** Makes the rows of each matrix orthonormal, in place. */
async function orthonormalize(where: string, task: Task<never>, x: Tensor): Promise<void> {
  const [batch, width, length] = x.shape as [number, number, number];
  using columns = new Tensor(x.device, [batch, length, width], x.dtype);
  ops.transpose(task.queue, { x, out: columns });
  const { q, r } = await task.waitFor(qrOf({ where, name: 'x' }, columns, sidesOf(where, 'x', columns)));
  r.dispose();
  using orthonormal = q;
  ops.transpose(task.queue, { x: orthonormal, out: x });
}

/** Indices of the first `rank` of every `width` rows. */
const firstOf = (batch: number, width: number, rank: number, device: Device): Tensor =>
  Tensor.from(device, Int32Array.from({ length: batch * rank }, (_, i) => Math.floor(i / rank) * width + (i % rank)), [batch * rank]); // biome-ignore format: one line

function ofMatrix<D extends Dtype>(task: Task<never>, x: Tensor<D>, sides: Sides): Products<D> {
  const { batch, rows, columns } = sides;
  const product = (b: Tensor, c: Tensor, transB: 'none' | 'transposed'): void => {
    using matrices = x.reshape([batch, rows, columns]);
    ops.gemm(task.queue, { a: b, b: matrices, c, transB });
  };
  return {
    ...sides,
    device: x.device,
    dtype: x.dtype,
    forward: (xs, out) => product(xs, out, 'transposed'),
    backward: (ys, out) => product(ys, out, 'none'),
  };
}

function sidesOfOperator(where: string, x: LinearOperator): Sides {
  checkOperator(where, 'x', x);
  if (typeof x.adjoint !== 'function') throw refusal(where, 'x', 'have a function adjoint', shown(x.adjoint));
  const [rows, columns] = x.shape;
  return { front: [], batch: 1, rows, columns, smaller: Math.min(rows, columns) };
}

function ofOperator<D extends Dtype>(
  where: string,
  task: Task<never>,
  x: LinearOperator<D>,
  sides: Sides,
): Products<D> {
  const each = async (name: 'apply' | 'adjoint', from: Tensor, to: Tensor): Promise<void> => {
    for (let i = 0; i < from.shape[1]!; ++i) {
      using own = vectorOf(from, i);
      using out = vectorOf(to, i);
      await callback(task, `${where}: x.${name}`, [own, out], () => x[name]!(own, out));
    }
    using square = vectors.scalar(x.device);
    vectors.dot(task.queue, to, to, square);
    checkNumber(`${where}: x.${name}`, (await task.read(square))[0]!);
  };
  return {
    ...sides,
    device: x.device,
    dtype: x.dtype,
    forward: (xs, out) => each('apply', xs, out),
    backward: (ys, out) => each('adjoint', ys, out),
  };
}

/** Row i of the one matrix, as a vector. */
function vectorOf(x: Tensor, i: number): Tensor {
  using rows = x.reshape(x.shape.slice(1));
  using row = rows.rows(i, i + 1);
  return row.reshape([row.size]);
}
