// Derivatives of a problem at a point, on the device, and what a step asks of them.
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import type { Point } from './problem.ts';

/** Lengths at a point. */
export interface Lengths {
  /** |∇ₓL|², L the Lagrangian. */
  readonly slope: number;
  /** |c|². */
  readonly violation: number;
  /** c · λ. */
  readonly work: number;
  /** Largest number that the residual of the conditions is summed from. */
  readonly scale: number;
}

/** Room for a problem of n variables and m constraints, and arithmetic in it. */
export class Geometry {
  readonly device: Device;
  readonly n: number;
  readonly m: number;
  readonly #owned = new Owned<Tensor>();
  readonly jacobian: Tensor;
  readonly constraint: Tensor;
  readonly #gradient: Tensor;
  readonly #lambda: Tensor;
  /** ∇ₓL = ∇f + Gᵀ λ. */
  readonly slope: Tensor;
  readonly #x: Tensor;
  readonly #numbers: Tensor;

  constructor(device: Device, n: number, m: number) {
    this.device = device;
    [this.n, this.m] = [n, m];
    try {
      this.jacobian = this.#make(m, n);
      [this.constraint, this.#gradient, this.#lambda, this.slope] = [
        this.#make(m, 1),
        this.#make(n, 1),
        this.#make(m, 1),
        this.#make(n, 1),
      ];
      this.#x = this.#make(n);
      this.#numbers = this.#make(7);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #make(...shape: readonly number[]): Tensor<'f64'> {
    return this.#owned.add(new Tensor(this.device, shape, 'f64'));
  }

  /** Takes a point in, and tells its lengths. */
  async enter(task: Task<never>, { x, lambda, gradient, constraint, jacobian }: Point): Promise<Lengths> {
    const { queue } = task;
    this.jacobian.write(jacobian);
    this.constraint.write(constraint);
    this.#gradient.write(gradient);
    this.#lambda.write(lambda);
    this.#x.write(x);
    vectors.copy(queue, this.#gradient, this.slope);
    ops.gemm(queue, { a: this.jacobian, b: this.#lambda, c: this.slope, transA: 'transposed', beta: 1 });
    const [g, c, l, s, j] = [this.#gradient, this.constraint, this.#lambda, this.slope, this.jacobian];
    vectors.dots(queue, [[s, s], [c, c], [c, l], [g, g], [l, l], [j, j], [this.#x, this.#x]], this.#numbers); // biome-ignore format: one line
    const [slope, violation, work, own, multipliers, size, place] = (await task.read(
      this.#numbers,
    )) as unknown as number[];
    const scale = Math.sqrt(own!) + Math.sqrt(size!) * (Math.sqrt(multipliers!) + Math.sqrt(place!));
    return { slope: slope!, violation: violation!, work: work!, scale };
  }

  /**
   * The least eigenvalue of G Gᵀ, or a bound below it, and the least and the largest one where the rows of G, which may
   * have very different units, are of length 1.
   */
  async ranks(task: Task<never>): Promise<{ readonly least: number; readonly units: readonly [number, number] }> {
    const { m, jacobian } = this;
    const { queue } = task;
    using owned = new Owned<Tensor>();
    const make = (...shape: readonly number[]) => owned.add(new Tensor(this.device, shape, 'f64'));
    const [rows, gram, values, info] = [make(m, this.n), make(m, m), make(m), owned.add(new Tensor(this.device, [1], 'i32'))]; // biome-ignore format: one line
    const squares = await task.read(owned.add(vectors.rowSquares(queue, jacobian)));
    const scale = make(m);
    scale.write(squares.map((one) => (one > 0 ? 1 / Math.sqrt(one) : 1)));
    const spectrum = async (x: Tensor): Promise<readonly [number, number]> => {
      ops.gemm(queue, { a: x, b: x, c: gram, transB: 'transposed' });
      ops.eigh(queue, { matrix: gram, values, info });
      const read = await task.read(values);
      return [read[0]!, read.at(-1)!];
    };
    ops.scaleAxis(queue, { x: jacobian, scale, axis: 0, out: rows });
    const units = await spectrum(rows);
    const [own] = await spectrum(jacobian);
    return { least: Math.max(own, units[0] * squares.reduce((most, one) => Math.min(most, one), Infinity)), units };
  }

  /**
   * True if the Hessian W `[n, n]` is above `least` on all that the constraints leave free. With Q of Gᵀ = Q R and
   * P = I − Q Qᵀ, that is so where P W P + (1 + least) Q Qᵀ − least · I has a Cholesky factor.
   */
  async isConvex(task: Task<never>, hessian: Tensor, least: number, shift: number): Promise<boolean> {
    const { n, m } = this;
    const { queue } = task;
    using owned = new Owned<Tensor>();
    const make = (...shape: readonly number[]) => owned.add(new Tensor(this.device, shape, 'f64'));
    const [tall, q, r, image, inner, whole] = [make(n, m), make(n, m), make(m, m), make(n, m), make(m, m), make(n, n)];
    ops.transpose(queue, { x: this.jacobian, out: tall });
    ops.qr(queue, { matrix: tall, q, r });
    ops.gemm(queue, { a: hessian, b: q, c: image });
    ops.gemm(queue, { a: q, b: image, c: inner, transA: 'transposed' });
    // U = W Q − Q (Qᵀ W Q) / 2 − shift Q / 2, by which W − Q Uᵀ − U Qᵀ = P W P + shift Q Qᵀ.
    ops.gemm(queue, { a: q, b: inner, c: image, alpha: -0.5, beta: 1 });
    vectors.axpy(queue, -shift / 2, q, image);
    vectors.copy(queue, hessian, whole);
    ops.gemm(queue, { a: q, b: image, c: whole, transB: 'transposed', alpha: -1, beta: 1 });
    ops.gemm(queue, { a: image, b: q, c: whole, transB: 'transposed', alpha: -1, beta: 1 });
    addDiagonal(queue, whole, n, -least, owned);
    const info = owned.add(new Tensor(this.device, [1], 'i32'));
    ops.cholesky(queue, { gram: whole, factor: whole, info });
    return (await task.read(info))[0] === 0;
  }

  /** K = [B Gᵀ; G 0] of a symmetric B `[n, n]`. */
  system(queue: Device, hessian: Tensor, out: Tensor, owned: Owned<Tensor>): void {
    const { n, m } = this;
    // Columns of K below each other are rows of tensors, and rows of K their transposes.
    using inner = new Owned<Tensor>();
    const [left, right] = [[n + m, n], [n + m, m]].map((shape) => inner.add(Tensor.zeros(this.device, shape, { dtype: 'f64' }))) as [Tensor, Tensor]; // biome-ignore format: one line
    vectors.copy(queue, hessian, inner.add(left.rows(0, n)));
    vectors.copy(queue, this.jacobian, inner.add(left.rows(n, n + m)));
    ops.transpose(queue, { x: this.jacobian, out: inner.add(right.rows(0, n)) });
    ops.transpose(queue, { x: left, out: owned.add(out.rows(0, n)) });
    ops.transpose(queue, { x: right, out: owned.add(out.rows(n, n + m)) });
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}

/** Adds a number to the first elements of the diagonal of a square matrix. */
export function addDiagonal(queue: Device, matrix: Tensor, count: number, value: number, owned: Owned<Tensor>): void {
  const { device, shape, size } = matrix;
  const places = owned.add(vectors.index(device, count, (i) => i * (shape[1]! + 1)));
  const all = owned.add(matrix.reshape([size, 1]));
  ops.scatterRows(queue, { out: all, index: places, x: owned.add(Tensor.full(device, [count, 1], value, { dtype: 'f64' })), mode: 'add' }); // biome-ignore format: one line
}
