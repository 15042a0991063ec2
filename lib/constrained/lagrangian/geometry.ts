// Derivatives of a problem at a point, on the device, and what a step asks of them.
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import type { Point } from './problem.ts';

/** Lengths at a point, and what else of it is on the host. */
export interface Lengths {
  /** |∇ₓL|², L the Lagrangian. */
  readonly slope: number;
  /** |c|². */
  readonly violation: number;
  /** c · λ. */
  readonly work: number;
  /** Largest number that the residual of the conditions is summed from. */
  readonly scale: number;
  /** ∇ₓL `[n]`. */
  readonly gradient: Float64Array;
  /** G Gᵀ `[m · m]`. */
  readonly gram: Float64Array;
  /** |G|². */
  readonly size: number;
}

/** The Hessian of a step, on the host and in numbers. */
export interface Bend {
  /** W `[n · n]` */
  readonly values: Float64Array;
  /** |W|². */
  readonly size: number;
  /** |W − Wᵀ|². */
  readonly skew: number;
}

/** Eigenvalues of G Gᵀ. */
export interface Ranks {
  /** The least one, or a bound below it. */
  readonly least: number;
  /** The least and the largest one where the rows of G, which may have very different units, are of length 1. */
  readonly units: readonly [number, number];
}

/** Room for a problem of n variables and m constraints, and arithmetic in it. */
export class Geometry {
  readonly n: number;
  readonly m: number;
  readonly #owned = new Owned<Tensor>();
  /** G, c, ∇f, λ and x, which are written together. */
  readonly #given: Tensor<'f64'>;
  readonly jacobian: Tensor;
  /** `[m, 1]` */
  readonly constraint: Tensor;
  readonly #gradient: Tensor;
  readonly #lambda: Tensor;
  readonly #x: Tensor;
  /** Sums, G Gᵀ and ∇ₓL, which are read together. */
  readonly #told: Tensor<'f64'>;
  readonly #sums: Tensor;
  readonly #gram: Tensor;
  /** ∇ₓL = ∇f + Gᵀ λ, `[n, 1]`. */
  readonly slope: Tensor;
  /** W `[n, n]` */
  readonly hessian: Tensor;
  /** A matrix like W. */
  readonly #other: Tensor;
  /** G Gᵀ, and the same of rows of length 1. */
  readonly #grams: Tensor<'f64'>;
  /** Sums of the Hessian, and eigenvalues of both, which are read together. */
  readonly #answers: Tensor<'f64'>;
  readonly #bends: Tensor;
  readonly #spectra: Tensor;
  readonly #info: readonly [Tensor, Tensor<'i32'>];
  readonly #tall: { readonly [name in 'transposed' | 'q' | 'image']: Tensor };
  readonly #square: { readonly [name in 'r' | 'inner']: Tensor };

