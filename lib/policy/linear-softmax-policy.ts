import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { checkLike } from '../core/params.ts';
import { count, type Resolved, readOptions, required, type Schema, word } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { draws, type PolicyPlace, type PolicySampleOptions, paramsAt } from './linear-policy.ts';
import { type PlayedSteps, type PolicyBatch, playedSteps } from './trajectories.ts';

/** Options of {@link LinearSoftmaxPolicy}. */
export interface LinearSoftmaxPolicyOptions {
  /** Numbers of a state: whole, from 1 on. It has no default. */
  stateDim: number;
  /** Actions to choose from: whole, from 1 on. It has no default. */
  actions: number;
  /** Default: `'f32'`. */
  dtype?: 'f32' | 'f64' | undefined;
}

const schema: Schema<Resolved<LinearSoftmaxPolicyOptions>> = {
  stateDim: required(count(1)),
  actions: required(count(1)),
  dtype: word<'f32' | 'f64'>(['f32', 'f64'], 'f32'),
};

/**
 * A policy over finitely many actions, π(a|s) = softmax(sᵀ θ)ₐ, with the gradient of its objective and the Hessian
 * times a vector in closed form: what {@link NPgIgt} and {@link Harpg} ask of an oracle, without any automatic
 * differentiation. All is queued.
 *
 * Of trajectories with weights Ψ: the gradient is the mean over trajectories of Σ Ψₜ ∇ log π(aₜ|sₜ), the Hessian times
 * v that of (Σ Ψₜ ∇ log πₜ) · Σ ⟨∇ log πₜ, v⟩ + Σ Ψₜ ∇² log πₜ v, whose two sums are over the same trajectory.
 *
 * @example
 * const policy = new LinearSoftmaxPolicy(device, { stateDim: 4, actions: 2 });
 * const actions = policy.sample(states, { seed: 1, offset: step });
 */
export class LinearSoftmaxPolicy {
  /** θ, `[stateDim, actions]`; zeros at first, of which all actions are equally likely. */
  readonly params: readonly [Tensor];
  readonly #device: Device;
  readonly #dtype: 'f32' | 'f64';
  readonly #stateDim: number;
  readonly #actions: number;

  /** @throws ERR_ARGUMENT for what is no device or option; ERR_MEMORY, ERR_DISPOSED */
  constructor(device: Device, options: LinearSoftmaxPolicyOptions) {
    const where = 'LinearSoftmaxPolicy';
    check.device(where, 'device', device);
    const { stateDim, actions, dtype } = readOptions(where, options, schema);
    this.#device = device;
    this.#dtype = dtype;
    this.#stateDim = stateDim;
    this.#actions = actions;
    this.params = [Tensor.zeros(device, [stateDim, actions], { dtype })];
  }

