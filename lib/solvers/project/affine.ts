import * as check from '../../core/check.ts';
import { OrthokitError, refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { asRows, checkRows } from './rows.ts';

/** A part of the largest diagonal element below which a row of a is a combination of those before it. */
const rounding = { f32: 2 ** -23, f64: 2 ** -52 };

/**
 * The points with a·x = b, made ready for many projections: a is factored once. Dispose of it when done.
 *
 * @example
 * using set = await project.AffineSet.of(a, b);
 * set.project(x);
 */
export class AffineSet {
  readonly #owned: Owned<Tensor>;
  readonly #a: Tensor;
  /** −b, which is added to a·x. */
  readonly #offset: Tensor;
  /** The lower triangle L with L·Lᵀ = a·aᵀ. */
  readonly #factor: Tensor;

  private constructor(owned: Owned<Tensor>, a: Tensor, offset: Tensor, factor: Tensor) {
    this.#owned = owned;
    this.#a = a;
    this.#offset = offset;
    this.#factor = factor;
  }

  /**
   * Copies a and b, and factors a by Householder reflections.
   *
   * @param a [m, n], f32 or f64, its rows linearly independent.
   * @param b [m], of the dtype of a.
   * @throws ERR_ARGUMENT for rows that depend on each other, NaN and infinity; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE,
   * ERR_DISPOSED
   */
  static of(a: Tensor, b: Tensor): Promise<AffineSet> {
    return AffineSet.from('project.AffineSet', a, b);
  }

  /** @internal */
  static async from(where: string, a: Tensor, b: Tensor): Promise<AffineSet> {
    check.tensor(where, 'a', a, { rank: 2, dtypes: check.arithmetic, filled: true });
    const [rows, columns] = a.shape as [number, number];
    const { device, dtype } = a;
    check.tensor(where, 'b', b, { shape: [rows], dtypes: [dtype], device });
    if (rows > columns) throw refusal(where, 'a', 'have at most as many rows as columns', `[${a.shape}]`, 'ERR_SHAPE');
    using owned = new Owned<Tensor>();
    const like = (...shape: number[]): Tensor => owned.add(new Tensor(device, shape, dtype));
    const [turned, q, r, factor] = [like(columns, rows), like(columns, rows), like(rows, rows), like(rows, rows)];
    ops.transpose(device, { x: a, out: turned });
    // aᵀ = Q·R, so that a·aᵀ = Rᵀ·R, to whose factor the condition of a alone matters.
    ops.qr(device, { matrix: turned, q, r });
    ops.transpose(device, { x: r, out: factor });
    const offset = like(rows);
    ops.linearCombination(device, { out: [offset], terms: [b], coefficients: [-1] });
    const own = owned.add(a.copy());
    await checkFactor(where, factor, offset);
    for (const tensor of [turned, q, r]) owned.drop(tensor);
    return new AffineSet(owned.move(), own, offset, factor);
  }

  /**
   * x = the nearest point of the set, for each row. In place, queued; twice over, so that a·x = b to rounding.
   *
   * @param x [n] or [rows, n], of the dtype of a.
   * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED
   */
  project(x: Tensor): void {
    this.projectFor('project.AffineSet.project', x);
  }

  /** @internal */
  projectFor(where: string, x: Tensor): void {
    check.alive(where, 'the set', { disposed: this.#a.disposed });
    const a = this.#a;
    const { device, dtype } = a;
    const [m, n] = a.shape as [number, number];
    checkRows(where, x, [dtype]);
    check.tensor(where, 'x', x, { shape: [...x.shape.slice(0, -1), n], device });
    using points = asRows(x);
    const [count] = points.shape as [number];
    using residuals = new Tensor(device, [count, m], dtype);
    using turned = new Tensor(device, [m, count], dtype);
    using shares = new Tensor(device, [m, count], dtype);
    for (let pass = 0; pass < 2; ++pass) {
      ops.gemm(device, { a: points, b: a, c: residuals, transB: 'transposed' });
      ops.addBias(device, { x: residuals, bias: this.#offset, out: residuals });
      ops.transpose(device, { x: residuals, out: turned });
      ops.choleskySolve(device, { factor: this.#factor, rhs: turned, out: shares });
      ops.gemm(device, { a: shares, b: a, c: points, transA: 'transposed', alpha: -1, beta: 1 });
    }
  }

  /** Gives the memory back; later use throws `ERR_DISPOSED`. */
  dispose(): void {
    this.#owned.dispose();
  }

  /** Disposes: `using set = await project.AffineSet.of(a, b)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @throws ERR_ARGUMENT unless all numbers are finite and the triangle is not singular to working precision */
async function checkFactor(where: string, factor: Tensor, offset: Tensor): Promise<void> {
  const { device, dtype } = factor;
  const m = factor.shape[0]!;
  using guard = Tensor.zeros(device, [1], { dtype: 'f64' });
  ops.checkFinite(device, { x: [factor, offset], guard });
  using index = Tensor.from(
    device,
    Int32Array.from({ length: m }, (_, i) => i * (m + 1)),
    [m],
  );
  using flat = factor.reshape([m * m]);
  using diagonal = new Tensor(device, [m], dtype);
  ops.gatherRows(device, { x: flat, index, out: diagonal });
  const [bad, sizes] = await Promise.all([guard.read(), diagonal.read()]);
  const wrong = (text: string) => new OrthokitError('ERR_ARGUMENT', `${where}: ${text}`);
  if (bad[0] !== 0) throw wrong('a and b must be finite, got NaN or infinity');
  const numbers = [...sizes].map(Number);
  const least = m * rounding[dtype as 'f32' | 'f64'] * Math.max(...numbers);
  const at = numbers.findIndex((size) => size <= least);
  if (at >= 0)
    throw wrong(`a must have linearly independent rows, got row ${at} that is a combination of those before it`);
}

/**
 * x = the nearest point with a·x = b, for each row. In place. For many projections onto the same set, see {@link
 * AffineSet}.
 *
 * @param x [n] or [rows, n], of the dtype of a.
 * @param a [m, n], f32 or f64, its rows linearly independent.
 * @param b [m], of the dtype of a.
 * @throws ERR_ARGUMENT for rows that depend on each other, NaN and infinity in a and b; ERR_SHAPE, ERR_DTYPE,
 *   ERR_DEVICE, ERR_DISPOSED
 * @example
 * await project.affine(x, a, b);
 */
export async function affine(x: Tensor, a: Tensor, b: Tensor): Promise<void> {
  const where = 'project.affine';
  checkRows(where, x, check.arithmetic);
  using set = await AffineSet.from(where, a, b);
  set.projectFor(where, x);
}
