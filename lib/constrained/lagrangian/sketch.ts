// Systems K z = b of a symmetric K, solved to a given residual by projections on random sketches, or at once.
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import { shuffled } from '../../core/shuffled.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';

/** A way to solve systems: by blocks of Gaussian vectors, by single ones, by rows, or by a factorization. */
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
 * @param hessian That B is more by `shift` · I than, `[n · n]`.
 * @param jacobian G `[m · n]`
 */
export function unitsOf(hessian: Float64Array, shift: number, jacobian: Float64Array, n: number): Float64Array {
  const m = jacobian.length / n;
  const sizes = Float64Array.from({ length: n }, (_, i) => {
    const own = Math.abs(hessian[i * (n + 1)]! + shift);
    let square = own ** 2;
    for (let j = 0; j < n; ++j) if (j !== i) square += hessian[i * n + j]! ** 2;
    return Math.max(own, leastShare.ofRow * Math.sqrt(square));
  });
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

/** The end of a call of a solver, and what it has reached. */
export interface Solution {
  /** |K z − b|. */
  readonly residual: number;
  /** Steps taken for it. */
  readonly steps: number;
  /** The reason why it ended: small enough, all that numbers can give, or no more steps. */
  readonly end: 'accurate' | 'precise' | 'limit';
  /** z `[size]` */
  readonly z: Float64Array;
  /** Inner products that were asked for. */
  readonly along: Float64Array;
}

type Step = (task: Task<never>) => void;

/**
 * Systems of one size, one after the other; z goes on from where it is with every call. Sketches work in units in which
 * rows have about one length: on D K D, D b and D⁻¹ z. Residuals are those of K, b and z.
 */
export class SketchedSystem {
  readonly #device: Device;
  readonly #size: number;
  readonly #sketch: Sketch;
  readonly #matrix: Tensor;
  readonly #b: Tensor;
  readonly #z: Tensor;
  readonly #r: Tensor;
  /** D, D⁻¹, and K, r and b in the caller's units; none where those are the units of work. */
  readonly #units: { readonly [name in 'up' | 'down' | 'matrix' | 'r' | 'b']: Tensor } | undefined;
  readonly #column: { readonly [name in 'z' | 'r' | 'b']: Tensor };
  readonly #owned: Owned<Tensor>;
  readonly #random: () => { readonly seed: number; readonly stream: number };
  /** Sums, and z in the caller's units, which are read together. */
  readonly #told: Tensor<'f64'>;
  readonly #sums: Tensor;
  /** The iterate z in the caller's units. */
  readonly z: Tensor;
  /** Squares of the lengths of the rows of D K D, for `'kaczmarz'`. */
  #norms: Float64Array = new Float64Array();
  /** None taken yet. */
  #isNew = true;
  readonly #step: Step;
  readonly #factor: ((queue: Device) => void) | undefined;

  /** @param along How many inner products {@link SketchedSystem.reach} is asked for. */
  constructor(
    device: Device,
    kind: Sketch,
    block: number,
    size: number,
    along: number,
    random: () => { readonly seed: number; readonly stream: number },
    owned: Owned<Tensor>,
  ) {
    this.#device = device;
    this.#size = size;
    this.#sketch = kind;
    this.#owned = owned;
    this.#random = random;
    [this.#matrix, this.#b, this.#r] = [this.#make(size, size), this.#make(size), this.#make(size)];
    this.#told = this.#make(3 + along + size);
    this.#sums = owned.add(this.#told.rows(0, 3 + along));
    this.z = owned.add(this.#told.rows(3 + along, this.#told.size));
    if (kind === 'direct') this.#z = this.z;
    else {
      this.#z = this.#make(size);
      const [up, down, matrix] = [this.#make(size), this.#make(size), this.#make(size, size)];
      this.#units = { up, down, matrix, r: this.#make(size), b: this.#make(size) };
    }
    this.#column = { z: this.#columnOf(this.#z), r: this.#columnOf(this.#r), b: this.#columnOf(this.#b) };
    if (kind === 'direct') ({ factor: this.#factor, step: this.#step } = this.#direct());
    else this.#step = kind === 'kaczmarz' ? this.#rows() : this.#blocks(block);
  }

  /**
   * Takes a system in, z = 0.
   *
   * @param matrix K `[size · size]`
   * @param b `[size]`
   * @param units The diagonal of D; it is not asked for where systems are factored.
   */
  async begin(task: Task<never>, matrix: Float64Array, b: Float64Array, units: () => Float64Array): Promise<void> {
    const { queue } = task;
    this.#isNew = true;
    const own = this.#units ?? { matrix: this.#matrix, b: this.#b };
    own.matrix.write(matrix);
    own.b.write(b);
    if (this.#units) {
      const { up, down } = this.#units;
      const given = units();
      up.write(given);
      down.write(given.map((one) => 1 / one));
      ops.scaleAxis(queue, { x: own.matrix, scale: up, axis: 0, out: this.#matrix });
      ops.scaleAxis(queue, { x: this.#matrix, scale: up, axis: 1, out: this.#matrix });
      vectors.multiply(queue, up, own.b, this.#b);
      ops.fill(queue, { x: [this.#z] });
      this.#evaluate(queue);
    }
    this.#factor?.(queue);
    if (this.#sketch !== 'kaczmarz') return;
    using squares = vectors.rowSquares(queue, this.#matrix);
    this.#norms = await task.read(squares);
  }

  #make(...shape: readonly number[]): Tensor<'f64'> {
    return this.#owned.add(new Tensor(this.#device, shape, 'f64'));
  }
  #columnOf(x: Tensor): Tensor {
    return this.#owned.add(x.reshape([x.size, 1]));
  }

  /** r = K z − b */
  #evaluate(queue: Device): void {
    const { z, r, b } = this.#column;
    ops.gemm(queue, { a: this.#matrix, b: z, c: r, beta: -1, addend: b });
  }

  /** z −= K S ((K S)ᵀ K S)⁻¹ Sᵀ r for a block S of Gaussian vectors: the error's part along K S goes. */
  #blocks(width: number): Step {
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
  #rows(): Step {
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

  /** z −= K⁻¹ r by one factorization; a second step refines the first, which is z = K⁻¹ b. */
  #direct(): { readonly factor: (queue: Device) => void; readonly step: Step } {
    const lu = this.#make(this.#size, this.#size);
    const pivots = this.#owned.add(new Tensor(this.#device, [this.#size], 'i32'));
    const info = this.#owned.add(new Tensor(this.#device, [1], 'i32'));
    const change = this.#make(this.#size, 1);
    const flat = this.#owned.add(change.reshape([this.#size]));
    return {
      factor: (queue) => ops.lu(queue, { matrix: this.#matrix, lu, pivots, info }),
      step: ({ queue }) => {
        if (this.#isNew) ops.luSolve(queue, { lu, pivots, rhs: this.#column.b, out: this.#column.z });
        else {
          ops.luSolve(queue, { lu, pivots, rhs: this.#column.r, out: change });
          vectors.axpy(queue, -1, flat, this.#z);
        }
        this.#isNew = false;
        this.#evaluate(queue);
      },
    };
  }

  /**
   * Takes steps until the residual is small enough, or `most` are taken; `size` is |K|. Of `along`, pairs of vectors,
   * it tells the inner products at the end.
   */
  async reach(
    task: Task<never>,
    wanted: number,
    size: number,
    most: number,
    along: readonly (readonly [Tensor, Tensor])[],
  ): Promise<Solution> {
    const isDirect = this.#sketch === 'direct';
    let steps = 0;
    let best = Infinity;
    let seen = 0;
    const go = (count: number): void => {
      for (let i = 0; i < count; ++i) this.#step(task);
      steps += count;
    };
    // Without a step a factored system is not worth a look.
    if (isDirect && this.#isNew) go(1);
    for (;;) {
      if (this.#sketch === 'kaczmarz') this.#evaluate(task.queue);
      const { r, b } = this.#units ?? { r: this.#r, b: this.#b };
      if (this.#units) {
        vectors.multiply(task.queue, this.#units.down, this.#r, r);
        vectors.multiply(task.queue, this.#units.up, this.#z, this.z);
      }
      vectors.dots(task.queue, [[r, r], [this.z, this.z], [b, b], ...along], this.#sums); // biome-ignore format: one line
      const told = await task.read(this.#told);
      const [square, reached, right] = told as unknown as [number, number, number];
      const residual = Math.sqrt(square);
      const end = (how: Solution['end']): Solution => {
        const z = told.subarray(told.length - this.#size);
        return { residual, steps, end: how, z, along: told.subarray(3, 3 + along.length) };
      };
      if (residual <= wanted) return end('accurate');
      const least = rounding * (size * Math.sqrt(reached) + Math.sqrt(right));
      seen = residual < 0.9 * best ? 0 : seen + 1;
      best = Math.min(best, residual);
      if (residual <= least || Number.isNaN(residual)) return end('precise');
      if (isDirect && steps >= 3) return end('precise');
      if (seen > patience && residual <= patience * least) return end('precise');
      if (steps >= most) return end('limit');
      const ahead = isDirect ? 1 : Math.ceil(steps * share) || 1;
      go(Math.min(ahead, mostUnseen, most - steps));
    }
  }
}
