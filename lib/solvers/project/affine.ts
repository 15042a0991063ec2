import * as check from '../../core/check.ts';
import { epsilonOf } from '../../core/dtypes.ts';
import { OrthokitError, refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { asRows, checkRows } from './rows.ts';

/** Powers of two that scale a row at most. */
const mostPower = { f32: 120, f64: 1000 };

/**
 * The points with a·x = b, made ready for many projections: a is factored once. Dispose of it when done.
 *
 * @example
 * using set = await project.AffineSet.of(a, b);
 * set.project(x);
 */
export class AffineSet {
  readonly #owned: Owned<Tensor>;
  /** a, each row in units of its own. */
  readonly #a: Tensor;
  /** −b in those units, which is added to a·x. */
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
   * Copies a and b, and factors a by Householder reflections. Rows may have very different units.
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
    const units = await unitsOf(where, a, b);
    using owned = new Owned<Tensor>();
    const like = (...shape: number[]): Tensor => owned.add(new Tensor(device, shape, dtype));
    const [own, offset] = [like(rows, columns), like(rows)];
    scaleRows([own, offset], [a, b], [...units, ...units.map((unit) => -unit)]);
    const [turned, q, r, factor] = [like(columns, rows), like(columns, rows), like(rows, rows), like(rows, rows)];
    ops.transpose(device, { x: own, out: turned });
    // aᵀ = Q·R, so that a·aᵀ = Rᵀ·R, to whose factor the condition of a alone matters.
    ops.qr(device, { matrix: turned, q, r });
    ops.transpose(device, { x: r, out: factor });
    await checkFactor(where, columns, factor);
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

/**
 * Powers of two that bring the rows of a to lengths near 1, so that each is judged in its own units; they cost no
 * digit.
 *
 * @throws ERR_ARGUMENT unless all numbers of a and b are finite
 */
async function unitsOf(where: string, a: Tensor, b: Tensor): Promise<Float64Array> {
  const { device, dtype } = a;
  using guard = Tensor.zeros(device, [1], { dtype: 'f64' });
  ops.checkFinite(device, { x: [a, b], guard });
  using views = new Owned<Tensor>();
  using norms = new Tensor(device, [a.shape[0]!], 'f64');
  ops.norms(device, { x: rowsOf(a, views), out: norms });
  const [bad, lengths] = await Promise.all([guard.read(), norms.read()]);
  if (bad[0] !== 0) throw new OrthokitError('ERR_ARGUMENT', `${where}: a and b must be finite, got NaN or infinity`);
  const most = mostPower[dtype as 'f32' | 'f64'];
  return lengths.map((length) => 2 ** Math.max(-most, Math.min(most, length > 0 ? -Math.round(Math.log2(length)) : 0)));
}

/** Rows of each of `out` = those of `x`, each times its own factor. */
function scaleRows(out: readonly Tensor[], x: readonly Tensor[], factors: readonly number[]): void {
  const { device } = out[0]!;
  using views = new Owned<Tensor>();
  using own = Tensor.from(device, Float64Array.from(factors), [factors.length]);
  const all = (tensors: readonly Tensor[]): Tensor[] => tensors.flatMap((tensor) => rowsOf(tensor, views));
  ops.scaleEach(device, { out: all(out), x: all(x), factors: own });
}

const rowsOf = (x: Tensor, views: Owned<Tensor>): Tensor[] =>
  Array.from({ length: x.shape[0]! }, (_, i) => views.add(x.rows(i, i + 1)));

/**
 * The diagonal holds the distance of each row of a, whose length is near 1, to the rows before it.
 *
 * @throws ERR_ARGUMENT unless the rows of a, of so many columns, are independent to working precision
 */
async function checkFactor(where: string, columns: number, factor: Tensor): Promise<void> {
  const { device, dtype } = factor;
  const m = factor.shape[0]!;
  using index = Tensor.from(
    device,
    Int32Array.from({ length: m }, (_, i) => i * (m + 1)),
    [m],
  );
  using flat = factor.reshape([m * m]);
  using diagonal = new Tensor(device, [m], dtype);
  ops.gatherRows(device, { x: flat, index, out: diagonal });
  const distances = [...(await diagonal.read())].map(Number);
  // Reflections of rows of n elements err by less than the root of n.
  const least = 4 * (m + Math.sqrt(columns)) * epsilonOf(dtype);
  const at = distances.findIndex((distance) => !(distance > least));
  if (at < 0) return;
  const text = `a must have linearly independent rows, got row ${at} that is a combination of those before it`;
  throw new OrthokitError('ERR_ARGUMENT', `${where}: ${text}`);
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
