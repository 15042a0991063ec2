import { called } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { isRecord } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { checkParams } from '../core/params.ts';
import { notNegative, portion, positive, type Resolved, readOptions, type Schema, word } from '../core/schema.ts';
import { Suspects } from '../core/suspects.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { GuardedSteps } from '../files/guarded-steps.ts';
import { keepSteps, StatefulSteps } from '../files/stateful-steps.ts';
import type { ValueOracle } from './linear-value.ts';
import { type Products, productsOn, setCoefficient } from './project-out.ts';

/** Options of {@link OdiceValueLearner}. */
export interface OdiceValueLearnerOptions {
  /** λ, the weight of the dual loss against the mean value: in [0, 1]. Results depend on it. Default: 0.8. */
  lambda?: number | undefined;
  /** η, the factor of the backward loss: not negative; at 0 the method is `'semi'`. Default: 1. */
  eta?: number | undefined;
  /** γ, in (0, 1]. Default: 0.99. */
  discount?: number | undefined;
  /** f* of the dual: of Pearson's χ², or of the reverse Kullback–Leibler divergence. Default: `'pearson'`. */
  dual?: 'pearson' | 'reverse-kl' | undefined;
  /**
   * `'orthogonal'` takes the backward gradient's component along the forward one away; `'true'` leaves it, the whole
   * gradient; `'semi'` leaves the backward gradient out. Default: `'orthogonal'`.
   */
  mode?: 'orthogonal' | 'true' | 'semi' | undefined;
  /**
   * Weights of policies, of the residual y: of `'odice'`, as the authors have them, max(y, 0) for Pearson's χ²; of
   * `'theory'`, the derivative of f*, max(y / 2 + 1, 0). They are the same for the other dual. Default: `'odice'`.
   */
  weight?: 'odice' | 'theory' | undefined;
  /** The share of the new values in those of the target after a step: in (0, 1]. Default: 0.005. */
  targetRate?: number | undefined;
  /** Learning rate of Adam, positive. Default: 1e-4. */
  lr?: number | undefined;
}

type Given = Resolved<OdiceValueLearnerOptions>;
const schema: Schema<Given> = {
  lambda: portion(0.8),
  eta: notNegative(1),
  discount: positive(0.99, 1),
  dual: word<Given['dual']>(['pearson', 'reverse-kl'], 'pearson'),
  mode: word<Given['mode']>(['orthogonal', 'true', 'semi'], 'orthogonal'),
  weight: word<Given['weight']>(['odice', 'theory'], 'odice'),
  targetRate: positive(0.005, 1),
  lr: positive(1e-4),
};

/** Transitions of {@link OdiceValueLearner.step}. */
export interface OdiceBatch {
  /** [b, …], in the form that the oracle takes. */
  readonly states: Tensor;
  /** Like `states`. */
  readonly nextStates: Tensor;
  /** [b], of the dtype of the parameters. */
  readonly rewards: Tensor;
  /** [b], of the dtype of the parameters: 1 where the next state is none, else 0. */
  readonly done: Tensor;
}

/** The result of {@link OdiceValueLearner.step}. */
export interface OdiceStep {
  /** [b], a new tensor: the weight of each action for the policy, from 0 to 100, by the values before the step. */
  readonly policyWeights: Tensor;
  /**
   * k, f64 `[1]`; 0 but for `'orthogonal'`. It and the numbers below belong to the learner, and are of the last step.
   */
  readonly coefficient: Tensor<'f64'>;
  /** The mean forward residual, f64 `[1]`. */
  readonly tdMean: Tensor<'f64'>;
  /** The sum of the weights, f64 `[1]`: 0 where no action is to be learned. */
  readonly weightSum: Tensor<'f64'>;
  /** The number of exponents of `'reverse-kl'` that were cut off at 80, f64 `[1]`. */
  readonly cut: Tensor<'f64'>;
}

/** Adam's, as in AdamW. */
const adam = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 };

/** The least |g_f|² by which the coefficient divides. */
const floor = 1e-10;

