import { called, checkFinite } from '../core/callbacks.ts';
import type { Device } from '../core/device.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { isRecord } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import {
  count,
  flag,
  fraction,
  type Option,
  positive,
  readOptions,
  required,
  type Schema,
  whole,
} from '../core/schema.ts';
import { Suspects } from '../core/suspects.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { GuardedSteps } from '../files/guarded-steps.ts';
import { keepSteps, StatefulSteps } from '../files/stateful-steps.ts';
import { type BilevelFunction, type BilevelOracle, checkBilevelOracle } from '../solvers/bilevel-oracle.ts';

/** Options of the refinement of y before the first step. */
export interface RefineOptions {
  /** Rounds, each around the mean of the last one's points: whole, from 1 on. Default: 8. */
  epochs?: number | undefined;
  /** Steps of a round: whole, from 1 on. Default: 50. */
  steps?: number | undefined;
  /**
   * Radius of the ball around the start in the first round, half of it in each next one: positive. Default: Infinity.
   */
  radius?: number | undefined;
}

/** Options of {@link BoRep}. */
export interface BoRepOptions {
  /** η, the length of a step of x, or its factor without `normalize`: positive. It has no default. */
  lr: number;
  /** α of the steps of y: positive, below 2 / L for gradients that are L-Lipschitz. It has no default. */
  lowerLr: number;
  /** ν of the steps of z, the solution of the linear system: positive, as `lowerLr`. It has no default. */
  nu: number;
  /** The share of the old hypergradient in the running mean: in [0, 1). Default: 0.9. */
  beta?: number | undefined;
  /** y takes steps in one of so many steps, the first one among them: whole, from 1 on. Default: 2. */
  period?: number | undefined;
  /** Steps that y takes then: whole, from 1 on. Default: 3. */
  innerSteps?: number | undefined;
  /** The longest way that y may go in them: positive. Default: Infinity. */
  radius?: number | undefined;
  /** Options by which `init` refines y; true: the defaults. Default: false. */
  refine?: boolean | RefineOptions | undefined;
  /** True: x moves by `lr` in each step; false: by `lr` times the mean hypergradient. Default: true. */
  normalize?: boolean | undefined;
}

const beyond = (x: unknown): boolean => typeof x === 'number' && x > 0;
const radius: Option<number> = {
  default: Infinity,
  wrong: (x) => (beyond(x) ? undefined : 'must be a positive number or Infinity'),
};
const refineSchema: Schema<{ epochs: number; steps: number; radius: number }> = {
  epochs: count(8),
  steps: count(50),
  radius,
};

interface Given {
  lr: number;
  lowerLr: number;
  nu: number;
  beta: number;
  period: number;
  innerSteps: number;
  radius: number;
  refine: boolean | RefineOptions;
  normalize: boolean;
}

const schema: Schema<Given> = {
  lr: required(positive(1)),
  lowerLr: required(positive(1)),
  nu: required(positive(1)),
  beta: fraction(0.9),
  period: count(2),
  innerSteps: count(3),
  radius,
  refine: {
    default: false,
    wrong: (x) => (typeof x === 'boolean' || isRecord(x) ? undefined : 'must be true, false or an object'),
  },
  normalize: flag(true),
};

const where = 'BoRep';
/** Steps of y, at most, of whose gradients each is looked at by itself; of later ones the last is. */
const mostLooks = 16;
/** Functions that a step calls once, after those steps. */
const once = ['lowerHessianYY', 'upperGradientY', 'lowerJacobianXY', 'upperGradientX'] as const;
/** Lengths beside those of what functions give: of y, the next z, the mean and the next x. */
const own = 4;

/** The result of {@link BoRep.step}; the tensors belong to the method, and are of the last step. */
export interface BoRepStep {
  /** Length of the mean hypergradient, f64 `[1]`. */
  readonly hyperNorm: Tensor<'f64'>;
  /** Length of the lower gradient at the last step that y took, f64 `[1]`. */
  readonly lowerGradNorm: Tensor<'f64'>;
}

