import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { checkLike } from '../core/params.ts';
import { count, finite, flag, type Resolved, readOptions, required, type Schema, word } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { draws, type PolicyPlace, type PolicySampleOptions, paramsAt } from './linear-policy.ts';
import { type PlayedSteps, type PolicyBatch, playedSteps } from './trajectories.ts';

/** Options of {@link LinearGaussianPolicy}. */
export interface LinearGaussianPolicyOptions {
  /** Numbers of a state: whole, from 1 on. It has no default. */
  stateDim: number;
  /** Numbers of an action: whole, from 1 on. It has no default. */
  actionDim: number;
  /** The logarithm of the standard deviation, of learned ones the first value: finite. Default: 0. */
  logStd?: number | undefined;
  /** True: the logarithm of the standard deviation of each number of an action is a parameter. Default: false. */
  learned?: boolean | undefined;
  /** Default: `'f32'`. */
  dtype?: 'f32' | 'f64' | undefined;
}

const schema: Schema<Resolved<LinearGaussianPolicyOptions>> = {
  stateDim: required(count(1)),
  actionDim: required(count(1)),
  logStd: finite(0),
  learned: flag(false),
  dtype: word<'f32' | 'f64'>(['f32', 'f64'], 'f32'),
};

/**
 * A policy over vectors, a = sᵀ θ + σ ⊙ noise with normal noise, with the gradient of its objective and the Hessian
 * times a vector in closed form, as {@link LinearSoftmaxPolicy} has them. All is queued.
 *
 * @example
 * const policy = new LinearGaussianPolicy(device, { stateDim: 3, actionDim: 1, logStd: -1, learned: true });
 */
export class LinearGaussianPolicy {
  /** θ, `[stateDim, actionDim]`, zeros at first; and log σ, `[actionDim]`, where it is learned. */
  readonly params: readonly Tensor[];
  readonly #device: Device;
  readonly #dtype: 'f32' | 'f64';
  readonly #stateDim: number;
  readonly #actionDim: number;
  readonly #fixed: Tensor;

