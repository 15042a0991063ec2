import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import {
  also,
  count,
  notNegative,
  optional,
  positive,
  type Resolved,
  readOptions,
  required,
  type Schema,
  whole,
  word,
} from '../../core/schema.ts';
import { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { GuardedSteps } from '../../files/guarded-steps.ts';
import { keepSteps, StatefulSteps } from '../../files/stateful-steps.ts';
import {
  constrained,
  cut,
  gradientOf,
  initialize,
  listed,
  makeWeights,
  type NetworkForm,
  type NetworkWeights,
  namesOf,
  Pass,
} from './convex-network.ts';
import { invert, type ProximalInverse, type ProximalInvertOptions, type ProximalPrior, rowsOf } from './invert.ts';
import { type MatchingLoss, match } from './matching.ts';

/** Options of {@link LearnedProximal}. */
export interface LearnedProximalOptions {
  /** Elements of a signal, which is multiplied as a whole: whole, from 1 on. It, or `channels`, has no default. */
  dim?: number | undefined;
  /**
   * Channels of images `[b, rows, columns, channels]`, which are convolved: whole, from 1 on. Weights do not depend on
   * rows and columns: train on patches, and take images of any size. It has no default.
   */
  channels?: number | undefined;
  /** Rows and columns of the kernels of convolutions: whole and odd, from 1 on. For `channels` alone. Default: 3. */
  kernel?: number | undefined;
  /** Units of each layer, for images at each pixel: whole, from 1 on. Default: 64. */
  hidden?: number | undefined;
  /** Layers after the first one: whole, from 1 on. Default: 2. */
  layers?: number | undefined;
  /** β of the softplus ln(1 + exp(β z)) / β, > 0: the larger, the sharper its bend. Default: 10. */
  beta?: number | undefined;
  /** α of α |x|², not negative, which makes ψ strongly convex and the operator invertible. Default: 0. */
  alpha?: number | undefined;
  /** Seed of the first weights: whole, from 0 to 2^53. It has no default. */
  seed: number;
  /** The dtype of weights and signals. Default: f32. */
  dtype?: 'f32' | 'f64' | undefined;
}

/** Options of {@link LearnedProximal.trainStep}. */
export interface ProximalTrainOptions {
  /**
   * Loss of each element's error d: d², |d|, or 1 − exp(−(d/γ)²), proximal matching, which alone learns the proximal
   * operator of the prior; the others are for its first steps. Default: `'pm'`.
   */
  loss?: MatchingLoss | undefined;
  /** γ of `'pm'`, > 0: the smaller, the nearer to the mode of what can have been. For `'pm'` alone. Default: 0.1. */
  gamma?: number | undefined;
  /** Adam's rate, > 0. Default: 1e-3. */
  lr?: number | undefined;
}

type Given = Resolved<LearnedProximalOptions, 'dim' | 'channels' | 'kernel'>;
const schema: Schema<Given> = {
  dim: optional(count(1)),
  channels: optional(count(1)),
  kernel: also(optional(count(3)), (x) => (x === undefined || x % 2 === 1 ? undefined : 'must be odd')),
  hidden: count(64),
  layers: count(2),
  beta: positive(10),
  alpha: notNegative(0),
  seed: required(whole(0, 0, 2 ** 53)),
  dtype: word(check.arithmetic, 'f32'),
};
const trainSchema: Schema<Resolved<ProximalTrainOptions, 'gamma'>> = {
  loss: word<MatchingLoss>(['l2', 'l1', 'pm'], 'pm'),
  gamma: optional(positive(0.1)),
  lr: positive(1e-3),
};
/** Adam's, as in AdamW. */
const adam = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 };

