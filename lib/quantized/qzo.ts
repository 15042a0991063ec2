import * as check from '../core/check.ts';
import { epsilonOf } from '../core/dtypes.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { checkParams } from '../core/params.ts';
import {
  count,
  kind,
  notNegative,
  type Option,
  positive,
  type Resolved,
  readOptions,
  type Schema,
} from '../core/schema.ts';
import { placeOf, Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { CountedSteps } from '../files/counted-steps.ts';
import { keepSteps, StatefulSteps } from '../files/stateful-steps.ts';
import { askLoss, checkLoss, checkSeed, type LossResult, numbersOf } from './forward-only/loss.ts';

/** Options of {@link QZO}. */
export interface QZOOptions {
  /** The size of a step, not negative; it may change between steps. Default: 1e-5. */
  readonly lr?: number | undefined;
  /** The distance at which losses are asked for, positive. Default: 1e-3. */
  readonly eps?: number | undefined;
  /** The most that a directional derivative counts for, positive, or null: no bound. Default: 100. */
  readonly clip?: number | null | undefined;
  /** The least that a scale may become, not negative. Default: 1e-7. */
  readonly minScale?: number | undefined;
  /** Directions of a step, of which each takes two losses. Default: 1. */
  readonly directions?: number | undefined;
  /** Tensors that are not scales and are trained, too, such as biases; all f32 or all f64. Default: none. */
  readonly extra?: readonly Tensor[] | undefined;
  /** Decay of `extra` of rank 2 and more, not negative. Default: 0. */
  readonly weightDecay?: number | undefined;
}

/** The result of {@link QZO.step}; with several directions losses are means over them. */
export interface QZOStep {
  /** The loss at +eps. */
  readonly lossPlus: number;
  /** The loss at −eps. */
  readonly lossMinus: number;
  /** The directional derivative before clipping; of several directions the one that is largest in size. */
  readonly projected: number;
  /** The directional derivatives of all directions. Their spread is the noise of the estimate. */
  readonly projections: readonly number[];
  /** True where one of them was clipped. */
  readonly clipped: boolean;
  /** Scales that were raised to `minScale`. */
  readonly floored: number;
  /** Directions whose losses differ by 8 units in the last place or less: rounding decides, and `eps` is too small. */
  readonly unresolved: number;
  /** `'nonfinite'`: a loss was NaN or infinite, and nothing has changed. */
  readonly status: 'ok' | 'nonfinite';
}

/** A loss at given scales and other tensors, which stand in for one's own and are gone after the step. */
export type QZOLoss = (scales: readonly Tensor[], extra: readonly Tensor[]) => LossResult;

const clipOption: Option<number | null> = {
  default: 100,
  wrong: (x) => (x === null || (typeof x === 'number' && x > 0 && x < Infinity) ? undefined : 'must be a positive number or null'), // biome-ignore format: one line
};
const schema: Schema<Resolved<QZOOptions, 'extra'>> = {
  lr: notNegative(1e-5),
  eps: positive(1e-3),
  clip: clipOption,
  minScale: notNegative(1e-7),
  directions: count(1),
  extra: kind(Array.isArray, 'a list of tensors'),
  weightDecay: notNegative(0),
};

/** Units in the last place of a loss within which a difference says nothing. */
const noisyUnits = 8;
/** Streams of the directions of `extra`: others than those of scales. */
const extraStream = 2 ** 32;

/**
 * Trains quantized layers by forward passes alone: scales move along random directions z by how much the loss at s +
 * eps·z differs from that at s − eps·z. z is drawn anew by element wherever it is needed and never stored; scales are
 * perturbed in a copy, so that they do not drift. With {@link QuantLinear.scales} all that training takes beside the
 * model is that copy, whatever the number of directions.
 *
 * g = (L₊ − L₋) / 2 eps, held within ±clip (directional derivative clipping, which keeps large steps from diverging);
 * s ← max(s − lr · mean of g·z, minScale); extra tensors p ← p − lr · (mean of g·z + weightDecay · p).
 *
 * The estimate is noisy: its square is d + 2 times that of the gradient for d scales. Hundreds and thousands of steps
 * are the rule, and `lr` is found by trial between 1e-7 and 1e-3.
 *
 * State: the number of steps, and of scales that the last one raised to the floor; the perturbed copy while it lives.
 *
 * Source: QZO (2025), "Fine-tuning Quantized Neural Networks with Zeroth-order Optimization";
 * `large_language_models/trainer.py` of the authors' program, which perturbs in place, so that scales drift by
 * rounding, and draws in the order of tensors.
 *
 * @example
 * const qzo = new QZO([layer.scales], { lr: 1e-4 });
 * const { lossPlus } = await qzo.step(([scales]) => lossOf(layer.apply(x, { scales })), seed);
 */
export class QZO extends StatefulSteps {
  /** The size of a step; it may change between steps. */
  lr: number;
  readonly #options: Omit<Resolved<QZOOptions, 'extra'>, 'lr' | 'extra'>;
  readonly #scales: readonly Tensor[];
  readonly #extra: readonly Tensor[];
  readonly #perturbedScales: readonly Tensor[];
  readonly #perturbedExtra: readonly Tensor[];
  readonly #floored: Tensor;
  readonly #steps: CountedSteps;
  #hasWarned = false;

  /**
   * @param scales f32 or f64 tensors of one device, which steps change in place.
   * @throws ERR_ARGUMENT for options out of range, and for tensors that have memory in common; ERR_SHAPE,
   * ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  constructor(scales: readonly Tensor[], options: QZOOptions = {}) {
    super();
    const where = 'QZO';
    checkParams(where, 'scales', scales);
    const { lr, extra = [], ...given } = readOptions(where, options, schema);
    if (extra.length > 0) {
      checkParams(where, 'extra', extra);
      for (const [i, tensor] of extra.entries()) {
        check.tensor(where, `extra[${i}]`, tensor, { device: scales[0]!.device });
        if (scales.includes(tensor)) throw refusal(where, `extra[${i}]`, 'be another tensor', 'one of the scales');
      }
    }
    checkApart(where, [...named('scales', scales), ...named('extra', extra)]);
    this.lr = lr;
    this.#options = given;
    this.#scales = [...scales];
    this.#extra = [...extra];
    using owned = new Owned<Tensor>();
    this.#perturbedScales = vectors.like(this.#scales, owned);
    this.#perturbedExtra = vectors.like(this.#extra, owned);
    this.#floored = owned.add(Tensor.zeros(scales[0]!.device, [1], { dtype: 'f64' }));
    this.#steps = new CountedSteps({
      of: where,
      tensors: { floored: this.#floored },
      owned,
      beside: Object.fromEntries([...named('scales', this.#scales), ...named('extra', this.#extra)]),
      settings: {},
    });
    keepSteps(this, this.#steps);
  }

  /** Steps so far, those that a loss which is not finite has left without effect included. */
  get steps(): number {
    return this.#steps.steps;
  }

  /**
   * One step. The losses are asked for one after the other; tensors that the loss gives are waited for together, so
   * that a step waits for the device once if the loss does not.
   *
   * @param loss The loss of scales and extra tensors that are like one's own and stand in for them. It runs twice a
   * direction.
   * @param seed Seed of the directions: whole, from 0 to 2^53 − 1, another one for each step. Default: the steps so
   * far.
   * @throws ERR_ARGUMENT for no loss or seed, and for what the loss throws; ERR_DISPOSED, also if it disposes of what
   * it is given; ERR_STATE while another call runs. Nothing has moved then
   */
  step(loss: QZOLoss, seed?: number): Promise<QZOStep> {
    return this.#steps.run('step', async (where) => {
      const own = seed ?? this.steps;
      checkLoss(where, loss);
      checkSeed(where, own);
      const lr = this.#checkedLr(where);
      const { eps, directions, clip } = this.#options;
      const lent = [...this.#scales, ...this.#extra, ...this.#perturbedScales, ...this.#perturbedExtra];
      const asked: { readonly value: Promise<number> }[] = [];
      for (let j = 0; j < directions; ++j)
        for (const factor of [eps, -eps]) {
          this.#perturb(own, j, factor);
          asked.push(await askLoss(`${where}: loss`, lent, () => loss(this.#perturbedScales, this.#perturbedExtra)));
        }
      const losses = await numbersOf(asked);
      this.#steps.checkAlive(where);
      const plus = losses.filter((_, i) => i % 2 === 0);
      const minus = losses.filter((_, i) => i % 2 === 1);
      const projections = plus.map((value, j) => (value - minus[j]!) / (2 * eps));
      const told = {
        lossPlus: meanOf(plus),
        lossMinus: meanOf(minus),
        projected: projections.reduce((most, one) => (Math.abs(one) > Math.abs(most) ? one : most)),
        projections,
      };
      this.#steps.count();
      if (!losses.every(Number.isFinite) || !projections.every(Number.isFinite))
        return { ...told, clipped: false, floored: 0, unresolved: 0, status: 'nonfinite' };
      const most = clip ?? Infinity;
      const held = projections.map((one) => Math.min(most, Math.max(-most, one)));
      const floored = this.#move(
        own,
        held.map((one) => (-lr * one) / directions),
        lr,
      );
      const unresolved = this.#unresolved(plus, minus);
      this.#warn(where, unresolved);
      const clipped = projections.some((one) => Math.abs(one) > most);
      return { ...told, clipped, floored: await floored, unresolved, status: 'ok' };
    });
  }

  #checkedLr(where: string): number {
    const problem = schema.lr.wrong(this.lr);
    if (problem) throw refusal(where, 'lr', problem.slice(5), this.lr);
    return this.lr;
  }

  #perturb(seed: number, stream: number, factor: number): void {
    const { device } = this.#floored;
    const factors = [factor];
    ops.axpyRandom(device, { x: this.#scales, out: this.#perturbedScales, factors, seed, stream });
    if (this.#extra.length > 0)
      ops.axpyRandom(device, {
        x: this.#extra,
        out: this.#perturbedExtra,
        factors,
        seed,
        stream: extraStream + stream,
      });
  }

  /** Queues the step; the number of scales at the floor. */
  #move(seed: number, factors: readonly number[], lr: number): Promise<number> {
    const { device } = this.#floored;
    const { minScale, weightDecay } = this.#options;
    const [scales, extra, floored] = [this.#scales, this.#extra, this.#floored];
    ops.fill(device, { x: [floored], value: 0 });
    ops.axpyRandom(device, { x: scales, out: scales, factors, seed, least: minScale, floored });
    const decayed = extra.filter(({ shape }) => shape.length > 1);
    if (weightDecay > 0 && decayed.length > 0) vectors.scale(device, 1 - lr * weightDecay, decayed);
    if (extra.length > 0) ops.axpyRandom(device, { x: extra, out: extra, factors, seed, stream: extraStream });
    return floored.read().then(([value]) => Number(value));
  }

  #unresolved(plus: readonly number[], minus: readonly number[]): number {
    const unit = epsilonOf(this.#scales[0]!.dtype);
    return plus.filter((a, j) => {
      const b = minus[j]!;
      return Math.abs(a - b) <= noisyUnits * unit * Math.max(Math.abs(a), Math.abs(b));
    }).length;
  }

  #warn(where: string, unresolved: number): void {
    if (unresolved === 0 || this.#hasWarned) return;
    this.#hasWarned = true;
    process.emitWarning(`${where}: losses at both ends of a direction are equal but for rounding, eps is too small`, {
      type: 'OrthokitWarning',
      code: 'ORTHOKIT_UNRESOLVED',
    });
  }
}

const named = (name: string, list: readonly Tensor[]) => list.map((tensor, i) => [`${name}[${i}]`, tensor] as const);

/** @throws ERR_ARGUMENT for tensors that have bytes in common: a step would move these twice */
function checkApart(where: string, tensors: readonly (readonly [name: string, tensor: Tensor])[]): void {
  const places = tensors.map(([name, tensor]) => ({ name, ...placeOf(tensor) }));
  const blocks = new Map<object, typeof places>();
  for (const place of places) {
    const list = blocks.get(place.block);
    if (list) list.push(place);
    else blocks.set(place.block, [place]);
  }
  for (const list of blocks.values()) {
    list.sort((a, b) => a.begin - b.begin);
    for (const [i, { name, begin }] of list.entries())
      if (i > 0 && begin < list[i - 1]!.end)
        throw refusal(where, name, 'have memory of its own', `some of ${list[i - 1]!.name}`);
  }
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
