import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { Owned } from '../core/owned.ts';
import { kind, optional, readOptions, type Schema, watchers } from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import type { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import {
  boundsSchema,
  type MaidIteration,
  type MaidOptions,
  type MaidResult,
  type MaidRunOptions,
  type MaidSettings,
  maidSchema,
} from './maid-options.ts';
import { checkMaidProblem, type MaidProblem } from './maid-problem.ts';
import { MaidRun } from './maid-run.ts';
import { type MaidKept, MaidState, onState } from './maid-state.ts';

const where = 'Maid';

const runSchema: Schema<{
  state: MaidState | undefined;
  signal: MaidRunOptions['signal'];
  onProgress: MaidRunOptions['onProgress'];
}> = {
  ...watchers<MaidIteration>(),
  state: optional(kind((x) => x instanceof MaidState, 'a MaidState')),
};

/**
 * Descent for problems of two levels that picks its own accuracy: the lower problem is solved, and the gradient found
 * by conjugate gradients, only as well as a bound on the gradient's error asks for. A step counts where g falls by more
 * than the errors of both points may hide, so that the true function falls; otherwise steps shorten, and accuracies
 * grow. The first accuracy and step size matter little.
 *
 * All vectors stay on the device. A few numbers are read once a test: of the lower solver, of an iteration of conjugate
 * gradients, of a gradient, and of each step that is tried. Bounds count what rounding may add to lower gradients, to
 * products and to values: 4 ε of the dtype, times what they are made of.
 *
 * Memory of a run: about 6 times θ and 17 times x.
 *
 * Source: MAID, "An adaptively inexact first-order method for bilevel optimization with application to hyperparameter
 * learning" (Salehi, Mukherjee, Roberts and Ehrhardt 2023). The authors' test of a step leaves a term of the old point
 * out, and their error bound the Lipschitz constant of ∇g; both are here.
 *
 * @example
 * const maid = new Maid({ lower, upper }, { mu: 1, lipschitz: 10 });
 * const { status, value } = await maid.run(theta, x0);
 */
export class Maid {
  readonly #problem: MaidProblem;
  readonly #settings: MaidSettings;

  /**
   * @throws ERR_ARGUMENT for what is no problem, for options out of range and for L below μ; ERR_UNSUPPORTED for a
   * problem without second derivatives
   */
  constructor(problem: MaidProblem, options: MaidOptions) {
    checkMaidProblem(where, problem);
    const settings = readOptions(where, options, maidSchema);
    const { mu, lipschitz, bounds } = settings;
    if (typeof lipschitz === 'number' && lipschitz < mu)
      throw refusal(where, 'lipschitz', `be at least mu, ${mu}`, lipschitz);
    this.#problem = problem;
    this.#settings = {
      ...settings,
      bounds: bounds === 'estimate' ? bounds : { ...readOptions(where, bounds, boundsSchema, 'bounds') },
    };
  }

  /**
   * Moves θ, in place, until the gradient is short enough. θ changes at the very end, at once, and so does a `state`.
   * With one, `maxIterations`, `maxLower` and `maxCg` are of this run alone, and `x0` counts at its first run.
   *
   * @param theta θ where it begins and ends, f32 or f64.
   * @param x0 Where the first lower solution is searched from, of the same dtype and device; it is not written.
   * @throws ERR_ARGUMENT for NaN and infinity and for what functions throw, with the function and the iteration, and
   * for a lower problem that is not strongly convex as `mu` and `lipschitz` say; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for
   * tensors that do not fit; ERR_STATE for a state of which another run goes on; ERR_DISPOSED, also if functions
   * dispose of what they are given; ERR_MEMORY; the signal's reason when aborted. θ is then as before
   */
  async run(theta: Tensor, x0: Tensor, options: MaidRunOptions = {}): Promise<MaidResult> {
    const place = `${where}.run`;
    check.tensor(place, 'theta', theta, { dtypes: check.arithmetic, filled: true });
    check.tensor(place, 'x0', x0, { dtypes: [theta.dtype], filled: true, device: theta.device });
    const { state, ...given } = readOptions(place, options, runSchema);
    if (!state) return this.#run(place, theta, x0, given);
    return onState(state, theta, (kept) => {
      check.tensor(place, 'x0', x0, { shape: kept.x.shape });
      return this.#run(place, theta, x0, given, kept);
    });
  }

  async #run(
    place: string,
    theta: Tensor,
    x0: Tensor,
    given: TaskOptions<MaidIteration>,
    kept?: MaidKept,
  ): Promise<MaidResult> {
    using task = new Task<MaidIteration>(theta.device, given);
    using owned = new Owned<Tensor>();
    const run = new MaidRun(place, task, this.#problem, this.#settings, theta, x0, owned, kept);
    const { theta: end, x, next, ...result } = await run.run();
    task.check();
    check.alive(place, 'theta', theta);
    // Not through the task: from here on nothing gives it up.
    vectors.copy(theta.device, end, theta);
    if (kept && next) {
      vectors.copy(theta.device, [next.x, next.q], [kept.x, kept.q]);
      kept.set(next.numbers, result.iterations);
    }
    return { x: owned.release(x), ...result };
  }
}
