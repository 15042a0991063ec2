// Systems K z = b of a symmetric K, solved to a given residual by projections on random sketches, or at once.
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import { shuffled } from '../../core/shuffled.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';

/** How systems are solved: by blocks of Gaussian vectors, by single ones, by rows, or by a factorization. */
export type Sketch = 'block' | 'gaussian' | 'kaczmarz' | 'direct';

/** Steps between two looks at the residual, as a share of those taken, and at most. */
const share = 1 / 8;
const mostUnseen = 256;
/** Looks in which the residual has to fall by a tenth, or it is rounding. */
const patience = 40;
/** Roundings of |K| |z| that a residual consists of at least. */
const rounding = 16 * 2 ** -52;

/** A curvature below such a share of the length of its row, or of the largest one, counts as that share. */
const leastShare = { ofRow: 2 ** -20, ofAll: 2 ** -40 };

/**
 * Powers of two d with which D K D = [B' G'ᵀ; G' 0] has rows of G', and a diagonal of B', of about size 1: the steps of
 * sketches grow with the square of the system's condition, which units of variables alone can make as large as one
 * likes.
 * @param diagonal That of B, `[n]`.
 * @param squares The squares of the lengths of the rows of B, `[n]`.
 * @param jacobian G `[m, n]`
 */
export function unitsOf(diagonal: Float64Array, squares: Float64Array, jacobian: Float64Array): Float64Array {
  const n = diagonal.length;
  const m = jacobian.length / n;
  const sizes = diagonal.map((one, i) => Math.max(Math.abs(one), leastShare.ofRow * Math.sqrt(squares[i]!)));
  const least = leastShare.ofAll * sizes.reduce((most, one) => Math.max(most, one), 0);
  const power = (size: number): number => (size > 0 && size < Infinity ? Math.log2(size) : 0);
  const units = new Float64Array(n + m);
  for (let i = 0; i < n; ++i) units[i] = 2 ** Math.round(-power(Math.max(sizes[i]!, least)) / 2);
  for (let row = 0; row < m; ++row) {
    let square = 0;
    for (let i = 0; i < n; ++i) square += (jacobian[row * n + i]! * units[i]!) ** 2;
    units[n + row] = 2 ** Math.round(-power(square) / 2);
  }
  return units;
}

/** A residual and what it is judged by. */
export interface Solution {
  /** |K z − b|. */
  readonly residual: number;
  /** Steps taken for it. */
  readonly steps: number;
  /** Why it ended: small enough, all that numbers can give, or no more steps. */
  readonly end: 'accurate' | 'precise' | 'limit';
}

/**
 * One system; z goes on from where it is with every call. Sketches work in units in which rows have about one length:
 * on D K D, D b and D⁻¹ z. Residuals are those of K, b and z.
 */
export class SketchedSystem {
  readonly #device: Device;
  readonly #size: number;
  readonly #sketch: Sketch;
  readonly #matrix: Tensor;
  readonly #b: Tensor;
  /** The caller's. */
  readonly #result: Tensor;
  readonly #z: Tensor;
  readonly #r: Tensor;
  /** D, D⁻¹, and r and b in the caller's units; none where those are the units of work. */
  readonly #units: { readonly [name in 'up' | 'down' | 'r' | 'b']: Tensor } | undefined;
  readonly #column: { readonly z: Tensor; readonly r: Tensor };
  readonly #owned: Owned<Tensor>;
  readonly #random: () => { readonly seed: number; readonly stream: number };
  /** Squares of the lengths of the rows of D K D, for `'kaczmarz'`. */
  #norms: Float64Array = new Float64Array();
  readonly #step: (task: Task<never>) => void;

