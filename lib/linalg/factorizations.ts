import type { Dtype } from '../core/dtypes.ts';
import { OrthokitError } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { flag, fraction, type Given, readOptions, type Schema } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { computed, judged, ofBatch, type Sides, sidesOf, squareOf } from './compute.ts';

/** Options of {@link cholesky}; all may be left out. */
export interface CholeskyOptions {
  /**
   * Above 0, the matrix may be semidefinite: a pivot of at most this share of the largest diagonal element counts as
   * zero, and its column is zero. In [0, 1). Default 0.
   */
  rankTolerance: number;
}

/** A matrix as messages name it: the public function, and its argument. */
export interface Argument {
  readonly where: string;
  readonly name: string;
}

interface VectorOptions {
  /** Computes vectors, too. Default true. */
  vectors: boolean;
}

/** A thin QR factorization. */
export interface QrResult<D extends Dtype = Dtype> {
  /** [… batch, m, min(m, n)], orthonormal columns. */
  q: Tensor<D>;
  /** [… batch, min(m, n), n], upper triangular, its diagonal not negative. */
  r: Tensor<D>;
}

/** An LU factorization by partial pivoting. */
export interface LuResult<D extends Dtype = Dtype> {
  /** `[… batch, m, n]`: U, and below the diagonal L, whose diagonal is 1. */
  lu: Tensor<D>;
  /** i32 [… batch, m]: row i of L·U is row pivots[i] of the matrix. */
  pivots: Tensor<'i32'>;
}

/** A thin singular value decomposition. */
export interface SvdResult<D extends Dtype = Dtype> {
  /** [… batch, m, min(m, n)], orthonormal columns, also where s is 0. */
  u: Tensor<D>;
  /** [… batch, min(m, n)], descending. */
  s: Tensor<D>;
  /** [… batch, n, min(m, n)], orthonormal columns, also where s is 0. */
  v: Tensor<D>;
}

/** Eigenvalues and eigenvectors of a symmetric matrix. */
export interface EighResult<D extends Dtype = Dtype> {
  /** [… batch, n], ascending. */
  values: Tensor<D>;
  /** [… batch, n, n], a column each, orthonormal. */
  vectors: Tensor<D>;
}

const choleskySchema: Schema<CholeskyOptions> = { rankTolerance: fraction(0) };
const vectorSchema: Schema<VectorOptions> = { vectors: flag(true) };

/**
 * The lower triangle L, its diagonal positive, with L·Lᵀ = x, of each positive definite matrix; zeros stand above it.
 * The lower half of x alone is read. f32 or f64, and so is L.
 *
 * @param x [n, n] or [batch, n, n]
 * @throws ERR_ARGUMENT for a matrix that is not positive definite or not finite, with the first pivot that is not;
 * ERR_SHAPE, ERR_DTYPE
 * @example
 * const l = await cholesky(Tensor.from(device, [4, 2, 2, 5], [2, 2])); // 2 0 1 2
 */
export async function cholesky<D extends Dtype>(
  x: Tensor<D>,
  options: Given<CholeskyOptions> = {},
): Promise<Tensor<D>> {
  const where = 'cholesky';
  const sides = squareOf(where, 'x', x);
  const { rankTolerance } = readOptions(where, options, choleskySchema);
  return choleskyOf({ where, name: 'x' }, x, sides, rankTolerance);
}

/** {@link cholesky} of an argument of any function. */
export async function choleskyOf<D extends Dtype>(
  argument: Argument,
  x: Tensor<D>,
  sides: Sides,
  rankTolerance = 0,
): Promise<Tensor<D>> {
  const outputs = await computed({
    inputs: { gram: x },
    outputs: { factor: x.shape, info: infoOf(sides) },
    run: (device, tensors) => ops.cholesky(device, { ...tensors, rankTolerance }),
  });
  const { factor } = await judged(outputs, (pivot, index) =>
    wrong(argument, `must be positive definite, got pivot ${pivot}${ofBatch(sides, index)} that is not positive`),
  );
  return factor;
}

/**
 * x = Q·R with orthonormal columns of Q and an upper triangle R, thin, by Householder reflections. f32 or f64.
 *
 * @param x [m, n] or [batch, m, n]
 * @throws ERR_ARGUMENT for NaN and infinity; ERR_SHAPE, ERR_DTYPE
 * @example
 * const { q, r } = await qr(x);
 */
export async function qr<D extends Dtype>(x: Tensor<D>): Promise<QrResult<D>> {
  const where = 'qr';
  return qrOf({ where, name: 'x' }, x, sidesOf(where, 'x', x));
}

/** {@link qr} of an argument of any function. */
export async function qrOf<D extends Dtype>(argument: Argument, x: Tensor<D>, sides: Sides): Promise<QrResult<D>> {
  const { front, rows, columns, smaller } = sides;
  const outputs = await computed({
    inputs: { matrix: x },
    outputs: {
      q: [...front, rows, smaller],
      r: [...front, smaller, columns],
      guard: { shape: [1], dtype: 'f64' },
    },
    run: (device, { guard, ...tensors }) => {
      ops.checkFinite(device, { x: [tensors.matrix], guard });
      ops.qr(device, tensors);
    },
  });
  const { q, r, guard } = outputs;
  return judged({ q, r, info: guard }, () => notFinite(argument));
}