  constructor(device: Device, n: number, m: number) {
    [this.n, this.m] = [n, m];
    const make = (...shape: readonly number[]) => this.#owned.add(new Tensor(device, shape, 'f64'));
    const words = (count: number) => this.#owned.add(new Tensor(device, [count], 'i32'));
    /** Parts of a list, one after the other, each in its shape. */
    const parts = (list: Tensor, shapes: readonly (readonly number[])[]): Tensor[] => {
      let from = 0;
      return shapes.map((shape) => {
        const count = shape.reduce((product, size) => product * size, 1);
        using part = list.rows(from, from + count);
        from += count;
        return this.#owned.add(part.reshape(shape));
      });
    };
    try {
      this.#given = make(m * n + 2 * m + 2 * n);
      const given = parts(this.#given, [[m, n], [m, 1], [n, 1], [m, 1], [n, 1]]); // biome-ignore format: one line
      [this.jacobian, this.constraint, this.#gradient, this.#lambda, this.#x] = given as [Tensor, Tensor, Tensor, Tensor, Tensor]; // biome-ignore format: one line
      this.#told = make(6 + m * m + n);
      [this.#sums, this.#gram, this.slope] = parts(this.#told, [[6], [m, m], [n, 1]]) as [Tensor, Tensor, Tensor];
      [this.hessian, this.#other] = [make(n, n), make(n, n)];
      this.#grams = make(2, m, m);
      this.#answers = make(2 + 2 * m);
      [this.#bends, this.#spectra] = parts(this.#answers, [[2], [2, m]]) as [Tensor, Tensor];
      this.#info = [words(2), words(1)];
      this.#tall = { transposed: make(n, m), q: make(n, m), image: make(n, m) };
      this.#square = { r: make(m, m), inner: make(m, m) };
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Takes a point in, and tells its lengths. */
  async enter(task: Task<never>, { x, lambda, gradient, constraint, jacobian }: Point): Promise<Lengths> {
    const { queue } = task;
    const { n, m } = this;
    const given = new Float64Array(this.#given.size);
    let from = 0;
    for (const list of [jacobian, constraint, gradient, lambda, x]) {
      given.set(list, from);
      from += list.length;
    }
    this.#given.write(given);
    const [g, c, l, s, point] = [this.#gradient, this.constraint, this.#lambda, this.slope, this.#x];
    ops.gemm(queue, { a: this.jacobian, b: l, c: s, transA: 'transposed', beta: 1, addend: g });
    ops.gemm(queue, { a: this.jacobian, b: this.jacobian, c: this.#gram, transB: 'transposed' });
    vectors.dots(queue, [[s, s], [c, c], [c, l], [g, g], [l, l], [point, point]], this.#sums); // biome-ignore format: one line
    const told = await task.read(this.#told);
    const [slope, violation, work, own, multipliers, place] = told as unknown as [number, number, number, number, number, number]; // biome-ignore format: one line
    const gram = told.subarray(6, 6 + m * m);
    let size = 0;
    for (let i = 0; i < m; ++i) size += gram[i * (m + 1)]!;
    const scale = Math.sqrt(own) + Math.sqrt(size) * (Math.sqrt(multipliers) + Math.sqrt(place));
    return { slope, violation, work, scale, gradient: told.subarray(told.length - n), gram, size };
  }

  /** The ranks at the point that was entered last. */
  async ranks(task: Task<never>, lengths: Lengths): Promise<Ranks> {
    this.#rank(task.queue, lengths);
    return this.#ranksOf(await task.read(this.#answers), lengths);
  }

  /** The same, and a Hessian that is taken in. */
  async bend(task: Task<never>, lengths: Lengths, values: Float64Array): Promise<Bend & { readonly ranks: Ranks }> {
    const { queue } = task;
    this.#rank(queue, lengths);
    const [hessian, transposed] = [this.hessian, this.#other];
    hessian.write(values);
    ops.transpose(queue, { x: hessian, out: transposed });
    vectors.axpy(queue, -1, hessian, transposed);
    vectors.dots(queue, [[hessian, hessian], [transposed, transposed]], this.#bends); // biome-ignore format: one line
    const answers = await task.read(this.#answers);
    const [size, skew] = answers as unknown as [number, number];
    return { values, size, skew, ranks: this.#ranksOf(answers, lengths) };
  }

  /** Queues the eigenvalues of G Gᵀ, and of the same where rows are of length 1. */
  #rank(queue: Device, { gram }: Lengths): void {
    const { m } = this;
    const both = new Float64Array(2 * m * m);
    both.set(gram);
    const scale = Float64Array.from({ length: m }, (_, i) => {
      const square = gram[i * (m + 1)]!;
      return square > 0 ? 1 / Math.sqrt(square) : 1;
    });
    for (let i = 0; i < m; ++i)
      for (let j = 0; j < m; ++j) both[(m + i) * m + j] = scale[i]! * gram[i * m + j]! * scale[j]!;
    this.#grams.write(both);
    ops.eigh(queue, { matrix: this.#grams, values: this.#spectra, info: this.#info[0] });
  }

  #ranksOf(answers: Float64Array, { gram }: Lengths): Ranks {
    const { m } = this;
    const [own, least, largest] = [answers[2]!, answers[2 + m]!, answers[1 + 2 * m]!];
    let shortest = Infinity;
    for (let i = 0; i < m; ++i) shortest = Math.min(shortest, gram[i * (m + 1)]!);
    return { least: Math.max(own, least * shortest), units: [least, largest] };
  }

  /**
   * True if the Hessian W `[n, n]` is above `least` on all that the constraints leave free. With Q of Gᵀ = Q R and
   * P = I − Q Qᵀ, that is so where P W P + (shift − least) Q Qᵀ − least · P has a Cholesky factor.
   */
  async isConvex(task: Task<never>, values: Float64Array, least: number, shift: number): Promise<boolean> {
    const { n, hessian } = this;
    const { queue } = task;
    const { transposed, q, image } = this.#tall;
    const { r, inner } = this.#square;
    const [whole, info] = [this.#other, this.#info[1]];
    ops.transpose(queue, { x: this.jacobian, out: transposed });
    ops.qr(queue, { matrix: transposed, q, r });
    ops.gemm(queue, { a: hessian, b: q, c: image });
    ops.gemm(queue, { a: q, b: image, c: inner, transA: 'transposed' });
    // U = W Q − Q (Qᵀ W Q) / 2 − shift Q / 2, by which W − Q Uᵀ − U Qᵀ = P W P + shift Q Qᵀ.
    ops.gemm(queue, { a: q, b: inner, c: image, alpha: -0.5, beta: 1 });
    vectors.axpy(queue, -shift / 2, q, image);
    const lowered = values.slice();
    for (let i = 0; i < n; ++i) lowered[i * (n + 1)]! -= least;
    whole.write(lowered);
    ops.gemm(queue, { a: q, b: image, c: whole, transB: 'transposed', alpha: -1, beta: 1 });
    ops.gemm(queue, { a: image, b: q, c: whole, transB: 'transposed', alpha: -1, beta: 1 });
    ops.cholesky(queue, { gram: whole, factor: whole, info });
    return (await task.read(info))[0] === 0;
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}

/** K = [W + shift · I, Gᵀ; G, 0] `[n + m, n + m]`. */
export function systemOf(values: Float64Array, jacobian: Float64Array, n: number, shift: number): Float64Array {
  const m = jacobian.length / n;
  const size = n + m;
  const out = new Float64Array(size * size);
  for (let i = 0; i < n; ++i) {
    out.set(values.subarray(i * n, (i + 1) * n), i * size);
    if (shift > 0) out[i * (size + 1)]! += shift;
    for (let row = 0; row < m; ++row) out[i * size + n + row] = jacobian[row * n + i]!;
  }
  for (let row = 0; row < m; ++row) out.set(jacobian.subarray(row * n, (row + 1) * n), (n + row) * size);
  return out;
}
