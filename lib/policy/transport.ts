import { called } from '../core/callbacks.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { isRecord } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { checkParams } from '../core/params.ts';
import { Suspects } from '../core/suspects.ts';
import type { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { GuardedSteps } from '../files/guarded-steps.ts';
import { type Exponents, type Lengths, lengthsAt } from './schedule.ts';

/** An objective that is to become large, by estimates of its gradient at any parameters. */
export interface PolicyOracle {
  /**
   * grads = an estimate of the gradient at `params`, such as from trajectories that are played there. `params` are
   * tensors like the policy's, which must be left as they are; `seed` is that of the step.
   */
  gradient(params: readonly Tensor[], grads: readonly Tensor[], seed: number): void | Promise<void>;
  /** out = an estimate of the Hessian at `params`, times v, from trajectories of its own. */
  hessianProduct?(
    params: readonly Tensor[],
    v: readonly Tensor[],
    out: readonly Tensor[],
    seed: number,
  ): void | Promise<void>;
}

/** The result of a step. */
export interface PolicyStep {
  /** Length of the estimate of the gradient, f64 `[1]`; it belongs to the method, and holds that of the last step. */
  readonly gradNorm: Tensor<'f64'>;
  /** The share that the new estimate had, η. */
  readonly eta: number;
  /** The size of the step, γ. */
  readonly gamma: number;
}

/** A place to begin a step from. */
export interface Turn {
  /** Steps so far. */
  readonly steps: number;
  readonly gamma: number;
  readonly eta: number;
}

/** Parameters, those of one step before, and the running estimate of the gradient, which moves with them. */
export class Transport {
  readonly params: readonly Tensor[];
  readonly device: Device;
  readonly #lengths: Lengths;
  readonly #exponents: Exponents;
  readonly previous: readonly Tensor[];
  /** d, the estimate. */
  readonly #estimate: readonly Tensor[];
  /** The place where the oracle is asked, then the one to which the step leads. */
  readonly point: readonly Tensor[];
  /** The new gradient, then the new estimate. */
  readonly gradient: readonly Tensor[];
  /** Buffers like the parameters, of those that asked for some. */
  readonly extra: readonly (readonly Tensor[])[];
  readonly #suspects: Suspects;
  /** Lengths of the gradient, of it and a product, of the new estimate, and of the new point. */
  readonly #given: readonly [Tensor, Tensor];
  readonly #norm: Tensor<'f64'>;
  readonly #ofPoint: Tensor<'f64'>;
  readonly turns: GuardedSteps;

  constructor(
    of: string,
    params: readonly Tensor[],
    lengths: Lengths,
    exponents: Exponents,
    extra = 0,
    settings: Readonly<Record<string, unknown>> = {},
  ) {
    checkParams(of, 'params', params);
    this.#lengths = lengths;
    this.#exponents = exponents;
    this.params = [...params];
    const { device } = params[0]!;
    this.device = device;
    using owned = new Owned<Tensor>();
    const like = () => vectors.like(params, owned);
    [this.previous, this.#estimate, this.point, this.gradient] = [like(), like(), like(), like()];
    this.extra = Array.from({ length: extra }, like);
    this.#suspects = new Suspects(device, ['oracle.gradient', 'oracle.hessianProduct'], owned, 2);
    const made = (first: number, count?: number) => this.#suspects.lengths(first, owned, count);
    [this.#given, this.#norm, this.#ofPoint] = [[made(0), made(0, 2)], made(2), made(3)];
    vectors.copy(device, params, this.previous);
    ops.fill(device, { x: [...this.#estimate], value: 0 });
    const named = (name: string, list: readonly Tensor[]) => list.map((tensor, i) => [`${name}.${i}`, tensor] as const);
    this.turns = new GuardedSteps(device, {
      of,
      settings: {
        ...settings,
        ...lengths,
        schedule: typeof lengths.schedule === 'string' ? lengths.schedule : 'functions',
      },
      owned,
      tensors: Object.fromEntries([...named('previous', this.previous), ...named('estimate', this.#estimate)]),
      beside: Object.fromEntries(params.map((tensor, i) => [`params[${i}]`, tensor])),
      demand: 'oracle must give finite numbers',
      culprit: () => this.#suspects.culprit(),
      numbers: { schema: {}, read: () => ({}), restore: () => this.#suspects.clear() },
    });
  }

  /**
   * Runs one step, in which `ask` fills `gradient`; it may give what is added to the old estimate. The new one is a
   * share of the gradient, and the rest of that sum; at first it is the gradient.
   */
  step(
    oracle: unknown,
    seed: number,
    needsHessian: boolean,
    normalized: boolean,
    ask: (oracle: PolicyOracle, turn: Turn, where: string) => Promise<readonly Tensor[] | undefined>,
  ): Promise<PolicyStep> {
    return this.turns.run('step', async (where) => {
      checkPolicyOracle(where, oracle, needsHessian);
      if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32))
        throw refusal(where, 'seed', 'be a whole number from 0 to 4294967295', shown(seed));
      const { steps } = this.turns;
      const turn = { steps, ...lengthsAt(where, this.#lengths, this.#exponents, steps) };
      const added = await ask(oracle, turn, where);
      this.turns.checkAlive(where);
      this.#move(turn, added, normalized);
      return { gradNorm: this.#norm, eta: turn.eta, gamma: turn.gamma };
    });
  }

  /** Calls a function of the oracle's, which must not dispose of what it is given; undefined once it is over. */
  call(
    where: string,
    name: 'gradient' | 'hessianProduct',
    steps: number,
    lent: readonly Tensor[],
    run: () => void | Promise<void>,
  ): Promise<void> | undefined {
    return called(`${where}: oracle.${name} of step ${steps + 1}`, [...this.params, ...lent], run);
  }

  /** point = θ + factor (θ − θ of the step before); θ before the first step, to which the caller may have written. */
  lookAhead(factor: number, { steps }: Turn): void {
    if (steps === 0) {
      vectors.copy(this.device, this.params, this.point);
      return;
    }
    vectors.combine(this.device, this.point, [1 + factor, this.params], [-factor, this.previous]);
  }

  #move({ steps, eta, gamma }: Turn, added: readonly Tensor[] | undefined, normalized: boolean): void {
    const { device, params, point, gradient } = this;
    const terms: (readonly [number, readonly Tensor[]])[] = [[steps > 0 ? eta : 1, gradient]];
    if (steps > 0) terms.unshift([1 - eta, this.#estimate]);
    if (steps > 0 && added) terms.push([1 - eta, added]);
    const given = this.#given[steps > 0 && added ? 1 : 0];
    const measured = { sum: this.#norm, out: this.#ofPoint, terms: given };
    // An estimate of no length moves nothing.
    const by = normalized ? 'unit' : 'plain';
    vectors.along(device, point, terms, measured, { base: params, sum: gradient, amount: gamma, by });
    const state = [...params, ...this.#estimate];
    const { sizes, told } = this.#suspects;
    this.turns.end({ state, x: [...point, ...gradient], former: this.previous, sizes, told });
  }
}

function checkPolicyOracle(where: string, value: unknown, needsHessian: boolean): asserts value is PolicyOracle {
  if (!isRecord(value)) throw refusal(where, 'oracle', 'be an oracle', shown(value));
  if (typeof value['gradient'] !== 'function')
    throw refusal(where, 'oracle', 'have a function gradient', shown(value['gradient']));
  if (needsHessian && typeof value['hessianProduct'] !== 'function')
    throw refusal(where, 'oracle', 'have a function hessianProduct', shown(value['hessianProduct']), 'ERR_UNSUPPORTED');
}
