import { readOptions, type Schema } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { keepSteps, StatefulSteps } from '../files/stateful-steps.ts';
import { type Lengths, lengths, type PolicySchedule } from './schedule.ts';
import { type PolicyOracle, type PolicyStep, Transport } from './transport.ts';

/** Options of {@link NPgIgt}. */
export interface NPgIgtOptions {
  /** γ₀, the length of the first step in the space of the parameters: positive. Default: 0.1. */
  stepSize?: number | undefined;
  /** η₀, the share of a new gradient in the estimate: in (0, 1]. Default: 1. */
  momentum?: number | undefined;
  /** `'paper'`: γ₀ c and η₀ c^(4/5) with c = 2 / (t + 2). Default: `'paper'`. */
  schedule?: PolicySchedule | undefined;
}

const schema: Schema<Lengths> = lengths;

/**
 * Ascent by steps of a given length along an estimate of the gradient that moves with the parameters: normalized policy
 * gradients with implicit gradient transport, N-PG-IGT. Gradients are asked for ahead of the parameters, at
 * θ + (1 − η) / η · (θ − θ of the step before), so that their running mean is the gradient at θ where the Hessian is
 * constant. It takes any noisy gradient, not those of policies alone. A step is queued and waits for the oracle only.
 *
 * `stepSize` is a length: the method moves by γ₀ Σ 2 / (t + 2) at most. Long first steps of a policy can end in one
 * that always does the same, from which no gradient leads away.
 *
 * A gradient that is not finite moves nothing, and neither do steps that follow it until the device has told of it: the
 * next step then throws, and after it steps go on from before the one that failed.
 *
 * State: 2 times the parameters; 2 more while it lives.
 *
 * Source: "Stochastic Policy Gradient Methods: Improved Sample Complexity for Fisher-non-degenerate Policies" (2023),
 * N-PG-IGT. The authors' program looks ahead by the η of the step before, which
 * breaks the identity above; this does not.
 *
 * @example
 * const method = new NPgIgt(policy.params, { stepSize: 1 });
 * for (let t = 0; t < 300; ++t) await method.step(oracle, t);
 */
export class NPgIgt extends StatefulSteps {
  readonly #transport: Transport;

  /**
   * @param params θ, f32 or f64 of one device, which steps change in place.
   * @throws ERR_ARGUMENT for options out of range; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  constructor(params: readonly Tensor[], options: NPgIgtOptions = {}) {
    super();
    const where = 'NPgIgt';
    const given = readOptions(where, options, schema);
    this.#transport = new Transport(where, params, given, { stepSize: 1, momentum: 4 / 5 });
    keepSteps(this, this.#transport.turns);
  }

  /**
   * One step; it resolves when all is queued.
   *
   * @param seed Given to the oracle: whole, from 0 to 2³² − 1; another one for each step.
   * @throws ERR_ARGUMENT for what is no oracle or seed, for what the oracle throws, with the step, and for a step
   * before this one in which it gave NaN or infinity; ERR_DISPOSED, also if it disposes of what it is given; ERR_STATE
   * while another call runs. Nothing has moved then
   */
  step(oracle: PolicyOracle, seed: number): Promise<PolicyStep> {
    const transport = this.#transport;
    return transport.step(oracle, seed, false, true, async (asked, turn, where) => {
      transport.lookAhead((1 - turn.eta) / turn.eta, turn);
      const { point, gradient } = transport;
      const wait = transport.call(where, 'gradient', turn.steps, [...point, ...gradient], () =>
        asked.gradient(point, gradient, seed),
      );
      if (wait) await wait;
      return undefined;
    });
  }
}
