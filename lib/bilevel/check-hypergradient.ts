import { callback, checkFinite } from '../core/callbacks.ts';
import type { Device } from '../core/device.ts';
import { epsilonOf } from '../core/dtypes.ts';
import { OrthokitError } from '../core/errors.ts';
import type { LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { positive, readOptions, type Schema, watchers, whole } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { type BilevelOracle, checkBilevelOracle } from '../solvers/bilevel-oracle.ts';
import { cg } from '../solvers/cg.ts';
import { fillNormal } from '../solvers/operator.ts';
import { saved, stepAlong } from '../solvers/oracle.ts';

/** Options of {@link checkHypergradient}. */
export interface CheckHypergradientOptions {
  /** The share of its first length to which the gradient of the lower problem is brought: in (0, 1]. Default: 1e-10. */
  tol?: number | undefined;
  /** Seed of the random direction: whole, from 0 to 2³² − 1. Default: 0. */
  seed?: number | undefined;
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

/** The result of {@link checkHypergradient}. */
export interface HypergradientCheck {
  /** The difference of the two slopes, relative to the larger one; 0 where both are. */
  readonly error: number;
}

const where = 'checkHypergradient';
const schema: Schema<{ tol: number; seed: number; signal: AbortSignal | undefined }> = {
  tol: positive(1e-10, 1),
  seed: whole(0, 0, 2 ** 32 - 1),
  signal: watchers<never>().signal,
};

/** Steps of Newton's method to y*(x), and how often one of them is halved. */
const [mostSteps, mostHalvings] = [50, 20];

/**
 * The distance of an oracle's derivatives from its values: the relative difference of the slope of Φ(x) = f(x, y*(x))
 * along a random direction, by ∇_x f − ∇²_xy g (∇²_yy g)⁻¹ ∇_y f, and by central differences of Φ, for which y*(x) is
 * found by Newton's method with conjugate gradients. Of the size of 1e-7 in f64 for smooth functions, and of 1 for
 * derivatives that are wrong. x and y are as before when it ends.
 *
 * @example
 * if ((await checkHypergradient(oracle)).error > 1e-5) throw new Error('an oracle is wrong');
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for what is no oracle, for NaN and for what its functions
 * throw, with their name; ERR_UNSUPPORTED for one without upperValue, lowerHessianYY or lowerJacobianXY;
 * ERR_NOT_CONVERGED where y*(x) is not found, and for a lowerHessianYY that is not positive definite or with which the
 * linear system is not solved; ERR_DISPOSED if they dispose of what they are given; the signal's reason when aborted
 */
export async function checkHypergradient(
  oracle: BilevelOracle,
  options: CheckHypergradientOptions = {},
): Promise<HypergradientCheck> {
  checkBilevelOracle(where, oracle, [
    ...(['lowerGradientY', 'upperGradientX', 'upperGradientY'] as const),
    ...(['upperValue', 'lowerHessianYY', 'lowerJacobianXY'] as const),
  ]);
  const { tol, seed, signal } = readOptions(where, options, schema);
  const { device } = oracle.x[0]!;
  using task = new Task<never>(device, { signal });
  using owned = new Owned<Tensor>();
  const restore = saved([...oracle.x, ...oracle.y], owned);
  try {
    return { error: await new Check(task, oracle as Required<BilevelOracle>, owned, tol).run(seed) };
  } finally {
    restore();
  }
}

class Check {
  readonly #task: Task<never>;
  readonly #oracle: Required<BilevelOracle>;
  readonly #owned: Owned<Tensor>;
  readonly #tol: number;
  readonly #device: Device;
  /** A vector of all of y, and its parts in the shapes of y. */
  readonly #b: Tensor;
  readonly #gradient: readonly Tensor[];
  readonly #size: Tensor<'f64'>;

  constructor(task: Task<never>, oracle: Required<BilevelOracle>, owned: Owned<Tensor>, tol: number) {
    [this.#task, this.#oracle, this.#owned, this.#tol, this.#device] = [task, oracle, owned, tol, task.device];
    const count = oracle.y.reduce((sum, { size }) => sum + size, 0);
    this.#b = owned.add(new Tensor(this.#device, [count], oracle.y[0]!.dtype));
    this.#gradient = this.#partsOf(this.#b);
    this.#size = owned.add(vectors.scalar(this.#device));
  }

  async run(seed: number): Promise<number> {
    const { x, y } = this.#oracle;
    const device = this.#device;
    const like = () => vectors.like(x, this.#owned);
    const [direction, gradient, product] = [like(), like(), like()];
    for (const [i, part] of direction.entries()) fillNormal(device, [part], seed, i);
    const { h, inverse } = stepAlong(device, x, direction, this.#owned);
    await this.#solve();
    await this.#call('upperGradientY', this.#gradient, () => this.#oracle.upperGradientY(this.#gradient));
    using q = await this.#inverse();
    const parts = this.#partsOf(q);
    await this.#call('upperGradientX', gradient, () => this.#oracle.upperGradientX(gradient));
    await this.#call('lowerJacobianXY', product, () => this.#oracle.lowerJacobianXY(parts, product));
    const number = () => this.#owned.add(vectors.scalar(device));
    const [slope, above, below] = [number(), number(), number()];
    vectors.combine(device, gradient, [1, gradient], [-1, product]);
    vectors.dot(device, gradient, direction, slope);
    const restore = saved([...x, ...y], this.#owned);
    for (const [sign, value] of [
      [1, above],
      [-1, below],
    ] as const) {
      // biome-ignore format: one line
      vectors.axpy(device, [sign, h], direction, x);
      await this.#solve();
      await this.#call('upperValue', [value], () => this.#oracle.upperValue(value));
      restore();
    }
    const numbers = (await this.#task.readAll(slope, above, below, inverse)).map((list) => Number(list[0]));
    const [expected, high, low, scale] = numbers as [number, number, number, number];
    const difference = ((high - low) * scale) / 2;
    const size = Math.max(Math.abs(expected), Math.abs(difference));
    return size === 0 ? 0 : Math.abs(expected - difference) / size;
  }

  /** y = y*(x), by Newton's method, whose steps are halved until the gradient is shorter. */
  async #solve(): Promise<void> {
    const { y } = this.#oracle;
    const device = this.#device;
    const first = await this.#lowerNorm();
    // A start that is the end already has nothing but rounding left.
    const enough = Math.max(this.#tol * first, Number.MIN_VALUE);
    let norm = first;
    for (let step = 0; norm > enough; ++step) {
      if (step === mostSteps) break;
      using move = await this.#inverse();
      const parts = this.#partsOf(move);
      vectors.axpy(device, -1, parts, y);
      let next = await this.#lowerNorm();
      for (let k = 1; !(next < norm) && k <= mostHalvings; ++k) {
        vectors.axpy(device, 2 ** -k, parts, y);
        next = await this.#lowerNorm();
      }
      // No shorter: as near as numbers allow, or no minimum at all.
      if (!(next < norm)) {
        if (norm <= 1e-4 * first || (await this.#isRounding(move))) return;
        throw new OrthokitError(
          'ERR_NOT_CONVERGED',
          `${where}: the lower problem must have a minimum, got none near y`,
        );
      }
      norm = next;
    }
  }

  /** True for a step of y that is no longer than what rounding makes of it. */
  async #isRounding(move: Tensor): Promise<boolean> {
    const most = Math.sqrt(epsilonOf(move.dtype)) * (1 + (await this.#length(this.#oracle.y)));
    return (await this.#length([move])) <= most;
  }

  async #lowerNorm(): Promise<number> {
    await this.#call('lowerGradientY', this.#gradient, () => this.#oracle.lowerGradientY(this.#gradient));
    return this.#length([this.#b]);
  }

  async #length(x: readonly Tensor[]): Promise<number> {
    using shares = new Tensor(this.#device, [x.length], 'f64');
    vectors.length(this.#device, x, shares, this.#size);
    return (await this.#task.read(this.#size))[0]!;
  }

  /** (∇²_yy g)⁻¹ of the vector. */
  async #inverse(): Promise<Tensor> {
    const [device, dtype, n] = [this.#device, this.#b.dtype as 'f32' | 'f64', this.#b.size];
    let failed: unknown;
    const apply = async (v: Tensor, out: Tensor): Promise<void> => {
      using owned = new Owned<Tensor>();
      const [from, to] = [this.#partsOf(v, owned), this.#partsOf(out, owned)];
      try {
        await this.#call('lowerHessianYY', [...from, ...to], () => this.#oracle.lowerHessianYY(from, to), to);
      } catch (error) {
        failed ??= error;
        throw error;
      }
    };
    const operator: LinearOperator = { device, dtype, shape: [n, n], apply };
    const tol = dtype === 'f64' ? 1e-12 : 1e-5;
    const { signal } = this.#task;
    const maxIterations = 10 * n + 10;
    const solved = await cg(operator, this.#b, { tol, maxIterations, signal }).catch((error: unknown) => {
      // An error of the oracle's is told in its own name.
      throw failed ?? error;
    });
    const { x, status, residualNorm } = solved;
    if (status === 'converged' || status === 'at-precision') return x;
    x.dispose();
    throw new OrthokitError(
      'ERR_NOT_CONVERGED',
      status === 'breakdown'
        ? `${where}: oracle.lowerHessianYY must be positive definite, got a curvature that is not positive`
        : `${where}: a system of oracle.lowerHessianYY must be solved to ${tol}, got ${residualNorm} after ${maxIterations} iterations`, // biome-ignore format: one line
    );
  }

  #partsOf(vector: Tensor, owned = this.#owned): readonly Tensor[] {
    let end = 0;
    return this.#oracle.y.map(({ size, shape }) => {
      const part = owned.add(vector.rows(end, end + size));
      end += size;
      return owned.add(part.reshape(shape));
    });
  }

  /** Calls a function, whose results must be finite. */
  async #call(name: string, lent: readonly Tensor[], run: () => void | Promise<void>, out = lent): Promise<void> {
    const { x, y } = this.#oracle;
    const words = `${where}: oracle.${name}`;
    await callback(this.#task, words, [...x, ...y, ...lent], run);
    checkFinite(words, await this.#length(out));
  }
}