/**
 * A proximal operator f that is learnt from clean and noisy signals: the gradient of a network ψ that is convex in its
 * input, and so, whatever its weights are, exactly the proximal operator of some R, which need not be convex. Where the
 * loss is proximal matching, R comes near the negative logarithm of the density of the clean signals, and
 * {@link LearnedProximal.prior} tells it.
 *
 * ψ(x) = w a_L + r x + α |x|², a₀ = σ(W₀ x), a_l = σ(W_l a_{l−1} + R_l x + b_l), σ the softplus with β; W_l and w are
 * not negative, from the first step on. Of images W and R are convolutions, and w a_L + r x is summed over pixels. The
 * derivative of a loss of ∇ψ by the weights is computed by two passes that are written out; nothing is taped.
 *
 * State: 3 times the weights, with the moments of Adam. A file with negative weights where the network would not be
 * convex does not load.
 *
 * Memory: 4 times the weights, 7 times in a step; 5 (layers + 1) b hidden elements while a batch of b is worked on.
 *
 * Source: Fang, Buchanan and Sulam 2024, "What's in a Prior? Learned Proximal Networks for Inverse Problems".
 *
 * @example
 * using lpn = new LearnedProximal(device, { dim: 64, seed: 1 });
 * for (const [clean, noisy] of batches) await lpn.trainStep(clean, noisy, { gamma: 0.2 });
 * using denoised = lpn.prox(noisy);
 */
export class LearnedProximal extends StatefulSteps {
  /** The device of the weights. */
  readonly device: Device;
  /** The dtype of weights and signals. */
  readonly dtype: 'f32' | 'f64';
  readonly #form: NetworkForm;
  readonly #weights: NetworkWeights;
  readonly #grads: NetworkWeights;
  readonly #adam: Readonly<Record<'momenta' | 'roots' | 'steps', readonly Tensor[]>>;
  readonly #steps: GuardedSteps;