/**
 * The rows of x in the order of `pivots` are L·U, by partial pivoting. Singular matrices are factored, too. f32 or f64.
 *
 * @param x [m, n] or [batch, m, n]
 * @throws ERR_ARGUMENT for NaN and infinity; ERR_SHAPE, ERR_DTYPE
 * @example
 * const { lu: triangles, pivots } = await lu(x);
 */
export async function lu<D extends Dtype>(x: Tensor<D>): Promise<LuResult<D>> {
  const where = 'lu';
  return luOf({ where, name: 'x' }, x, sidesOf(where, 'x', x));
}

/** {@link lu} of an argument of any function. */
export async function luOf<D extends Dtype>(argument: Argument, x: Tensor<D>, sides: Sides): Promise<LuResult<D>> {
  const outputs = await computed({
    inputs: { matrix: x },
    outputs: {
      lu: x.shape,
      pivots: { shape: [...sides.front, sides.rows], dtype: 'i32' },
      info: infoOf(sides),
      guard: { shape: [1], dtype: 'f64' },
    },
    run: (device, { guard, ...tensors }) => {
      ops.checkFinite(device, { x: [tensors.matrix], guard });
      ops.lu(device, tensors);
    },
  });
  const { lu: triangles, pivots, info, guard } = outputs;
  info.dispose();
  return judged({ lu: triangles, pivots, info: guard }, () => notFinite(argument));
}

/**
 * x = U·diag(s)·Vᵀ, thin, s descending. Of each column of U, the first entry that has nine tenths of the size of the
 * largest is positive. f32 or f64.
 *
 * @param x [m, n] or [batch, m, n]
 * @throws ERR_ARGUMENT for NaN and infinity; ERR_SHAPE, ERR_DTYPE; ERR_NOT_CONVERGED, of which no case is known
 * @example
 * const { u, s, v } = await svd(x);
 * const { s: alone } = await svd(x, { vectors: false });
 */
export async function svd<D extends Dtype>(x: Tensor<D>, options?: { vectors?: true }): Promise<SvdResult<D>>;
export async function svd<D extends Dtype>(x: Tensor<D>, options: { vectors: false }): Promise<Pick<SvdResult<D>, 's'>>;
export async function svd<D extends Dtype>(
  x: Tensor<D>,
  options: Given<VectorOptions> = {},
): Promise<SvdResult<D> | Pick<SvdResult<D>, 's'>> {
  const where = 'svd';
  const sides = sidesOf(where, 'x', x);
  return svdOf({ where, name: 'x' }, x, sides, readOptions(where, options, vectorSchema).vectors);
}

/** {@link svd} of an argument of any function. */
export async function svdOf<D extends Dtype>(
  argument: Argument,
  x: Tensor<D>,
  sides: Sides,
  wantVectors = true,
): Promise<SvdResult<D>> {
  const { front, rows, columns, smaller } = sides;
  const outputs = { s: [...front, smaller], info: infoOf(sides) };
  const vectors = { u: [...front, rows, smaller], v: [...front, columns, smaller] };
  return judged(
    await computed({
      inputs: { matrix: x },
      outputs: wantVectors ? { ...outputs, ...vectors } : (outputs as typeof outputs & typeof vectors),
      run: (device, tensors) => ops.svd(device, tensors),
    }),
    (info) => undecomposed(argument, info),
  );
}

/**
 * x = V·diag(values)·Vᵀ of each symmetric matrix, values ascending. The lower half of x alone is read. Of each
 * eigenvector, the first entry that has nine tenths of the size of the largest is positive. f32 or f64.
 *
 * @param x [n, n] or [batch, n, n]
 * @throws ERR_ARGUMENT for NaN and infinity; ERR_SHAPE, ERR_DTYPE; ERR_NOT_CONVERGED, of which no case is known
 * @example
 * const { values, vectors } = await eigh(x);
 */
export async function eigh<D extends Dtype>(x: Tensor<D>, options?: { vectors?: true }): Promise<EighResult<D>>;
export async function eigh<D extends Dtype>(
  x: Tensor<D>,
  options: { vectors: false },
): Promise<Pick<EighResult<D>, 'values'>>;
export async function eigh<D extends Dtype>(
  x: Tensor<D>,
  options: Given<VectorOptions> = {},
): Promise<EighResult<D> | Pick<EighResult<D>, 'values'>> {
  const where = 'eigh';
  const sides = squareOf(where, 'x', x);
  const outputs = { values: [...sides.front, sides.rows], info: infoOf(sides) };
  const vectors = { vectors: x.shape };
  return judged(
    await computed({
      inputs: { matrix: x },
      outputs: readOptions(where, options, vectorSchema).vectors
        ? { ...outputs, ...vectors }
        : (outputs as typeof outputs & typeof vectors),
      run: (device, tensors) => ops.eigh(device, tensors),
    }),
    (info) => undecomposed({ where, name: 'x' }, info),
  );
}

const infoOf = ({ batch }: Sides) => ({ shape: [batch], dtype: 'i32' as const });

const wrong = ({ where, name }: Argument, what: string) =>
  new OrthokitError('ERR_ARGUMENT', `${where}: ${name} ${what}`);
const notFinite = (argument: Argument) => wrong(argument, 'must be finite, got NaN or infinity');
const undecomposed = (argument: Argument, info: number) =>
  info === 1
    ? notFinite(argument)
    : new OrthokitError('ERR_NOT_CONVERGED', `${argument.where}: the iteration did not converge`);
