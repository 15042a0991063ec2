import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import {
  also,
  count,
  fraction,
  notNegative,
  positive,
  type Resolved,
  readOptions,
  type Schema,
  whole,
} from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { CountedSteps } from '../files/counted-steps.ts';
import { keepSteps, StatefulSteps } from '../files/stateful-steps.ts';
import { projectOut, quietDirections } from './forward-only/history.ts';
import { askLoss, checkLoss, checkSeed, type LossResult, numbersOf } from './forward-only/loss.ts';

/** Options of {@link ZoodipOptimizer}. */
export interface ZoodipOptions {
  /** Random directions of a step, n: each takes one loss, and the point itself another. Default: 2. */
  readonly directions?: number | undefined;
  /** The distance at which losses are asked for, positive. Default: 1e-3. */
  readonly mu?: number | undefined;
  /** The size of a step, not negative; it may change between steps. Default: 1e-2. */
  readonly lr?: number | undefined;
  /**
   * Steps whose values tell which directions are quiet, and after which that is found anew: from 2 on. Default: 128.
   */
  readonly history?: number | undefined;
  /** The share of variance in the directions that are projected out: between 0 and 1. Default: 1e-3. */
  readonly nu?: number | undefined;
  /** Decay of Adam's mean of gradients: in [0, 1). Default: 0.9. */
  readonly beta1?: number | undefined;
  /** Decay of Adam's mean of squares: in [0, 1). Default: 0.999. */
  readonly beta2?: number | undefined;
  /** Addend of Adam's divisor, positive: as large as 1e-3, since estimates are noisy. Default: 1e-3. */
  readonly eps?: number | undefined;
}

/** The result of {@link ZoodipOptimizer.step}. */
export interface ZoodipStep {
  /** The loss before the step. */
  readonly loss: number;
  /** Length of the estimate of the gradient, after the projection; NaN where nothing has moved. */
  readonly gradNorm: number;
  /** Directions that were projected out. */
  readonly removed: number;
  /** `'nonfinite'`: a loss or the estimate was NaN or infinite, and nothing has moved. */
  readonly status: 'ok' | 'nonfinite';
}

const schema: Schema<Resolved<ZoodipOptions>> = {
  directions: count(2),
  mu: positive(1e-3),
  lr: notNegative(1e-2),
  history: count(128, 2),
  nu: also(positive(1e-3), (x) => (x < 1 ? undefined : 'must be below 1')),
  beta1: fraction(0.9),
  beta2: fraction(0.999),
  eps: positive(1e-3),
};

/** Steps that Adam's count, which is i32, can tell. */
const mostMoves = 2 ** 31 - 1;

/**
 * Trains one vector, such as the embedding of a new token of a quantized diffusion model, by forward passes alone:
 * forward differences along n random directions, of which the quiet ones of the last steps are projected out, and Adam.
 * The model may be anything that gives a loss.
 *
 * c_i = (L(x + mu·z_i) − L(x)) / mu;  g = Σ c_i z_i / (n √((dim + n − 1) / n)), dim = d − rows of E;  g ← g − Eᵀ(E g);
 * Adam. Every `history` steps E is found anew: the principal directions of the standardized history behind the first
 * ones that explain more than 1 − nu of it. Those are at most history − 2 of the d directions: a step is the same but
 * for the noise in them, and no faster way to the minimum is promised.
 *
 * State: 2 + history + min(history, d) times the bytes of x; 5 of x more while it lives, and while E is found anew, f64
 * copies of the history.
 *
 * Source: ZOODiP (2025), `train_zoodip.py` of the authors' program. There the last principal component, which is
 * arbitrary as the history has its mean taken out, is projected out, too; here components without variance are not.
 *
 * @example
 * const zoodip = new ZoodipOptimizer(embedding);
 * for (let i = 0; i < 1000; ++i) await zoodip.step((x) => lossOf(x), i);
 */
