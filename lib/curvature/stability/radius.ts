import * as check from '../../core/check.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import type { LinearOperator } from '../../core/operator.ts';
import { Owned } from '../../core/owned.ts';
import { count, positive, type Resolved, readOptions, required, type Schema, watchers } from '../../core/schema.ts';
import { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { eigh } from '../../linalg/factorizations.ts';
import { type LanczosProgress, lanczosFrom } from '../../solvers/lanczos.ts';

/** Options of {@link sgdSecondMomentRadius}. */
export interface SecondMomentOptions {
  /** The learning rate: > 0. It has no default. */
  lr: number;
  /** Samples of a batch, drawn with replacement: whole, from 1 on. Default: 1. */
  batch?: number | undefined;
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

const schema: Schema<Resolved<SecondMomentOptions, 'signal'>> = {
  lr: required(positive(1)),
  batch: count(1),
  signal: watchers<never>().signal,
};

const where = 'sgdSecondMomentRadius';
const mostColumns = 64;
/** Steps of Lanczos: all that there are up to a rank of 27. */
const mostSteps = 400;
/** Eigenvalues of at most this share of the largest one are rounding, times the side. */
const rounding = 2 ** -50;

/**
 * The factor by which a step of SGD multiplies the second moment of the distance from a minimum that fits every sample,
 * in the direction that grows most: SGD stays at the minimum where that is at most 1. It is the spectral radius of M ↦
 * (I − ηH) M (I − ηH) + η²/B · (mean of gᵢ gᵢᵀ M gᵢ gᵢᵀ − H M H) over symmetric M, with H = Jᵀ J / n, the rows gᵢ of J
 * and η = `lr`. Directions that no output depends on, which stay as they are, are left out.
 *
 * All in f64; exact but for rounding up to a rank of 27 of J, and 400 steps of Lanczos beyond.
 *
 * Source: Wu and Su 2023.
 *
 * @param jacobian `[n, d]`, f32 or f64, d at most 64: the gradient of the model's output for each of n samples.
 * @example
 * const isStable = (await sgdSecondMomentRadius(jacobian, { lr: 0.1 })) <= 1;
 *
 * @throws ERR_ARGUMENT for options out of range, for NaN and infinity, of squares too; ERR_SHAPE, ERR_DTYPE for what is
 * no such matrix; ERR_DISPOSED; ERR_MEMORY; the signal's reason when aborted
 */
export async function sgdSecondMomentRadius(jacobian: Tensor, options: SecondMomentOptions): Promise<number> {
  check.tensor(where, 'jacobian', jacobian, { rank: 2, filled: true, dtypes: check.arithmetic });
  const { lr, batch, signal } = readOptions(where, options, schema);
  const { device } = jacobian;
  const [n, d] = jacobian.shape as [number, number];
  if (d > mostColumns) throw refusal(where, 'jacobian', `have at most ${mostColumns} columns`, d, 'ERR_SHAPE');
  using task = new Task<LanczosProgress>(device, { signal });
  using owned = new Owned<Tensor>();
  const { queue } = task;
  const make = (...shape: readonly number[]) => owned.add(new Tensor(device, shape, 'f64'));

  const wide = jacobian.dtype === 'f64' ? jacobian : owned.add(jacobian.cast('f64'));
  const hessian = make(d, d);
  ops.gemm(queue, { a: wide, b: wide, c: hessian, transA: 'transposed', alpha: 1 / n });
  const square = owned.add(vectors.scalar(device));
  vectors.dot(queue, hessian, hessian, square);
  const [size] = (await task.read(square)) as unknown as [number];
  if (!Number.isFinite(size)) throw refusal(where, 'jacobian', 'have finite squares', size);
  const { values, vectors: axes } = await task.waitFor(eigh(hessian));
  owned.add(values);
  owned.add(axes);
  const spectrum = await task.read(values);
  const least = d * rounding * spectrum.at(-1)!;
  const rank = spectrum.filter((value) => value > least).length;
  if (rank === 0) return 0;

  // Along the axes H is diagonal, and the rows of J are those of J V.
  const all = make(n, d);
  ops.gemm(queue, { a: wide, b: axes, c: all });
  const rows = make(n, rank);
  const bases = make(d, rank);
  const identity = new Float64Array(d * rank);
  for (let i = 0; i < rank; ++i) identity[(d - rank + i) * rank + i] = 1;
  bases.write(identity);
  ops.gemm(queue, { a: all, b: bases, c: rows });
  const along = [...spectrum.subarray(d - rank)];
  // (1 − ηλᵢ)(1 − ηλⱼ) − η²/B · λᵢ λⱼ, for each element of M
  const shares = make(rank, rank);
  shares.write(
    Float64Array.from({ length: rank * rank }, (_, at) => {
      const [x, y] = [lr * along[Math.floor(at / rank)]!, lr * along[at % rank]!];
      return (1 - x) * (1 - y) - (x * y) / batch;
    }),
  );
  const [images, products] = [make(n, rank), make(n, rank)];
  const forms = make(n);
  const operator: LinearOperator = {
    device,
    dtype: 'f64',
    shape: [rank * rank, rank * rank],
    apply(x, out) {
      using inner = new Owned<Tensor>();
      const moment = inner.add(x.reshape([rank, rank]));
      const next = inner.add(out.reshape([rank, rank]));
      ops.gemm(queue, { a: rows, b: moment, c: images });
      ops.multiply(queue, { x: [images], y: [rows], out: [products] });
      ops.rowReduce(queue, { x: products, out: forms });
      ops.scaleAxis(queue, { x: rows, scale: forms, out: images, axis: 0 });
      ops.multiply(queue, { x: [moment], y: [shares], out: [next] });
      ops.gemm(queue, { a: rows, b: images, c: next, transA: 'transposed', alpha: (lr * lr) / (batch * n), beta: 1 });
    },
  };
  const first = make(rank * rank);
  first.write(Float64Array.from({ length: rank * rank }, (_, at) => Number(at % (rank + 1) === 0)));
  // It maps positive semidefinite matrices to such ones: the eigenvalue that is largest in size is positive, and its
  // matrix has a part along the identity.
  const steps = Math.min((rank * (rank + 1)) / 2, mostSteps);
  const { ritz } = await lanczosFrom(where, task, operator, first, steps, owned);
  return Math.max(0, ritz.at(-1)!);
}
