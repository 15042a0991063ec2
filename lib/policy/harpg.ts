import { uniform } from '../core/philox.ts';
import { flag, readOptions, type Schema, whole } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { keepSteps, StatefulSteps } from '../files/stateful-steps.ts';
import { type Lengths, lengths, type PolicySchedule } from './schedule.ts';
import { type PolicyOracle, type PolicyStep, Transport } from './transport.ts';

/** Options of {@link Harpg}. */
export interface HarpgOptions {
  /** True: steps of length γ, as N-HARPG; false: γ times the estimate, as HARPG. Default: true. */
  normalized?: boolean | undefined;
  /** γ₀, positive; of normalized steps the length of the first one in the space of the parameters. Default: 0.1. */
  stepSize?: number | undefined;
  /** η₀, the share of a new gradient in the estimate: in (0, 1]. Default: 1. */
  momentum?: number | undefined;
  /** `'paper'`: η₀ c, and γ₀ c if normalized or γ₀ √c if not, with c = 2 / (t + 2). Default: `'paper'`. */
  schedule?: PolicySchedule | undefined;
  /** Seed of the places where the Hessian is asked for: whole, from 0 to 2³² − 1. Default: 0. */
  seed?: number | undefined;
}

const schema: Schema<Lengths & { normalized: boolean; seed: number }> = {
  ...lengths,
  normalized: flag(true),
  seed: whole(0, 0, 2 ** 32 - 1),
};

/** The Hessian's seed less that of its step, so that its trajectories are others. */
const otherSeed = 2 ** 32;

/**
 * Ascent along an estimate of the gradient that products with Hessians carry from step to step: HARPG, and N-HARPG with
 * steps of a given length. The Hessian is asked for at a random place between the last two parameters, so that in the
 * mean its product with their difference is that of the gradients. A step is queued and waits for the oracle only.
 *
 * The oracle's `hessianProduct` gets the seed of the step plus 2³², so that its trajectories are others than those of
 * `gradient`. Gradients and products that are not finite move nothing, as of {@link NPgIgt}.
 *
 * State: 2 times the parameters; 4 more while it lives.
 *
 * Source: "Stochastic Policy Gradient Methods: Improved Sample Complexity for Fisher-non-degenerate Policies" (2023),
 * (N-)HARPG. In the authors' program the product has the wrong sign, and is one of
 * means over all trajectories; see {@link LinearSoftmaxPolicy} for the right one.
 *
 * @example
 * const method = new Harpg(policy.params, { stepSize: 1, seed: 1 });
 * for (let t = 0; t < 300; ++t) await method.step(oracle, t);
 */
export class Harpg extends StatefulSteps {
  readonly #transport: Transport;
  readonly #normalized: boolean;
  readonly #seed: number;
  /** θ less the θ of before, and the Hessian times it. */
  readonly #change: readonly Tensor[];
  readonly #product: readonly Tensor[];

  /**
   * @param params θ, f32 or f64 of one device, which steps change in place.
   * @throws ERR_ARGUMENT for options out of range; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  constructor(params: readonly Tensor[], options: HarpgOptions = {}) {
    super();
    const where = 'Harpg';
    const { normalized, seed, ...given } = readOptions(where, options, schema);
    this.#normalized = normalized;
    this.#seed = seed;
    this.#transport = new Transport(where, params, given, { stepSize: normalized ? 1 : 1 / 2, momentum: 1 }, 2, { normalized, seed }); // biome-ignore format: one line
    keepSteps(this, this.#transport.turns);
    [this.#change, this.#product] = this.#transport.extra as [readonly Tensor[], readonly Tensor[]];
  }

  /**
   * One step; it resolves when all is queued. The first one asks for no Hessian.
   *
   * @param seed Given to the oracle: whole, from 0 to 2³² − 1; another one for each step.
   * @throws ERR_UNSUPPORTED for an oracle without hessianProduct; ERR_ARGUMENT for what is no oracle or seed, for what
   * the oracle throws, with the step, and for a step before this one in which it gave NaN or infinity; ERR_DISPOSED,
   * also if it disposes of what it is given; ERR_STATE while another call runs. Nothing has moved then
   */
  step(oracle: PolicyOracle, seed: number): Promise<PolicyStep> {
    const transport = this.#transport;
    return transport.step(oracle, seed, true, this.#normalized, async (asked, turn, where) => {
      const { device, params, previous, point, gradient } = transport;
      const [change, product] = [this.#change, this.#product];
      // Both ask at tensors that are not the caller's, so that nobody can write into those.
      vectors.copy(device, params, point);
      const asking = transport.call(where, 'gradient', turn.steps, [...point, ...gradient], () =>
        asked.gradient(point, gradient, seed),
      );
      if (asking) await asking;
      if (turn.steps > 0) {
        const between = uniform(this.#seed, 0, turn.steps);
        const along = [[1, params], [-1, previous]] as const; // biome-ignore format: one line
        vectors.along(device, point, along, {}, { base: previous, sum: change, amount: between, by: 'plain' });
        const wait = transport.call(where, 'hessianProduct', turn.steps, [...point, ...change, ...product], () =>
          asked.hessianProduct!(point, change, product, seed + otherSeed),
        );
        if (wait) await wait;
      }
      return product;
    });
  }
}