export class ZoodipOptimizer extends StatefulSteps {
  /** The size of a step; it may change between steps. */
  lr: number;
  readonly #options: Omit<Resolved<ZoodipOptions>, 'lr'>;
  readonly #x: Tensor;
  readonly #point: Tensor;
  readonly #gradient: Tensor;
  /** The tensors of Adam: those of the state, and those that the step makes. */
  readonly #kept: { readonly momentum: Tensor; readonly root: Tensor; readonly step: Tensor };
  readonly #next: { readonly x: Tensor; readonly momentum: Tensor; readonly root: Tensor; readonly step: Tensor };
  /** `[history, d]`: the value after step i is row i mod history. */
  readonly #history: Tensor;
  /** `[most rows, d]`, of which the first {@link ZoodipOptimizer.removed} count. */
  readonly #basis: Tensor;
  #removed = 0;
  /** Steps that have moved x. */
  #moves = 0;
  readonly #steps: CountedSteps<{ removed: number; moves: number }>;

  /**
   * @param x f32 or f64, of any shape, which steps change in place.
   * @throws ERR_ARGUMENT for options out of range; ERR_SHAPE for an empty tensor; ERR_DTYPE, ERR_DISPOSED, ERR_MEMORY
   */
  constructor(x: Tensor, options: ZoodipOptions = {}) {
    super();
    const where = 'ZoodipOptimizer';
    check.tensor(where, 'x', x, { dtypes: check.arithmetic, filled: true });
    const { lr, ...given } = readOptions(where, options, schema);
    const { device, dtype, size } = x;
    this.lr = lr;
    this.#options = given;
    this.#x = x;
    using owned = new Owned<Tensor>();
    const like = (): Tensor => owned.add(Tensor.zeros(device, x.shape, { dtype }));
    const number = (): Tensor => owned.add(Tensor.zeros(device, [1], { dtype: 'i32' }));
    this.#point = like();
    this.#gradient = like();
    this.#kept = { momentum: like(), root: like(), step: number() };
    this.#next = { x: like(), momentum: like(), root: like(), step: number() };
    this.#history = owned.add(Tensor.zeros(device, [given.history, size], { dtype }));
    const mostRows = Math.min(given.history, size);
    this.#basis = owned.add(Tensor.zeros(device, [mostRows, size], { dtype }));
    this.#steps = new CountedSteps({
      of: where,
      tensors: { ...this.#kept, history: this.#history, basis: this.#basis },
      owned,
      beside: { x },
      settings: { history: given.history },
      numbers: {
        schema: { removed: whole(0, 0, Math.min(given.history - 2, size - 1)), moves: whole(0, 0, mostMoves) },
        wrong: ({ removed, moves, steps }) => {
          if (moves > steps) return `number moves must be at most that of steps, ${steps}, got ${moves}`;
          if (removed === 0 || moves >= given.history) return undefined;
          return `number removed must be 0 before ${given.history} steps have moved x, got ${removed}`;
        },
        read: () => ({ removed: this.#removed, moves: this.#moves }),
        restore: ({ removed, moves }) => {
          this.#removed = removed;
          this.#moves = moves;
        },
      },
    });
    keepSteps(this, this.#steps);
  }

  /** Steps so far, those that a loss which is not finite has left without effect included. */
  get steps(): number {
    return this.#steps.steps;
  }

  /** Directions that are projected out. */
  get removed(): number {
    return this.#removed;
  }

  /**
   * Directions that are projected out, orthonormal rows `[removed, d]`: a new tensor, the caller's; undefined where
   * there are none.
   * @throws ERR_DISPOSED, ERR_MEMORY
   */
  basis(): Tensor | undefined {
    this.#steps.checkAlive('ZoodipOptimizer.basis');
    if (this.#removed === 0) return undefined;
    using rows = this.#basis.rows(0, this.#removed);
    return rows.copy();
  }

  /**
   * One step: directions + 1 losses.
   *
   * @param loss The loss of a tensor like x, which stands in for it and is gone after the step.
   * @param seed Seed of the directions: whole, from 0 to 2^53 − 1, another one for each step. Default: the steps so
   * far.
   * @throws ERR_ARGUMENT for no loss or seed, and for what the loss throws; ERR_DISPOSED, also if it disposes of what
   * it is given; ERR_STATE while another call runs. Nothing has moved then
   */
  step(loss: (x: Tensor) => LossResult, seed?: number): Promise<ZoodipStep> {
    return this.#steps.run('step', async (where) => {
      const own = seed ?? this.steps;
      checkLoss(where, loss);
      checkSeed(where, own);
      const lr = this.#checkedLr(where);
      const { directions, mu } = this.#options;
      const lent = [this.#x, this.#point];
      const asked: { readonly value: Promise<number> }[] = [];
      for (let i = 0; i <= directions; ++i) {
        this.#visit(own, i, i === 0 ? 0 : mu);
        asked.push(await askLoss(`${where}: loss`, lent, () => loss(this.#point)));
      }
      const [first, ...others] = (await numbersOf(asked)) as [number, ...number[]];
      this.#steps.checkAlive(where);
      const slopes = others.map((value) => (value - first) / mu);
      const removed = this.#removed;
      const isWhole = Number.isFinite(first) && slopes.every(Number.isFinite);
      const gradNorm = isWhole ? await this.#move(where, own, slopes, lr) : NaN;
      this.#steps.count();
      return { loss: first, gradNorm, removed, status: Number.isFinite(gradNorm) ? 'ok' : 'nonfinite' };
    });
  }

  #checkedLr(where: string): number {
    const problem = schema.lr.wrong(this.lr);
    if (problem) throw refusal(where, 'lr', problem.slice(5), this.lr);
    return this.lr;
  }

  /** point = x, or x + mu · z of direction i, from 1 on. */
  #visit(seed: number, i: number, mu: number): void {
    const { device } = this.#x;
    if (i === 0) vectors.copy(device, this.#x, this.#point);
    else ops.axpyRandom(device, { x: [this.#x], out: [this.#point], factors: [mu], seed, stream: i - 1 });
  }

  /**
   * The step beside the state first, so that it counts as a whole or not at all; the length of the estimate, and
   * nothing moves where that is not finite.
   */
  async #move(where: string, seed: number, slopes: readonly number[], lr: number): Promise<number> {
    const { device, size } = this.#x;
    const [gradient, next, kept] = [this.#gradient, this.#next, this.#kept];
    this.#estimate(seed, slopes);
    using norm = vectors.scalar(device);
    vectors.norm(device, gradient, norm);
    const length = norm.read();
    length.catch(() => {}); // it is waited for below
    const { beta1, beta2, eps } = this.#options;
    vectors.copy(device, [this.#x, kept.momentum, kept.root, kept.step], [next.x, next.momentum, next.root, next.step]);
    ops.adamw(device, {
      ...{ weights: [next.x], grads: [gradient], momenta: [next.momentum], roots: [next.root], steps: [next.step] },
      ...{ lr, beta1, beta2, eps },
    });
    const row = this.#moves % this.#options.history;
    using flat = next.x.reshape([1, size]);
    const isDue = row === this.#options.history - 1;
    const [gradNorm] = await length;
    if (!Number.isFinite(gradNorm)) return NaN;
    using basis = isDue ? await this.#quiet(flat) : undefined;
    this.#steps.checkAlive(where);
    using place = this.#history.rows(row, row + 1);
    if (basis) {
      using rows = this.#basis.rows(0, basis.shape[0]!);
      vectors.copy(device, basis, rows);
    }
    vectors.copy(
      device,
      [next.x, next.momentum, next.root, next.step, flat],
      [this.#x, kept.momentum, kept.root, kept.step, place],
    );
    if (isDue) this.#removed = basis ? basis.shape[0]! : 0;
    this.#moves += 1;
    return gradNorm!;
  }

  #estimate(seed: number, slopes: readonly number[]): void {
    const { device, size } = this.#x;
    const n = slopes.length;
    const gradient = this.#gradient;
    const scale = 1 / (n * Math.sqrt((size - this.#removed + n - 1) / n));
    ops.fill(device, { x: [gradient], value: 0 });
    ops.axpyRandom(device, { x: [gradient], out: [gradient], factors: slopes.map((c) => scale * c), seed });
    if (this.#removed === 0) return;
    using rows = this.#basis.rows(0, this.#removed);
    using column = gradient.reshape([size, 1]);
    projectOut(rows, column);
  }

  /** Quiet directions of the history with a new last row. */
  async #quiet(last: Tensor): Promise<Tensor | undefined> {
    using all = this.#history.copy();
    using place = all.rows(this.#options.history - 1);
    vectors.copy(last.device, last, place);
    return quietDirections(all, this.#options.nu);
  }
}