  /**
   * log π of all actions in each of `[n, stateDim]` states: a new tensor `[n, actions]`. Queued.
   *
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  logProbabilities(states: Tensor, options: PolicyPlace = {}): Tensor {
    const where = 'LinearSoftmaxPolicy.logProbabilities';
    const [theta] = paramsAt(where, this.params, options) as [Tensor];
    this.#checkStates(where, states);
    using logits = this.#logits(states, theta);
    using ones = Tensor.full(this.#device, [1, this.#actions], 1, { dtype: this.#dtype });
    using sums = new Tensor(this.#device, [states.shape[0]!], this.#dtype);
    using column = sums.reshape([sums.size, 1]);
    ops.rowLogsumexp(this.#device, { x: logits, out: sums });
    return filled(new Tensor(this.#device, logits.shape, this.#dtype), (out) =>
      ops.gemm(this.#device, { a: column, b: ones, c: out, addend: logits, alpha: -1, beta: 1 }),
    );
  }

  /**
   * An action for each of `[n, stateDim]` states: a new tensor `[n]` of i32. Queued.
   *
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  sample(states: Tensor, options: PolicySampleOptions = {}): Tensor<'i32'> {
    const where = 'LinearSoftmaxPolicy.sample';
    const { params, seed, offset } = readOptions(where, options, draws);
    const [theta] = paramsAt(where, this.params, { params }) as [Tensor];
    this.#checkStates(where, states);
    const n = states.shape[0]!;
    using logits = this.#logits(states, theta);
    return filled(new Tensor(this.#device, [n], 'i32'), (out) => {
      using index = out.reshape([n, 1]);
      // Draws count from the same place for each call; another offset is another part of the sequence.
      const at = offset * this.#actions;
      ops.rowTopK(this.#device, { x: logits, index, noise: 'gumbel', seed, offset: at });
    });
  }

  /**
   * grads = the estimate of the gradient of the objective of a batch that was played at the parameters: NaN where an
   * action
   * within a length is none of the policy's. Queued.
   *
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  gradient(batch: PolicyBatch, grads: readonly Tensor[], options: PolicyPlace = {}): void {
    const where = 'LinearSoftmaxPolicy.gradient';
    const [theta] = paramsAt(where, this.params, options) as [Tensor];
    checkLike(where, 'grads', grads, this.params);
    using owned = new Owned<Tensor>();
    const steps = this.#steps(where, batch, owned);
    const logits = owned.add(this.#logits(steps.states, theta));
    this.#scores(steps, logits, steps.weights, logits);
    this.#towardParams(steps, logits, grads[0]!);
  }

  /**
   * out = the estimate of the Hessian of the objective, times v: NaN where an action within a length is none of the
   * policy's. Queued.
   *
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  hessianProduct(batch: PolicyBatch, v: readonly Tensor[], out: readonly Tensor[], options: PolicyPlace = {}): void {
    const where = 'LinearSoftmaxPolicy.hessianProduct';
    const [theta] = paramsAt(where, this.params, options) as [Tensor];
    checkLike(where, 'v', v, this.params);
    checkLike(where, 'out', out, this.params);
    const device = this.#device;
    using owned = new Owned<Tensor>();
    const steps = this.#steps(where, batch, owned);
    const { count: n, trajectories, states, actions: labels, weights, trajectory } = steps;
    const like = (...shape: number[]) => owned.add(new Tensor(device, shape, this.#dtype));
    const logits = owned.add(this.#logits(states, theta));
    const along = owned.add(this.#logits(states, v[0]!));
    // ⟨∇ log πₜ, v⟩ of each step, and its sum over the trajectory as a factor of the weights.
    const rows = like(n, this.#actions);
    const ones = owned.add(Tensor.full(device, [n], 1, { dtype: this.#dtype }));
    this.#scores(steps, logits, ones, rows);
    vectors.multiply(device, rows, along, rows);
    const slopes = like(n);
    ops.rowReduce(device, { x: rows, out: slopes });
    const sums = owned.add(Tensor.zeros(device, [trajectories], { dtype: this.#dtype }));
    ops.scatterRows(device, { out: sums, index: trajectory, x: slopes });
    ops.gatherRows(device, { x: sums, index: trajectory, out: slopes });
    vectors.multiply(device, slopes, weights, slopes);
    this.#scores(steps, logits, slopes, rows);
    const curved = { direction: along, rowWeights: weights, over: 1, scale: -1, beta: 1 };
    ops.softmaxCrossEntropyBackward(device, { logits, labels, grad: rows, ...curved });
    this.#towardParams(steps, rows, out[0]!);
  }

  /** Gives the memory of the parameters back. */
  dispose(): void {
    this.params[0].dispose();
  }

  /** Disposes: `using policy = new LinearSoftmaxPolicy(device, options)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #checkStates(where: string, states: Tensor): void {
    const [device, dtypes] = [this.#device, [this.#dtype]];
    check.tensor(where, 'states', states, { shape: [undefined, this.#stateDim], dtypes, device });
  }

  #steps(where: string, batch: PolicyBatch, owned: Owned<Tensor>): PlayedSteps {
    const demands = { device: this.#device, dtype: this.#dtype, stateDim: this.#stateDim, actionDim: undefined };
    const steps = playedSteps(where, batch, demands, owned);
    // The kernels leave rows of negative actions out; 0 where the action has a root, else NaN, tells of them.
    const device = this.#device;
    const like = () => owned.add(new Tensor(device, [steps.count], this.#dtype));
    const [root, factor] = [like(), like()];
    ops.cast(device, { out: [root], x: [steps.actions] });
    ops.map(device, { x: [root], out: [root], function: 'sqrt' });
    vectors.combine(device, root, [1, root], [-1, root]);
    ops.fill(device, { x: [factor], value: 1 });
    vectors.axpy(device, 1, root, factor);
    ops.scaleAxis(device, { x: steps.states, scale: factor, out: steps.states, axis: 0 });
    return steps;
  }

  #logits(states: Tensor, theta: Tensor): Tensor {
    return filled(new Tensor(this.#device, [states.shape[0]!, this.#actions], this.#dtype), (c) =>
      ops.gemm(this.#device, { a: states, b: theta, c }),
    );
  }

  /** out = each row's factor times its action as a unit vector less the probabilities. */
  #scores({ actions: labels }: PlayedSteps, logits: Tensor, rowWeights: Tensor, out: Tensor): void {
    const given = { logits, labels, rowWeights, grad: out };
    ops.softmaxCrossEntropyBackward(this.#device, { ...given, over: 1, scale: -1 });
  }

  #towardParams({ states, trajectories }: PlayedSteps, rows: Tensor, out: Tensor): void {
    ops.gemm(this.#device, { a: states, b: rows, c: out, transA: 'transposed', alpha: 1 / trajectories });
  }
}