  /**
   * @param matrix K `[size, size]`
   * @param b `[size]`
   * @param z `[size]`, zeros
   * @param units The diagonal of D, for sketches.
   */
  static async of(
    task: Task<never>,
    kind: Sketch,
    block: number,
    system: { readonly matrix: Tensor; readonly b: Tensor; readonly z: Tensor; readonly units: Float64Array },
    random: () => { readonly seed: number; readonly stream: number },
    owned: Owned<Tensor>,
  ): Promise<SketchedSystem> {
    const made = new SketchedSystem(task.queue, kind, block, system, random, owned);
    if (kind === 'kaczmarz') made.#norms = await task.read(owned.add(vectors.rowSquares(task.queue, made.#matrix)));
    return made;
  }

  private constructor(
    queue: Device,
    kind: Sketch,
    block: number,
    system: { readonly matrix: Tensor; readonly b: Tensor; readonly z: Tensor; readonly units: Float64Array },
    random: () => { readonly seed: number; readonly stream: number },
    owned: Owned<Tensor>,
  ) {
    const { device, shape } = system.matrix;
    this.#device = device;
    this.#size = shape[0]!;
    this.#sketch = kind;
    this.#result = system.z;
    this.#owned = owned;
    this.#random = random;
    this.#r = this.#make(this.#size);
    if (kind === 'direct') [this.#matrix, this.#b, this.#z] = [system.matrix, system.b, system.z];
    else {
      [this.#matrix, this.#b, this.#z] = [this.#make(this.#size, this.#size), this.#make(this.#size), this.#make(this.#size)]; // biome-ignore format: one line
      const [up, down, r] = [this.#make(this.#size), this.#make(this.#size), this.#make(this.#size)];
      up.write(system.units);
      down.write(system.units.map((one) => 1 / one));
      this.#units = { up, down, r, b: system.b };
      ops.scaleAxis(queue, { x: system.matrix, scale: up, axis: 0, out: this.#matrix });
      ops.scaleAxis(queue, { x: this.#matrix, scale: up, axis: 1, out: this.#matrix });
      vectors.multiply(queue, up, system.b, this.#b);
      vectors.multiply(queue, down, system.z, this.#z);
    }
    this.#column = { z: this.#columnOf(this.#z), r: this.#columnOf(this.#r) };
    this.#evaluate(queue);
    this.#step = kind === 'direct' ? this.#direct(queue) : kind === 'kaczmarz' ? this.#rows() : this.#blocks(block);
  }

  #make(...shape: readonly number[]): Tensor<'f64'> {
    return this.#owned.add(new Tensor(this.#device, shape, 'f64'));
  }
  #columnOf(x: Tensor): Tensor {
    return this.#owned.add(x.reshape([x.size, 1]));
  }

  /** r = K z − b */
  #evaluate(queue: Device): void {
    ops.gemm(queue, { a: this.#matrix, b: this.#column.z, c: this.#column.r });
    vectors.axpy(queue, -1, this.#b, this.#r);
  }

  /** z −= K S ((K S)ᵀ K S)⁻¹ Sᵀ r for a block S of Gaussian vectors: the error's part along K S goes. */
  #blocks(width: number): (task: Task<never>) => void {
    const [sketch, image] = [this.#make(this.#size, width), this.#make(this.#size, width)];
    const [orthogonal, triangle, factor] = [this.#make(this.#size, width), this.#make(width, width), this.#make(width, width)]; // biome-ignore format: one line
    const [along, share] = [this.#make(width, 1), this.#make(width, 1)];
    return ({ queue }) => {
      ops.random(queue, { x: [sketch], ...this.#random(), distribution: 'normal' });
      ops.gemm(queue, { a: this.#matrix, b: sketch, c: image });
      ops.gemm(queue, { a: sketch, b: this.#column.r, c: along, transA: 'transposed' });
      // (K S)ᵀ K S = Rᵀ R of K S = Q R, without the square of a condition.
      ops.qr(queue, { matrix: image, q: orthogonal, r: triangle });
      ops.transpose(queue, { x: triangle, out: factor });
      ops.choleskySolve(queue, { factor, rhs: along, out: share });
      ops.gemm(queue, { a: image, b: share, c: this.#column.z, alpha: -1, beta: 1 });
      this.#evaluate(queue);
    };
  }

  /** z −= Kᵢ (Kᵢ z − bᵢ) / |Kᵢ|² for rows in random orders. */
  #rows(): (task: Task<never>) => void {
    const rows: Tensor[] = [];
    const sides: Tensor[] = [];
    for (let i = 0; i < this.#size; ++i) {
      rows.push(this.#owned.add(this.#owned.add(this.#matrix.rows(i, i + 1)).reshape([this.#size])));
      sides.push(this.#owned.add(this.#b.rows(i, i + 1)));
    }
    const length = this.#make(1);
    let place = this.#size;
    let order = (at: number): number => at;
    return ({ queue }) => {
      if (place === this.#size) {
        const { seed, stream } = this.#random();
        order = shuffled(this.#size, seed, stream);
        place = 0;
      }
      const i = order(place);
      place += 1;
      const norms = this.#norms;
      if (!(norms[i]! > 0)) return;
      vectors.dot(queue, rows[i]!, this.#z, length);
      vectors.combine(queue, length, [1 / norms[i]!, length], [-1 / norms[i]!, sides[i]!]);
      vectors.axpy(queue, [-1, length], rows[i]!, this.#z);
    };
  }

  /** z −= K⁻¹ r by one factorization; a second step refines the first. */
  #direct(queue: Device): (task: Task<never>) => void {
    const lu = this.#make(this.#size, this.#size);
    const pivots = this.#owned.add(new Tensor(this.#device, [this.#size], 'i32'));
    const info = this.#owned.add(new Tensor(this.#device, [1], 'i32'));
    ops.lu(queue, { matrix: this.#matrix, lu, pivots, info });
    const change = this.#make(this.#size, 1);
    const flat = this.#owned.add(change.reshape([this.#size]));
    return ({ queue: now }) => {
      ops.luSolve(now, { lu, pivots, rhs: this.#column.r, out: change });
      vectors.axpy(now, -1, flat, this.#z);
      this.#evaluate(now);
    };
  }

  /** Takes steps until the residual is small enough, or `most` are taken; `size` is |K|. */
  async reach(task: Task<never>, wanted: number, size: number, most: number): Promise<Solution> {
    const numbers = this.#make(3);
    let steps = 0;
    let best = Infinity;
    let seen = 0;
    try {
      for (;;) {
        if (this.#sketch === 'kaczmarz') this.#evaluate(task.queue);
        const { r, b } = this.#units ?? { r: this.#r, b: this.#b };
        if (this.#units) {
          vectors.multiply(task.queue, this.#units.down, this.#r, r);
          vectors.multiply(task.queue, this.#units.up, this.#z, this.#result);
        }
        vectors.dots(task.queue, [[r, r], [this.#result, this.#result], [b, b]], numbers); // biome-ignore format: one line
        const [square, reached, right] = (await task.read(numbers)) as unknown as [number, number, number];
        const residual = Math.sqrt(square);
        if (residual <= wanted) return { residual, steps, end: 'accurate' };
        const least = rounding * (size * Math.sqrt(reached) + Math.sqrt(right));
        seen = residual < 0.9 * best ? 0 : seen + 1;
        best = Math.min(best, residual);
        if (residual <= least || Number.isNaN(residual)) return { residual, steps, end: 'precise' };
        if (this.#sketch === 'direct' && steps >= 3) return { residual, steps, end: 'precise' };
        if (seen > patience && residual <= patience * least) return { residual, steps, end: 'precise' };
        if (steps >= most) return { residual, steps, end: 'limit' };
        const ahead = this.#sketch === 'direct' ? 1 : Math.ceil(steps * share) || 1;
        const many = Math.min(ahead, mostUnseen, most - steps);
        for (let i = 0; i < many; ++i) this.#step(task);
        steps += many;
      }
    } finally {
      this.#owned.drop(numbers);
    }
  }
}