/**
 * Steps for problems of two levels whose upper function may bend without bound, as losses of recurrent networks do: y
 * follows the lower problem by a few gradient steps now and then, within a ball; z follows the linear system
 * ∇²_yy g z = ∇_y f; x takes steps of a given length along the running mean of ∇_x f − ∇²_xy g z. One product with each
 * second derivative a step. A step is queued and waits for the oracle only.
 *
 * Numbers that are not finite move nothing: the step after the device has told of them throws, with the number of the
 * one that failed and the function that gave them first, and steps go on from before it. x and y are the caller's
 * tensors, which steps change in place.
 *
 * State: z, like y, and the mean, like x, stored with `lr`; twice x and four times y more while it lives.
 *
 * Source: BO-REP, "Bilevel Optimization under Unbounded Smoothness: A New Algorithm and Convergence Analysis" (ICLR
 * 2024). The authors' program sums up the gradients of its inner steps, and has neither ball nor refinement; this
 * follows the paper.
 *
 * @example
 * const method = new BoRep(oracle, { lr: 0.1, lowerLr: 0.2, nu: 0.2 });
 * await method.init();
 * for (let t = 0; t < 1000; ++t) await method.step(t);
 */
export class BoRep extends StatefulSteps {
  /** η of the next steps; saved and loaded. */
  lr: number;
  readonly #oracle: Required<BilevelOracle>;
  readonly #options: Omit<Given, 'lr' | 'refine'>;
  readonly #refine: { epochs: number; steps: number; radius: number } | undefined;
  readonly #device: Device;
  readonly #z: readonly Tensor[];
  readonly #mean: readonly Tensor[];
  /** Buffers like y: where a block of steps began, a gradient or product, another or y before `init`; the next z. */
  readonly #center: readonly Tensor[];
  readonly #part: readonly Tensor[];
  readonly #nextY: readonly Tensor[];
  readonly #nextZ: readonly Tensor[];
  /** Buffers like x. */
  readonly #product: readonly Tensor[];
  readonly #nextX: readonly Tensor[];
  readonly #shares: Tensor;
  readonly #distance: Tensor;
  /** Views of the lengths that a step measures: of each gradient of y, of both pairs of results, and its own. */
  readonly #descents: readonly Tensor[];
  readonly #ofZ: Tensor;
  readonly #ofX: Tensor;
  readonly #lengths: { readonly y: Tensor; readonly z: Tensor; readonly x: Tensor };
  readonly #hyperNorm: Tensor<'f64'>;
  readonly #lowerGradNorm: Tensor<'f64'>;
  readonly #suspects: Suspects;
  readonly #steps: GuardedSteps<{ lr: number; refined: number }>;
  #refined = 0;

  /**
   * @throws ERR_ARGUMENT for what is no oracle, and for options out of range; ERR_UNSUPPORTED for an oracle without
   * second derivatives, see {@link finiteDifferences}; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  constructor(oracle: BilevelOracle, options: BoRepOptions) {
    super();
    checkBilevelOracle(where, oracle, [
      ...(['lowerGradientY', 'upperGradientX', 'upperGradientY', 'lowerHessianYY', 'lowerJacobianXY'] as const),
    ]);
    const { lr, refine, ...rest } = readOptions(where, options, schema);
    this.#refine = refine ? readOptions(where, refine === true ? {} : refine, refineSchema, 'refine') : undefined;
    this.lr = lr;
    this.#options = rest;
    this.#oracle = oracle as Required<BilevelOracle>;
    const { x, y } = oracle;
    const { device } = x[0]!;
    this.#device = device;
    using owned = new Owned<Tensor>();
    const zeros = (all: readonly Tensor[]) => {
      const made = vectors.like(all, owned);
      ops.fill(device, { x: made, value: 0 });
      return made;
    };
    [this.#z, this.#center, this.#part, this.#nextY, this.#nextZ] = [zeros(y), zeros(y), zeros(y), zeros(y), zeros(y)];
    [this.#mean, this.#product, this.#nextX] = [zeros(x), zeros(x), zeros(x)];
    const number = (size = 1) => owned.add(Tensor.zeros(device, [size], { dtype: 'f64' }));
    [this.#shares, this.#distance] = [number(y.length), number()];
    const descents = Math.min(rest.innerSteps, mostLooks);
    const calls = [...Array(descents).fill('lowerGradientY'), ...once].map((name) => `oracle.${name}`);
    this.#suspects = new Suspects(device, calls, owned, own);
    const lengths = (first: number, count?: number) => this.#suspects.lengths(first, owned, count);
    this.#descents = Array.from({ length: descents }, (_, k) => lengths(k));
    this.#lowerGradNorm = number();
    [this.#ofZ, this.#ofX] = [lengths(descents, 2), lengths(descents + 2, 2)];
    const [ofY, ofZ, ofMean, ofX] = Array.from({ length: own }, (_, k) => lengths(calls.length + k));
    [this.#lengths, this.#hyperNorm] = [{ y: ofY!, z: ofZ!, x: ofX! }, ofMean!];
    const named = (name: string, list: readonly Tensor[]) => list.map((tensor, i) => [`${name}.${i}`, tensor] as const);
    this.#steps = new GuardedSteps(device, {
      of: where,
      // JSON has no infinity.
      settings: { ...rest, radius: rest.radius === Infinity ? 'none' : rest.radius },
      owned,
      tensors: Object.fromEntries([...named('z', this.#z), ...named('mean', this.#mean)]),
      beside: Object.fromEntries([
        ...x.map((tensor, i) => [`oracle.x[${i}]`, tensor] as const),
        ...y.map((tensor, i) => [`oracle.y[${i}]`, tensor] as const),
      ]),
      demand: 'oracle must give finite numbers',
      culprit: () => this.#suspects.culprit(),
      numbers: {
        schema: { lr: schema.lr, refined: whole(0, 0, 1) },
        read: () => ({ lr: this.lr, refined: this.#refined }),
        restore: ({ lr: rate, refined }) => {
          [this.lr, this.#refined] = [rate, refined];
          this.#suspects.clear();
        },
      },
    });
    keepSteps(this, this.#steps);
  }

  /**
   * Refines y, where that was asked for: rounds of gradient steps within shrinking balls, each round around the mean of
   * the points of the last one. Steps keep their size without a `sample`, and halve from round to round with one.
   *
   * @param sample Names the mini-batch of the first gradient step; each further one has the next number. Default: none.
   * @throws ERR_ARGUMENT for what the oracle throws and for NaN and infinity; ERR_DISPOSED; ERR_STATE while another
   * call runs, and after the first step. y is then as before
   */
  init(sample?: number): Promise<void> {
    return this.#steps.run('init', async (place) => {
      checkSample(place, sample);
      if (this.#steps.steps > 0)
        throw new OrthokitError(
          'ERR_STATE',
          `${place}: must be called before the first step, got ${this.#steps.steps}`,
        );
      if (this.#refine) await this.#refineWith(place, this.#refine, sample);
      this.#refined = 1;
    });
  }

