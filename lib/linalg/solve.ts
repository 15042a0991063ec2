import * as check from '../core/check.ts';
import { type Dtype, epsilonOf } from '../core/dtypes.ts';
import { OrthokitError, refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { fraction, type Given, optional, readOptions, type Schema, word } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import { computed, judged, ofBatch, type Sides, sidesOf, squareOf } from './compute.ts';
import { choleskyOf, svdOf } from './factorizations.ts';

/** Options of {@link solve}; all may be left out. */
export interface SolveOptions {
  /** Kind of the matrix: `positive` definite ones, whose lower half is read, take half the work. Default `general`. */
  assume: 'general' | 'positive';
}

/** Options of {@link lstsq}; all may be left out. */
export interface LstsqOptions {
  /**
   * Singular values of at most this share of the largest one count as zero. In [0, 1). Default: the longer side times
   * the rounding of the dtype (2⁻²³, 2⁻⁵²).
   */
  rankTolerance: number | undefined;
}

const solveSchema: Schema<SolveOptions> = { assume: word(['general', 'positive'], 'general') };
const lstsqSchema: Schema<LstsqOptions> = { rankTolerance: optional(fraction(0)) };

/**
 * x with a·x = b, for each square matrix. f32 or f64, the same for both, and so is x, which has the shape of b.
 *
 * @param a [n, n] or [batch, n, n]
 * @param b [n] or [n, k]; for a batch [batch, n] or [batch, n, k]
 * @throws ERR_ARGUMENT for a matrix that is singular to working precision, or not positive definite where that is
 * assumed, or not finite; ERR_SHAPE, ERR_DTYPE
 * @example
 * const x = await solve(a, b, { assume: 'positive' });
 */
export async function solve<D extends Dtype>(
  a: Tensor<D>,
  b: Tensor<D>,
  options: Given<SolveOptions> = {},
): Promise<Tensor<D>> {
  const where = 'solve';
  const sides = squareOf(where, 'a', a);
  const { assume } = readOptions(where, options, solveSchema);
  using rhs = rightSide(where, sides, a, b);
  using x = await (assume === 'positive' ? byCholesky(where, sides, a, rhs) : byLu(where, sides, a, rhs));
  return x.reshape(b.shape);
}

async function byCholesky<D extends Dtype>(
  where: string,
  sides: Sides,
  a: Tensor<D>,
  rhs: Tensor<D>,
): Promise<Tensor<D>> {
  using factor = await choleskyOf({ where, name: 'a' }, a, sides);
  const { out } = await computed({
    inputs: { factor, rhs },
    outputs: { out: rhs.shape },
    run: (device, tensors) => ops.choleskySolve(device, tensors),
  });
  return out;
}

async function byLu<D extends Dtype>(where: string, sides: Sides, a: Tensor<D>, rhs: Tensor<D>): Promise<Tensor<D>> {
  const { front, batch, rows } = sides;
  const { out, info, lu, pivots } = await computed({
    inputs: { matrix: a, rhs },
    outputs: {
      lu: a.shape,
      pivots: { shape: [...front, rows], dtype: 'i32' },
      info: { shape: [batch], dtype: 'i32' },
      out: rhs.shape,
    },
    run: (device, { matrix, lu, pivots, info, rhs, out }) => {
      ops.lu(device, { matrix, lu, pivots, info, tol: rows * epsilonOf(a.dtype) });
      ops.luSolve(device, { lu, pivots, rhs, out });
    },
  });
  lu.dispose();
  pivots.dispose();
  const { out: x } = await judged({ out, info }, (pivot, index) => {
    const text = `${where}: a must be finite and not singular to working precision, got pivot ${pivot}${ofBatch(sides, index)} that is too small`;
    return new OrthokitError('ERR_ARGUMENT', text);
  });
  return x;
}

/**
 * The x of least norm, of those for which |a·x − b| is least, by the singular value decomposition: for any shape and
 * rank. f32 or f64, the same for both.
 *
 * @param a [m, n] or [batch, m, n]
 * @param b [m] or [m, k]; for a batch [batch, m] or [batch, m, k]
 * @returns [n], [n, k], [batch, n] or [batch, n, k]
 * @throws ERR_ARGUMENT for NaN and infinity in a; ERR_SHAPE, ERR_DTYPE
 * @example
 * const x = await lstsq(a, b);
 */
export async function lstsq<D extends Dtype>(
  a: Tensor<D>,
  b: Tensor<D>,
  options: Given<LstsqOptions> = {},
): Promise<Tensor<D>> {
  const where = 'lstsq';
  const sides = sidesOf(where, 'a', a);
  const { front, batch, rows, columns, smaller } = sides;
  const rounded = Math.max(rows, columns) * epsilonOf(a.dtype);
  const { rankTolerance = rounded } = readOptions(where, options, lstsqSchema);
  using rhs = rightSide(where, sides, a, b);
  const k = rhs.shape.at(-1)!;
  const { u, s, v } = await svdOf({ where, name: 'a' }, a, sides);
  using values = s;
  using columnsOfU = u;
  using columnsOfV = v;
  using left = columnsOfU.reshape([batch, rows, smaller]);
  using right = columnsOfV.reshape([batch, columns, smaller]);
  using target = rhs.reshape([batch, rows, k]);
  const { device, dtype } = a;
  const inverses = inverted(await values.read(), smaller, rankTolerance);
  using scale = Tensor.from(device, inverses, [batch, smaller, 1], { dtype });
  using ones = Tensor.full(device, [batch, 1, k], 1, { dtype });
  using factors = Tensor.zeros(device, [batch, smaller, k], { dtype });
  using shares = Tensor.zeros(device, [batch, smaller, k], { dtype });
  ops.gemm(device, { a: scale, b: ones, c: factors });
  ops.gemm(device, { a: left, b: target, c: shares, transA: 'transposed' });
  ops.multiply(device, { out: [shares], x: [shares], y: [factors] });
  using x = Tensor.zeros(device, [batch, columns, k], { dtype });
  ops.gemm(device, { a: right, b: shares, c: x });
  return x.reshape(b.shape.length === a.shape.length ? [...front, columns, k] : [...front, columns]);
}

/** One over each singular value, and 0 of those that count as zero: `smaller` a matrix, the largest first. */
function inverted(values: ArrayLike<number>, smaller: number, rankTolerance: number): number[] {
  return Array.from(values, (value, i) => {
    const largest = values[i - (i % smaller)]!;
    return value > rankTolerance * largest ? 1 / value : 0;
  });
}

/** b as matrices, for each of a's. */
function rightSide<D extends Dtype>(where: string, { front, rows }: Sides, a: Tensor<D>, b: Tensor<D>): Tensor<D> {
  check.tensor(where, 'b', b, { dtypes: [a.dtype], device: a.device });
  const wanted = [...front, rows];
  const { shape } = b;
  const fits = wanted.every((size, i) => shape[i] === size) && shape.length <= wanted.length + 1;
  if (!fits || shape.length < wanted.length)
    throw refusal(where, 'b', `be [${wanted}] or [${wanted}, k]`, `[${shape}]`, 'ERR_SHAPE');
  return b.reshape([...wanted, shape[wanted.length] ?? 1]);
}