/** Tensors for batches of one size: values, cotangents of the losses, and what is no number where `done` is neither. */
interface Batch {
  readonly count: number;
  readonly all: readonly Tensor[];
  readonly now: Tensor;
  readonly next: Tensor;
  readonly targetNow: Tensor;
  readonly targetNext: Tensor;
  readonly forward: Tensor;
  readonly backward: Tensor;
  readonly mean: Tensor;
  readonly fault: Tensor;
}

/**
 * Learns a value function from logged transitions with the dual objective of O-DICE, whose gradient through the next
 * state's value is made orthogonal to that through the state's own. From the same values come weights of the logged
 * actions, by which a policy learns to repeat the better ones. A step is queued and waits for the oracle only.
 *
 * With V̄ the values of a target that follows slowly, u = 1 − done, y = r + u γ V̄(s') − V(s) and b = r + u γ V(s') −
 * V̄(s): g = (1 − λ) ∇ mean V(s) + g_f + g_b − k g_f, where g_f = λ ∇ mean f*(y) through V(s), g_b = λ η ∇ mean f*(b)
 * through V(s') and k = ⟨g_f, g_b⟩ / |g_f|², see {@link projectOut}. Adam without decay takes the step.
 *
 * Numbers that are not finite, and `done` that is neither 0 nor 1, move nothing: the step after the device has told of
 * them throws, with the number of the one that failed and the function of the oracle that gave them, if one did, and
 * steps go on from before it.
 *
 * State: the target and two moments, 3 times the parameters, stored with `lr`; 3 more while it lives, and 4 where the
 * oracle has no `forwardAt`.
 *
 * Source: O-DICE, "Revealing the Mystery of Distribution Correction Estimation via Orthogonal-gradient Update" (ICLR
 * 2024), and the authors' program, odice.py.
 *
 * @example
 * const learner = new OdiceValueLearner(linearValue(36, { device }), { lambda: 0.5, discount: 0.9 });
 * const { policyWeights } = await learner.step({ states, nextStates, rewards, done });
 */