  /**
   * One step; it resolves when all is queued.
   *
   * @param sample Names the mini-batch: given to each function of the oracle. Default: none.
   * @throws ERR_ARGUMENT for an `lr` that is none, for what the oracle throws, with the step, and for a step before
   * this one in which it gave NaN or infinity; ERR_DISPOSED, also if it disposes of what it is given; ERR_STATE while
   * another call runs, and before `init` where y is to be refined. Nothing has moved then
   */
  step(sample?: number): Promise<BoRepStep> {
    return this.#steps.run('step', async (place) => {
      checkSample(place, sample);
      const problem = schema.lr.wrong(this.lr);
      if (problem) throw refusal(place, 'lr', problem.replace(/^must /, ''), shown(this.lr));
      if (this.#refine && !this.#refined)
        throw new OrthokitError('ERR_STATE', `${place}: init must be called before, got none`);
      const { x, y } = this.#oracle;
      const device = this.#device;
      const { lowerLr, period, innerSteps, radius: most } = this.#options;
      // Other steps leave y as it is.
      const isOfY = this.#steps.steps % period === 0;
      const [kept, before] = isOfY ? [y, this.#center] : [];
      if (isOfY) vectors.copy(device, y, this.#center);
      try {
        for (let k = 0; k < (isOfY ? innerSteps : 0); ++k)
          await this.#descend(place, lowerLr, most, sample, Math.min(k, mostLooks - 1));
        if (isOfY) ops.copy(device, { x: [this.#descents.at(-1)!], out: [this.#lowerGradNorm] });
        await this.#follow(place, sample);
      } catch (error) {
        if (isOfY && !y.some(({ disposed }) => disposed)) vectors.copy(device, this.#center, y);
        throw error;
      }
      const { sizes, told } = this.#suspects;
      const state = [...x, ...this.#z, ...this.#mean];
      const next = [...this.#nextX, ...this.#nextZ, ...this.#product];
      this.#steps.end({ state, x: next, kept, before, sizes, told });
      return { hyperNorm: this.#hyperNorm, lowerGradNorm: this.#lowerGradNorm };
    });
  }

  #call(
    place: string,
    name: BilevelFunction,
    lent: readonly Tensor[],
    run: () => void | Promise<void>,
  ): Promise<void> | undefined {
    const { x, y } = this.#oracle;
    const words = `${place}: oracle.${name} of step ${this.#steps.steps + 1}`;
    const wait = called(words, [...x, ...y, ...lent], run);
    if (wait) return wait.then(() => this.#steps.checkAlive(place));
    this.#steps.checkAlive(place);
    return undefined;
  }

  /** One gradient step of y, within a ball around the center; `look` is the place of its gradient among suspects. */
  async #descend(place: string, lowerLr: number, most: number, sample: number | undefined, look = 0): Promise<void> {
    const { y } = this.#oracle;
    const [device, part, center] = [this.#device, this.#part, this.#center];
    const wait = this.#call(place, 'lowerGradientY', part, () => this.#oracle.lowerGradientY(part, sample));
    if (wait) await wait;
    const measured = { out: this.#lengths.y, terms: this.#descents[look] };
    if (most === Infinity) {
      vectors.along(device, y, [[1, y], [-lowerLr, part]], measured); // biome-ignore format: one line
      return;
    }
    const far = [[1, y], [-1, center], [-lowerLr, part]] as const; // biome-ignore format: one line
    vectors.along(device, y, far, measured, { base: center, sum: part, amount: most, by: 'within' });
  }

  /** The new z, the new mean, and where x goes, from the present y. */
  async #follow(place: string, sample: number | undefined): Promise<void> {
    const { x } = this.#oracle;
    const device = this.#device;
    const { nu, beta, normalize } = this.#options;
    const [z, part, nextZ, product, nextX] = [this.#z, this.#part, this.#nextZ, this.#product, this.#nextX];
    const upperPart = this.#nextY;
    const oracle = this.#oracle;
    vectors.copy(device, z, nextZ);
    let wait = this.#call(place, 'lowerHessianYY', [...nextZ, ...part], () => oracle.lowerHessianYY(nextZ, part, sample)); // biome-ignore format: one line
    if (wait) await wait;
    wait = this.#call(place, 'upperGradientY', upperPart, () => oracle.upperGradientY(upperPart, sample));
    if (wait) await wait;
    const toward = [[1, z], [-nu, part], [nu, upperPart]] as const; // biome-ignore format: one line
    vectors.along(device, nextZ, toward, { sum: this.#lengths.z, terms: this.#ofZ });
    wait = this.#call(place, 'lowerJacobianXY', [...nextZ, ...product], () => oracle.lowerJacobianXY(nextZ, product, sample)); // biome-ignore format: one line
    if (wait) await wait;
    wait = this.#call(place, 'upperGradientX', nextX, () => oracle.upperGradientX(nextX, sample));
    if (wait) await wait;
    const share = this.#steps.steps > 0 ? 1 - beta : 1;
    const fresh = [[-share, product], [share, nextX]] as const; // biome-ignore format: one line
    const mean = share < 1 ? ([[beta, this.#mean], ...fresh] as const) : fresh;
    const measured = { sum: this.#hyperNorm, out: this.#lengths.x, terms: this.#ofX };
    // A mean of no length moves nothing.
    const by = normalize ? 'unit' : 'plain';
    vectors.along(device, nextX, mean, measured, { base: x, sum: product, amount: -this.lr, by });
  }

  #norm(x: readonly Tensor[], out: Tensor): void {
    vectors.length(this.#device, x, this.#shares, out);
  }

  async #refineWith(
    place: string,
    { epochs, steps, radius: first }: { epochs: number; steps: number; radius: number },
    sample: number | undefined,
  ): Promise<void> {
    const { y } = this.#oracle;
    const device = this.#device;
    const [start, mean] = [this.#nextY, this.#nextZ];
    const sampleAt = (step: number) => (sample === undefined ? undefined : sample + step);
    vectors.copy(device, y, start);
    try {
      for (let epoch = 0; epoch < epochs; ++epoch) {
        vectors.copy(device, y, this.#center);
        ops.fill(device, { x: mean, value: 0 });
        const lowerLr = this.#options.lowerLr / (sample === undefined ? 1 : 2 ** epoch);
        for (let k = 0; k < steps; ++k) {
          await this.#descend(place, lowerLr, first / 2 ** epoch, sampleAt(epoch * steps + k));
          vectors.axpy(device, 1 / steps, y, mean);
          await device.flow();
        }
        vectors.copy(device, mean, y);
      }
      this.#norm(y, this.#distance);
      checkFinite(`${place}: oracle.lowerGradientY`, (await this.#distance.read())[0]!);
      this.#steps.checkAlive(place);
    } catch (error) {
      if (!y.some(({ disposed }) => disposed)) vectors.copy(device, start, y);
      throw error;
    }
  }
}

function checkSample(place: string, sample: unknown): void {
  if (sample === undefined || (Number.isSafeInteger(sample) && (sample as number) >= 0)) return;
  throw refusal(place, 'sample', 'be a whole number from 0 on', shown(sample));
}