  /** @throws ERR_ARGUMENT for what is no device or option; ERR_MEMORY, ERR_DISPOSED */
  constructor(device: Device, options: LinearGaussianPolicyOptions) {
    const where = 'LinearGaussianPolicy';
    check.device(where, 'device', device);
    const { stateDim, actionDim, logStd, learned, dtype } = readOptions(where, options, schema);
    this.#device = device;
    this.#dtype = dtype;
    this.#stateDim = stateDim;
    this.#actionDim = actionDim;
    using owned = new Owned<Tensor>();
    const theta = owned.add(Tensor.zeros(device, [stateDim, actionDim], { dtype }));
    this.#fixed = owned.add(Tensor.full(device, [actionDim], logStd, { dtype }));
    this.params = learned ? [theta, this.#fixed] : [theta];
    owned.move();
  }

  /**
   * log π(a|s) of an action `[n, actionDim]` in each of `[n, stateDim]` states: a new tensor `[n]`. Queued.
   *
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  logProbabilities(states: Tensor, actions: Tensor, options: PolicyPlace = {}): Tensor {
    const where = 'LinearGaussianPolicy.logProbabilities';
    const params = paramsAt(where, this.params, options);
    this.#checkRows(where, 'states', states, undefined, this.#stateDim);
    this.#checkRows(where, 'actions', actions, states.shape[0]!, this.#actionDim);
    const device = this.#device;
    using owned = new Owned<Tensor>();
    const logStd = this.#logStd(params);
    const noise = this.#noise(states, actions, params[0]!, this.#power(logStd, -1, owned), owned);
    vectors.multiply(device, noise, noise, noise);
    const constant = this.#like(owned, noise.shape);
    // −z²/2 − log σ − log √(2π), summed over the numbers of an action.
    ops.fill(device, { x: [constant], value: -Math.log(2 * Math.PI) / 2 });
    vectors.combine(device, noise, [-0.5, noise], [1, constant]);
    const bias = this.#like(owned, [this.#actionDim]);
    vectors.scale(device, -1, logStd, bias);
    ops.addBias(device, { x: noise, bias, out: noise });
    return filled(new Tensor(device, [states.shape[0]!], this.#dtype), (out) =>
      ops.rowReduce(device, { x: noise, out }),
    );
  }

  /**
   * An action for each of `[n, stateDim]` states: a new tensor `[n, actionDim]`. Queued.
   *
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  sample(states: Tensor, options: PolicySampleOptions = {}): Tensor {
    const where = 'LinearGaussianPolicy.sample';
    const { params: given, seed, offset } = readOptions(where, options, draws);
    const params = paramsAt(where, this.params, { params: given });
    this.#checkRows(where, 'states', states, undefined, this.#stateDim);
    const device = this.#device;
    using owned = new Owned<Tensor>();
    const noise = this.#like(owned, [states.shape[0]!, this.#actionDim]);
    const at = offset * this.#actionDim;
    ops.random(device, { x: [noise], seed, offset: at, distribution: 'normal' });
    const std = this.#power(this.#logStd(params), 1, owned);
    ops.scaleAxis(device, { x: noise, scale: std, out: noise });
    return filled(new Tensor(device, noise.shape, this.#dtype), (out) =>
      ops.gemm(device, { a: states, b: params[0]!, c: out, addend: noise, beta: 1 }),
    );
  }

  /**
   * grads = the estimate of the gradient of the objective of a batch that was played at the parameters. Queued.
   *
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  gradient(batch: PolicyBatch, grads: readonly Tensor[], options: PolicyPlace = {}): void {
    const where = 'LinearGaussianPolicy.gradient';
    const params = paramsAt(where, this.params, options);
    checkLike(where, 'grads', grads, this.params);
    using owned = new Owned<Tensor>();
    const steps = this.#steps(where, batch, owned);
    const inverse = this.#power(this.#logStd(params), -1, owned);
    const noise = this.#noise(steps.states, steps.actions, params[0]!, inverse, owned);
    this.#towardParams(steps, this.#scores(noise, inverse, steps.weights, owned), grads);
  }

  /**
   * out = the estimate of the Hessian of the objective, times v. Queued.
   *
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  hessianProduct(batch: PolicyBatch, v: readonly Tensor[], out: readonly Tensor[], options: PolicyPlace = {}): void {
    const where = 'LinearGaussianPolicy.hessianProduct';
    const params = paramsAt(where, this.params, options);
    checkLike(where, 'v', v, this.params);
    checkLike(where, 'out', out, this.params);
    const device = this.#device;
    using owned = new Owned<Tensor>();
    const steps = this.#steps(where, batch, owned);
    const { count: n, trajectories, states, weights, trajectory } = steps;
    const inverse = this.#power(this.#logStd(params), -1, owned);
    const noise = this.#noise(states, steps.actions, params[0]!, inverse, owned);
    // s V / σ, and the noise times the change of log σ.
    const along = this.#like(owned, noise.shape);
    ops.gemm(device, { a: states, b: v[0]!, c: along });
    ops.scaleAxis(device, { x: along, scale: inverse, out: along });
    const turned = v[1] && this.#like(owned, noise.shape);
    if (turned) ops.scaleAxis(device, { x: noise, scale: v[1]!, out: turned });
    // ⟨∇ log πₜ, v⟩ = Σ z (sV/σ) + (z² − 1) u, over the numbers of an action.
    const products = this.#like(owned, noise.shape);
    vectors.multiply(device, noise, along, products);
    if (turned) {
      const squares = this.#like(owned, noise.shape);
      vectors.multiply(device, noise, turned, squares);
      vectors.combine(device, products, [1, products], [1, squares]);
      const bias = this.#like(owned, [this.#actionDim]);
      vectors.scale(device, -1, v[1]!, bias);
      ops.addBias(device, { x: products, bias, out: products });
    }
    const slopes = this.#like(owned, [n]);
    ops.rowReduce(device, { x: products, out: slopes });
    const sums = owned.add(Tensor.zeros(device, [trajectories], { dtype: this.#dtype }));
    ops.scatterRows(device, { out: sums, index: trajectory, x: slopes });
    ops.gatherRows(device, { x: sums, index: trajectory, out: slopes });
    vectors.multiply(device, slopes, weights, slopes);
    const rows = this.#scores(noise, inverse, slopes, owned);
    // ∇² log π v: toward θ −(sV/σ + 2 z u) / σ, toward log σ −2 z (sV/σ + z u); each times its weight.
    const mean = this.#like(owned, noise.shape);
    vectors.combine(device, mean, [-1, along], ...(turned ? [[-2, turned] as const] : []));
    ops.scaleAxis(device, { x: mean, scale: inverse, out: mean });
    ops.scaleAxis(device, { x: mean, scale: weights, out: rows.mean, axis: 0, beta: 1 });
    if (turned) {
      const spread = this.#like(owned, noise.shape);
      vectors.combine(device, spread, [-2, along], [-2, turned]);
      vectors.multiply(device, spread, noise, spread);
      ops.scaleAxis(device, { x: spread, scale: weights, out: rows.spread, axis: 0, beta: 1 });
    }
    this.#towardParams(steps, rows, out);
  }

  /** Gives the memory of the parameters back. */
  dispose(): void {
    this.params[0]!.dispose();
    this.#fixed.dispose();
  }

  /** Disposes: `using policy = new LinearGaussianPolicy(device, options)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #checkRows(where: string, name: string, x: Tensor, rows: number | undefined, columns: number): void {
    check.tensor(where, name, x, { shape: [rows, columns], dtypes: [this.#dtype], device: this.#device });
  }

  #steps(where: string, batch: PolicyBatch, owned: Owned<Tensor>): PlayedSteps {
    const [device, dtype, stateDim, actionDim] = [this.#device, this.#dtype, this.#stateDim, this.#actionDim];
    return playedSteps(where, batch, { device, dtype, stateDim, actionDim }, owned);
  }

  #like(owned: Owned<Tensor>, shape: readonly number[]): Tensor {
    return owned.add(new Tensor(this.#device, shape, this.#dtype));
  }

  #logStd(params: readonly Tensor[]): Tensor {
    return params[1] ?? this.#fixed;
  }

  /** σ to a power. */
  #power(logStd: Tensor, power: number, owned: Owned<Tensor>): Tensor {
    const out = this.#like(owned, logStd.shape);
    vectors.scale(this.#device, power, logStd, out);
    ops.map(this.#device, { x: [out], out: [out], function: 'exp' });
    return out;
  }

  /** z = (a − sᵀ θ) / σ. */
  #noise(states: Tensor, actions: Tensor, theta: Tensor, inverse: Tensor, owned: Owned<Tensor>): Tensor {
    const out = this.#like(owned, actions.shape);
    ops.gemm(this.#device, { a: states, b: theta, c: out, addend: actions, alpha: -1, beta: 1 });
    ops.scaleAxis(this.#device, { x: out, scale: inverse, out });
    return out;
  }

  /** Rows of each step's factor times z / σ, and times z² − 1. */
  #scores(noise: Tensor, inverse: Tensor, factors: Tensor, owned: Owned<Tensor>): { mean: Tensor; spread: Tensor } {
    const device = this.#device;
    const [mean, spread] = [this.#like(owned, noise.shape), this.#like(owned, noise.shape)];
    ops.scaleAxis(device, { x: noise, scale: inverse, out: mean });
    ops.scaleAxis(device, { x: mean, scale: factors, out: mean, axis: 0 });
    const ones = this.#like(owned, noise.shape);
    ops.fill(device, { x: [ones], value: 1 });
    vectors.multiply(device, noise, noise, spread);
    vectors.combine(device, spread, [1, spread], [-1, ones]);
    ops.scaleAxis(device, { x: spread, scale: factors, out: spread, axis: 0 });
    return { mean, spread };
  }

  #towardParams(
    { states, trajectories }: PlayedSteps,
    { mean, spread }: { mean: Tensor; spread: Tensor },
    out: readonly Tensor[],
  ): void {
    const device = this.#device;
    ops.gemm(device, { a: states, b: mean, c: out[0]!, transA: 'transposed', alpha: 1 / trajectories });
    if (!out[1]) return;
    ops.columnSum(device, { x: spread, out: out[1] });
    vectors.scale(device, 1 / trajectories, out[1]);
  }
}