export class OdiceValueLearner extends StatefulSteps {
  /** Adam's rate of the next steps; saved and loaded. */
  lr: number;
  readonly #oracle: ValueOracle;
  /** The function of the oracle as it was given. */
  readonly #forwardAt: ValueOracle['forwardAt'];
  readonly #options: Omit<Given, 'lr'>;
  readonly #device: Device;
  readonly #dtype: 'f32' | 'f64';
  readonly #params: readonly Tensor[];
  readonly #target: readonly Tensor[];
  /** Views of the target for `forwardAt`: an oracle that disposes of what it is given takes no state along. */
  readonly #lent: Tensor[];
  /** The parameters while they hold the target, for an oracle that knows no others. */
  readonly #kept: readonly Tensor[] | undefined;
  readonly #forward: readonly Tensor[];
  readonly #backward: readonly Tensor[];
  readonly #gradient: readonly Tensor[];
  readonly #adam: {
    readonly momenta: readonly Tensor[];
    readonly roots: readonly Tensor[];
    readonly steps: readonly Tensor[];
  };
  /** Means of the residuals of both losses in the last batch, the sum of its weights, and how many exponents it cut. */
  readonly #sums: Tensor<'f64'>;
  readonly #numbers: Readonly<Record<'coefficient' | 'tdMean' | 'weightSum' | 'cut', Tensor<'f64'>>>;
  readonly #products: Products;
  readonly #suspects: Suspects;
  /** Views of lengths of a step: of both states, of tensors like `rewards`, of what vjp gave, and of the gradient. */
  readonly #lengths: Readonly<Record<'states' | 'rest' | 'pulled' | 'gradient', Tensor>>;
  #batch: Batch | undefined;
  readonly #steps: GuardedSteps<{ lr: number }>;

  /**
   * @throws ERR_ARGUMENT for what is no oracle, and for options out of range; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE,
   * ERR_DISPOSED for parameters that are none; ERR_MEMORY
   */
  constructor(oracle: ValueOracle, options: OdiceValueLearnerOptions = {}) {
    super();
    const where = 'OdiceValueLearner';
    checkValueOracle(where, oracle);
    const { lr, ...rest } = readOptions(where, options, schema);
    const params = [...oracle.params];
    const { device, dtype } = params[0]!;
    this.lr = lr;
    this.#options = rest;
    this.#oracle = oracle;
    this.#forwardAt = oracle.forwardAt;
    this.#device = device;
    this.#dtype = dtype as 'f32' | 'f64';
    this.#params = params;
    using owned = new Owned<Tensor>();
    const like = () => vectors.like(params, owned);
    const zeros = () => params.map(({ shape }) => owned.add(Tensor.zeros(device, shape, { dtype })));
    [this.#target, this.#forward, this.#backward, this.#gradient] = [like(), like(), like(), like()];
    this.#kept = this.#forwardAt ? undefined : like();
    this.#lent = this.#forwardAt ? this.#target.map((one) => owned.add(one.reshape(one.shape))) : [];
    vectors.copy(device, params, this.#target);
    const [momenta, roots] = [zeros(), zeros()];
    const steps = params.map(() => owned.add(Tensor.zeros(device, [1], { dtype: 'i32' })));
    this.#adam = { momenta, roots, steps };
    const numbers = (size: number) => owned.add(Tensor.zeros(device, [size], { dtype: 'f64' }));
    const sums = numbers(4);
    const sum = (place: number) => owned.add(sums.rows(place, place + 1));
    this.#sums = sums;
    this.#numbers = { coefficient: numbers(1), tdMean: sum(0), weightSum: sum(2), cut: sum(3) };
    this.#products = productsOn(device, owned);
    // Of what the caller gives nobody is named.
    const given = ['states', 'nextStates', 'rewards', 'done'].map(() => undefined);
    const pulls = rest.mode === 'semi' ? 2 : 3;
    const ofTarget = this.#forwardAt ? 'oracle.forwardAt' : 'oracle.forward';
    const asked = ['oracle.forward', 'oracle.forward', ofTarget, ofTarget, ...Array<string>(pulls).fill('oracle.vjp')];
    this.#suspects = new Suspects(device, [...given, ...asked], owned, 1);
    const lengths = (first: number, count: number) => this.#suspects.lengths(first, owned, count);
    const [pulled, end] = [given.length + 4, given.length + asked.length];
    this.#lengths = {
      states: lengths(0, 2),
      rest: lengths(2, pulled - 2),
      pulled: lengths(pulled, pulls),
      gradient: lengths(end, 1),
    };
    const named = (name: string, list: readonly Tensor[]) => list.map((tensor, i) => [`${name}.${i}`, tensor] as const);
    this.#steps = new GuardedSteps(device, {
      of: where,
      settings: rest,
      owned,
      tensors: Object.fromEntries([
        ...named('target', this.#target),
        ...named('momenta', momenta),
        ...named('roots', roots),
        ...named('steps', steps),
      ]),
      beside: Object.fromEntries(params.map((tensor, i) => [`oracle.params[${i}]`, tensor])),
      demand: 'oracle, states and rewards must give finite numbers, and done 0 or 1',
      culprit: () => this.#suspects.culprit(),
      numbers: {
        schema: { lr: schema.lr },
        read: () => ({ lr: this.lr }),
        restore: (numbers) => {
          this.lr = numbers.lr;
          this.#suspects.clear();
        },
      },
    });
    keepSteps(this, this.#steps);
  }

  /**
   * One step; it resolves when all is queued.
   *
   * @throws ERR_ARGUMENT for what is no batch, an `lr` that is none, what the oracle throws, with the step, and a step
   * before this one that gave NaN or infinity; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for tensors that do not fit;
   * ERR_DISPOSED, also if the oracle disposes of what it is given; ERR_STATE while another call runs; ERR_MEMORY.
   * Nothing has moved then
   */
  step(batch: OdiceBatch): Promise<OdiceStep> {
    return this.#steps.run('step', async (where) => {
      const { states, nextStates, rewards, done } = this.#checkBatch(where, batch);
      const problem = schema.lr.wrong(this.lr);
      if (problem) throw refusal(where, 'lr', problem.replace(/^must /, ''), shown(this.lr));
      const device = this.#device;
      const own = this.#batchOf(rewards.size);
      const { count, now, next, targetNow, targetNext, forward, backward, mean, fault } = own;
      await this.#values(where, states, now);
      await this.#values(where, nextStates, next);
      await this.#targetValues(where, [states, targetNow], [nextStates, targetNext]);
      const { lambda, eta, discount, mode, dual, weight } = this.#options;
      const policyWeights = new Tensor(device, [count], this.#dtype);
      try {
        ops.odiceSlopes(device, {
          ...{ now, next, targetNow, targetNext, rewards, done },
          ...{ forward, backward: mode === 'semi' ? undefined : backward, weights: policyWeights, fault },
          ...{ sums: this.#sums, lambda, eta, discount, dual: dual === 'pearson' ? dual : 'reverse_kl', weight },
        });
        await this.#pull(where, states, forward, this.#forward);
        if (mode !== 'semi') await this.#pull(where, nextStates, backward, this.#backward);
        ops.fill(device, { x: [mean], value: (1 - lambda) / count });
        await this.#pull(where, states, mean, this.#gradient);
        this.#look(batch, own);
        this.#move(own);
      } catch (error) {
        policyWeights.dispose();
        throw error;
      }
      return { policyWeights, ...this.#numbers };
    });
  }

  /** Tensors for batches of a size, which stay for those to come. */
  #batchOf(count: number): Batch {
    const old = this.#batch;
    if (old?.count === count && !old.all.some(({ disposed }) => disposed)) return old;
    const { owned } = this.#steps;
    for (const one of old?.all ?? []) owned.drop(one);
    this.#batch = undefined;
    using made = new Owned<Tensor>();
    const like = () => made.add(new Tensor(this.#device, [count], this.#dtype));
    const [now, next, targetNow, targetNext] = [like(), like(), like(), like()];
    const [forward, backward, mean, fault] = [like(), like(), like(), like()];
    const all = [...made];
    for (const one of all) owned.add(made.release(one));
    this.#batch = { count, all, now, next, targetNow, targetNext, forward, backward, mean, fault };
    return this.#batch;
  }

  #checkBatch(where: string, batch: unknown): OdiceBatch {
    if (!isRecord(batch)) throw refusal(where, 'batch', 'be an object', shown(batch));
    const { states, nextStates, rewards, done } = batch as unknown as OdiceBatch;
    const [device, dtypes] = [this.#device, [this.#dtype]];
    check.tensor(where, 'rewards', rewards, { rank: 1, dtypes, device, filled: true });
    check.tensor(where, 'done', done, { shape: rewards.shape, dtypes, device });
    check.tensor(where, 'states', states, { device, filled: true });
    if (states.shape[0] !== rewards.size)
      throw refusal(where, 'states', `have ${rewards.size} rows`, `[${states.shape}]`, 'ERR_SHAPE');
    check.tensor(where, 'nextStates', nextStates, { shape: states.shape, dtypes: [states.dtype], device });
    return { states, nextStates, rewards, done };
  }

  async #call(
    where: string,
    name: 'forward' | 'forwardAt' | 'vjp',
    lent: readonly Tensor[],
    run: () => void | Promise<void>,
  ): Promise<void> {
    const words = `${where}: oracle.${name} of step ${this.#steps.steps + 1}`;
    const wait = called(words, [...this.#params, ...lent], run);
    if (wait) await wait;
    this.#steps.checkAlive(where);
  }

  #values(where: string, states: Tensor, out: Tensor): Promise<void> {
    return this.#call(where, 'forward', [states, out], () => this.#oracle.forward(states, out));
  }

  #pull(where: string, states: Tensor, cotangent: Tensor, grads: readonly Tensor[]): Promise<void> {
    const run = () => this.#oracle.vjp(states, cotangent, grads);
    return this.#call(where, 'vjp', [states, cotangent, ...grads], run);
  }

  /** Views of the target, made anew where an oracle has disposed of some. */
  #lend(): readonly Tensor[] {
    const { owned } = this.#steps;
    for (const [i, old] of this.#lent.entries()) {
      if (!old.disposed) continue;
      owned.drop(old);
      this.#lent[i] = owned.add(this.#target[i]!.reshape(old.shape));
    }
    return this.#lent;
  }

  /** The target's values of each states, into the tensor beside them. */
  async #targetValues(where: string, ...pairs: readonly (readonly [states: Tensor, out: Tensor])[]): Promise<void> {
    const [device, target, kept, forwardAt] = [this.#device, this.#target, this.#kept, this.#forwardAt];
    if (!kept) {
      for (const [states, out] of pairs) {
        const lent = this.#lend();
        const run = () => forwardAt!.call(this.#oracle, lent, states, out);
        await this.#call(where, 'forwardAt', [...lent, states, out], run);
      }
      return;
    }
    vectors.copy(device, this.#params, kept);
    vectors.copy(device, target, this.#params);
    try {
      for (const [states, out] of pairs) await this.#values(where, states, out);
    } finally {
      const all = [...this.#params, ...kept];
      if (!all.some(({ disposed }) => disposed)) vectors.copy(device, kept, this.#params);
    }
  }

  /** Measures all that the step has been given. */
  #look({ states, nextStates, rewards }: OdiceBatch, { now, next, targetNow, targetNext, fault }: Batch): void {
    const device = this.#device;
    if (states.dtype === 'f32' || states.dtype === 'f64')
      ops.norms(device, { x: [states, nextStates], out: this.#lengths.states });
    ops.norms(device, { x: [rewards, fault, now, next, targetNow, targetNext], out: this.#lengths.rest });
  }

  /** The step from the gradients of all parts. */
  #move({ fault }: Batch): void {
    const [device, { mode, targetRate: rate }] = [this.#device, this.#options];
    const [gradient, forward, backward] = [this.#gradient, this.#forward, this.#backward];
    const { coefficient: k } = this.#numbers;
    const pulled = [[1, gradient], [1, forward]] as const; // biome-ignore format: one line
    const measured = { terms: this.#lengths.pulled, out: this.#lengths.gradient };
    if (mode === 'semi') vectors.along(device, gradient, pulled, measured);
    else if (mode === 'true') vectors.along(device, gradient, [...pulled, [1, backward]], measured);
    else {
      setCoefficient(forward, backward, k, this.#products, floor);
      vectors.along(device, gradient, [[[-1, k], forward], ...pulled, [1, backward]], measured);
    }
    const { sizes, told } = this.#suspects;
    this.#steps.commit([told], [sizes]);
    // The slope of a residual of −∞ is 0, a finite number, but its mean is none.
    const { pulled: all, gradient: own } = this.#lengths;
    this.#steps.examine([all, own, this.#sums, fault]);
    const { guard } = this.#steps;
    ops.adamw(device, { weights: this.#params, grads: gradient, ...this.#adam, ...adam, lr: this.lr, guard });
    vectors.combine(device, forward, [1 - rate, this.#target], [rate, this.#params]);
    this.#steps.finish(this.#target, forward);
  }
}

function checkValueOracle(where: string, oracle: unknown): asserts oracle is ValueOracle {
  if (!isRecord(oracle)) throw refusal(where, 'oracle', 'be an oracle', shown(oracle));
  checkParams(where, 'oracle.params', oracle['params']);
  for (const name of ['forward', 'vjp'])
    if (typeof oracle[name] !== 'function')
      throw refusal(where, 'oracle', `have a function ${name}`, shown(oracle[name]));
  const { forwardAt } = oracle;
  if (forwardAt !== undefined && typeof forwardAt !== 'function')
    throw refusal(where, 'oracle', 'have no forwardAt but a function', shown(forwardAt));
}