  /**
   * @throws ERR_ARGUMENT for what is no device, and options that are missing or out of range; ERR_DISPOSED; ERR_MEMORY
   */
  constructor(device: Device, options: LearnedProximalOptions) {
    super();
    const where = 'LearnedProximal';
    check.device(where, 'device', device);
    const { seed, dim, channels, kernel, ...rest } = readOptions(where, options, schema);
    if ((dim === undefined) === (channels === undefined))
      throw refusal(where, 'dim', 'be given, or channels, and not both', shown(dim));
    if (kernel !== undefined && channels === undefined)
      throw refusal(where, 'kernel', 'be left out but for channels', kernel);
    const isImage = channels !== undefined;
    const form = { ...rest, dim: (dim ?? channels)!, kernel: isImage ? (kernel ?? 3) : undefined };
    this.device = device;
    this.dtype = form.dtype;
    this.#form = form;
    using owned = new Owned<Tensor>();
    this.#weights = makeWeights(device, form, owned);
    this.#grads = makeWeights(device, form, owned);
    initialize(device, form, this.#weights, seed);
    const params = listed(this.#weights);
    const zeros = () => params.map(({ shape }) => owned.add(Tensor.zeros(device, shape, { dtype: form.dtype })));
    const [momenta, roots] = [zeros(), zeros()];
    const steps = params.map(() => owned.add(Tensor.zeros(device, [1], { dtype: 'i32' })));
    this.#adam = { momenta, roots, steps };
    const names = namesOf(form);
    const named = (name: string, list: readonly Tensor[]) =>
      list.map((tensor, i) => [`${name}.${names[i]}`, tensor] as const);
    const signed = constrained(this.#weights).map((one) => `weights.${names[params.indexOf(one)]}`);
    this.#steps = new GuardedSteps(device, {
      of: where,
      settings: isImage ? { ...rest, channels, kernel: form.kernel } : { ...rest, dim },
      owned,
      tensors: Object.fromEntries([
        ...named('weights', params),
        ...named('momenta', momenta),
        ...named('roots', roots),
        ...named('steps', steps),
      ]),
      beside: {},
      demand: 'clean and noisy must be finite, and so must be what the network makes of them, and the weights',
      wrongData(data) {
        const wrong = signed.find((name) => data.get(name)!.some((value) => !(Number(value) >= 0)));
        return wrong && `state '${wrong}' must not be negative: the network would not be convex`;
      },
    });
    keepSteps(this, this.#steps);
  }

  /**
   * The weights: W₀, W₁ …, R₁ …, b₁ …, w, r. Who changes them, by steps of an optimizer along
   * {@link LearnedProximal.pullback}, calls {@link LearnedProximal.keepConvex} after it.
   */
  get params(): readonly Tensor[] {
    return listed(this.#weights);
  }

  /** Steps of {@link LearnedProximal.trainStep} so far. */
  get steps(): number {
    return this.#steps.steps;
  }

  /**
   * ψ at each row: a new tensor `[b]`. Queued; nothing is awaited.
   *
   * @param x `[b, dim]`, or images, of the network's dtype.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for another tensor; ERR_DISPOSED; ERR_MEMORY
   */
  potential(x: Tensor): Tensor {
    this.#signals('LearnedProximal.potential', 'x', x);
    using owned = new Owned<Tensor>();
    const out = owned.add(new Tensor(this.device, x.shape.slice(0, 1), this.dtype));
    using pass = new Pass(this.device, this.#form, this.#weights, x);
    pass.potential(out);
    return owned.release(out);
  }

  /**
   * f = ∇ψ at each row: a new tensor like x, or `out`. Queued; nothing is awaited.
   *
   * @param x `[b, dim]`, or images, of the network's dtype.
   * @param out The same, and another tensor. Default: a new one.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for other tensors; ERR_DISPOSED; ERR_MEMORY
   */
  prox(x: Tensor, out?: Tensor): Tensor {
    const where = 'LearnedProximal.prox';
    this.#signals(where, 'x', x);
    if (out !== undefined) this.#signals(where, 'out', out, x);
    return gradientOf(this.device, this.#form, this.#weights, x, out);
  }

  /**
   * The derivatives of Σ u ⊙ f(x) by the weights, a new tensor for each of {@link LearnedProximal.params}: for losses
   * of one's own, u their derivative by f(x). Queued; nothing is awaited.
   *
   * @param x `[b, dim]`, or images, of the network's dtype.
   * @param u The same.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for other tensors; ERR_DISPOSED; ERR_MEMORY
   */
  pullback(x: Tensor, u: Tensor): Tensor[] {
    const where = 'LearnedProximal.pullback';
    this.#signals(where, 'x', x);
    this.#signals(where, 'u', u, x);
    using owned = new Owned<Tensor>();
    const grads = makeWeights(this.device, this.#form, owned);
    using out = new Tensor(this.device, x.shape, this.dtype);
    using pass = new Pass(this.device, this.#form, this.#weights, x);
    pass.gradient(out);
    pass.pullback(u, grads);
    return listed(grads).map((one) => owned.release(one));
  }

  /**
   * Sets weights that must not be negative, and are, to 0. Queued; nothing is awaited.
   * @throws ERR_DISPOSED
   */
  keepConvex(): void {
    this.#steps.checkAlive('LearnedProximal.keepConvex');
    cut(this.device, this.#weights);
  }

  /**
   * A step of Adam on the mean loss of f(noisy) against clean; it resolves to that loss before the step, f64 `[1]`, a
   * new tensor, when all is queued. Numbers that are not finite move nothing: the step after the device has told of
   * them throws, and steps go on from before it.
   *
   * @param clean `[b, dim]`, or images, of the network's dtype, b from 1 on.
   * @param noisy The same.
   * @throws ERR_ARGUMENT for options out of range, a `gamma` for another loss, and a step before this one that was not
   * finite; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for other tensors; ERR_STATE while another call runs; ERR_DISPOSED,
   * ERR_MEMORY. Nothing has moved then
   */
  trainStep(clean: Tensor, noisy: Tensor, options: ProximalTrainOptions = {}): Promise<Tensor<'f64'>> {
    return this.#steps.run('trainStep', async (where) => {
      this.#signals(where, 'clean', clean);
      this.#signals(where, 'noisy', noisy, clean);
      const { loss, gamma, lr } = readOptions(where, options, trainSchema);
      if (gamma !== undefined && loss !== 'pm') throw refusal(where, 'gamma', "be left out but for loss 'pm'", gamma);
      const device = this.device;
      const weights = listed(this.#weights);
      const grads = listed(this.#grads);
      using owned = new Owned<Tensor>();
      const value = owned.add(vectors.scalar(device));
      const difference = owned.add(new Tensor(device, noisy.shape, this.dtype));
      using pass = new Pass(device, this.#form, this.#weights, noisy);
      pass.gradient(difference);
      vectors.axpy(device, -1, clean, difference);
      match(device, loss, gamma ?? 0.1, difference, value, owned);
      pass.pullback(difference, this.#grads);
      // The step on copies first: what it makes may be out of range though the gradients are not.
      const { momenta, roots, steps } = this.#adam;
      const given = [weights, momenta, roots, steps];
      const copies = given.map((list) => vectors.like(list, owned));
      vectors.copy(device, given.flat(), copies.flat());
      const [tried, ...state] = copies as [readonly Tensor[], readonly Tensor[], readonly Tensor[], readonly Tensor[]];
      ops.adamw(device, { weights: tried, grads, momenta: state[0], roots: state[1], steps: state[2], ...adam, lr });
      // Weights whose squares are beyond the dtype are of no use to a network.
      vectors.multiply(device, tried, tried, tried);
      this.#steps.examine([...grads, value, ...tried, ...state[1]]);
      ops.adamw(device, { weights, grads, ...this.#adam, ...adam, lr, guard: this.#steps.guard });
      cut(device, this.#weights);
      this.#steps.finish([], []);
      return owned.release(value);
    });
  }

  /**
   * y with f(y) = x, the minimum of ψ(y) − ⟨x, y⟩, for all rows at once.
   *
   * @param x `[b, dim]`, or images, of the network's dtype; it stays as it is.
   * @throws ERR_ARGUMENT for options out of range, NaN and infinity; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for another
   * tensor; ERR_DISPOSED; ERR_MEMORY; the signal's reason when aborted
   */
  async invert(x: Tensor, options: ProximalInvertOptions = {}): Promise<ProximalInverse> {
    return this.#invert('LearnedProximal.invert', x, options);
  }

  /**
   * R at each row of x, up to one number that is the same for all: ⟨y, x⟩ − |x|²/2 − ψ(y), where f(y) = x.
   *
   * @param x `[b, dim]`, or images, of the network's dtype; it stays as it is.
   * @throws as {@link LearnedProximal.invert}
   */
  async prior(x: Tensor, options: ProximalInvertOptions = {}): Promise<ProximalPrior> {
    const where = 'LearnedProximal.prior';
    const { y, status, iterations } = await this.#invert(where, x, options);
    using owned = new Owned<Tensor>();
    owned.add(y);
    this.#steps.checkAlive(where);
    const { device } = this;
    const wide = (from: Tensor): Tensor => {
      const to = owned.add(new Tensor(device, from.shape, 'f64'));
      ops.cast(device, { x: [from], out: [to] });
      return to;
    };
    // ⟨y, x⟩ − |x|²/2 = ⟨y − x/2, x⟩
    const [points, values] = [wide(y), wide(x)];
    vectors.combine(device, points, [1, points], [-0.5, values]);
    vectors.multiply(device, points, values, points);
    const out = owned.add(new Tensor(device, x.shape.slice(0, 1), 'f64'));
    ops.rowReduce(device, { x: rowsOf(points, owned), out });
    vectors.axpy(device, -1, wide(owned.add(this.potential(y))), out);
    using task = new Task<never>(device, { signal: options.signal });
    return { values: await task.read(out as Tensor<'f64'>), status, iterations };
  }

  #invert(where: string, x: Tensor, options: ProximalInvertOptions): Promise<ProximalInverse> {
    this.#signals(where, 'x', x);
    const checkAlive = (at: string) => this.#steps.checkAlive(at);
    return invert(where, { form: this.#form, weights: this.#weights, checkAlive }, x, options);
  }

  /** @param like A signal that it has the shape of. */
  #signals(where: string, name: string, x: unknown, like?: Tensor): asserts x is Tensor {
    this.#steps.checkAlive(where);
    const { dim, kernel } = this.#form;
    check.tensor(where, name, x, {
      shape: like?.shape ?? (kernel === undefined ? [undefined, dim] : [undefined, undefined, undefined, dim]),
      dtypes: [this.dtype],
      device: this.device,
      filled: true,
    });
  }
}
