import * as check from '../core/check.ts';
import { OrthokitError, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import {
  finite,
  notNegative,
  type Option,
  type Resolved,
  readOptions,
  required,
  type Schema,
  word,
} from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';

/** Options of {@link AdaptiveProjectedGuidance}. */
export interface AdaptiveProjectedGuidanceOptions {
  /** w: 1 gives the conditional prediction, more pushes further away from the unconditional one. It has no default. */
  scale: number;
  /** η, the share of the part along the conditional prediction that stays: 1 projects nothing out. Default: 0. */
  eta?: number | undefined;
  /** r, the largest norm of a difference, which depends on the model's units; 0: as it is. Not negative. Default: 0. */
  rescale?: number | undefined;
  /** β, the factor of the difference of the step before: in (−1, 1), below 0 for reverse momentum. Default: 0. */
  momentum?: number | undefined;
  /**
   * `'cond'`: the conditional prediction and w − 1 times the difference; `'uncond'`: the unconditional one and w times
   * it, which is the same for η = 1, r = 0 and β = 0 alone. Default: `'cond'`.
   */
  base?: 'cond' | 'uncond' | undefined;
  /** Axes over which a norm is taken, from 1 on, each once. Default: all but the batch. */
  normAxes?: readonly number[] | undefined;
  /** Axes over which the projection is taken, from 1 on, each once. Default: all but the batch. */
  projectAxes?: readonly number[] | undefined;
}

/** Options of {@link AdaptiveProjectedGuidance.apply}. */
export interface GuidanceApplyOptions {
  /** A tensor like `cond` for the result, which may be `cond` or `uncond`. Default: a new one. */
  out?: Tensor | undefined;
}

type Given = Resolved<AdaptiveProjectedGuidanceOptions, 'normAxes' | 'projectAxes'>;
const axes: Option<readonly number[] | undefined> = {
  default: undefined,
  wrong: (x) =>
    x === undefined ||
    (Array.isArray(x) && x.every((axis, i) => Number.isSafeInteger(axis) && axis >= 1 && x.indexOf(axis) === i))
      ? undefined
      : 'must be a list of axes from 1 on, each once, as axis 0 is the batch',
};
const schema: Schema<Given> = {
  scale: required(finite(1)),
  eta: finite(0),
  rescale: notNegative(0),
  momentum: {
    default: 0,
    wrong: (x) => (typeof x === 'number' && Math.abs(x) < 1 ? undefined : 'must be in (-1, 1)'),
  },
  base: word<'cond' | 'uncond'>(['cond', 'uncond'], 'cond'),
  normAxes: axes,
  projectAxes: axes,
};
const applySchema: Schema<Resolved<GuidanceApplyOptions, 'out'>> = { out: check.tensorOption };

/**
 * Guidance at high scales without saturation: of the difference between the conditional and the unconditional
 * prediction, the part along the conditional one is projected out, its norm is bounded, and a momentum of steps before
 * is taken in, mostly a negative one. It costs no further call of the model. With c and u the predictions of one step,
 *
 *     d = c − u + β d₋₁,  s = min(1, r / ‖d‖),  p = (⟨s d, c⟩ / ⟨c, c⟩) c,  c + (w − 1) (s d − (1 − η) p).
 *
 * With η = 1, r = 0 and β = 0 it is plain classifier-free guidance. It is meant for predictions of x₀
 * ({@link predictionTo}). Each sample is by itself: a NaN stays in its sample, and with a momentum in the state until
 * `reset`.
 *
 * State: with a momentum one tensor like `cond`, in f32 or f64, from the first `apply` on; without one, none.
 *
 * Source: Sadat, Hilliges and Weber, "Eliminating Oversaturation and Artifacts of High Guidance Scales in Diffusion
 * Models" (ICLR 2025); the order of its steps as in Hugging Face's diffusers.
 *
 * @example
 * using guidance = new AdaptiveProjectedGuidance({ scale: 7, rescale: 5, momentum: -0.5 });
 * for (const t of steps) x = advance(x, guidance.apply(await predict(x, t, prompt), await predict(x, t)));
 */
export class AdaptiveProjectedGuidance {
  readonly #options: Given;
  #buffer: Tensor | undefined;
  #disposed = false;

  /** @throws ERR_ARGUMENT for options out of range, axes that are not from 1 on, and unknown names */
  constructor(options: AdaptiveProjectedGuidanceOptions) {
    const given = readOptions('AdaptiveProjectedGuidance', options, schema);
    this.#options = {
      ...given,
      normAxes: given.normAxes && [...given.normAxes],
      projectAxes: given.projectAxes && [...given.projectAxes],
    };
  }

  /**
   * The guided prediction of one step, in shape and dtype of `cond`; queued. Norms and products are summed in f64,
   * elements computed in f32, or f64 where `cond` is.
   *
   * @param cond `[batch, …]` of at least two axes, f32, f64, f16 or bf16.
   * @param uncond A tensor like `cond`.
   * @throws ERR_STATE with a momentum for another shape, dtype or device than that of the step before, as long as there
   * was no `reset`; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE; ERR_ARGUMENT, also for an axis that `cond` lacks; ERR_DISPOSED;
   * ERR_MEMORY. The state is what it was then
   */
  apply(cond: Tensor, uncond: Tensor, options: GuidanceApplyOptions = {}): Tensor {
    const where = 'AdaptiveProjectedGuidance.apply';
    check.alive(where, 'it', { disposed: this.#disposed });
    check.tensor(where, 'cond', cond, { dtypes: check.floating });
    const { device, shape, dtype } = cond;
    if (shape.length < 2)
      throw new OrthokitError('ERR_SHAPE', `${where}: cond must have a batch and another axis, got [${shape}]`);
    check.tensor(where, 'uncond', uncond, { dtypes: [dtype], shape, device });
    const { out } = readOptions(where, options, applySchema);
    if (out) check.tensor(where, 'out', out, { dtypes: [dtype], shape, device });
    const all = shape.map((_, axis) => axis).slice(1);
    const { normAxes = all, projectAxes = all, ...given } = this.#options;
    for (const [name, list] of Object.entries({ normAxes, projectAxes }))
      if (list.some((axis) => axis >= shape.length))
        throw new OrthokitError('ERR_ARGUMENT', `${where}: ${name} must be below ${shape.length}, the rank of cond, got ${shown(list)}`); // biome-ignore format: one line
    const result = out ?? new Tensor(device, shape, dtype);
    let fresh: Tensor | undefined;
    try {
      const kept = given.momentum === 0 ? undefined : this.#bufferFor(where, cond);
      if (given.momentum !== 0 && !kept) fresh = bufferOf(cond);
      const buffer = kept ?? fresh;
      ops.projectedGuidance(device, {
        cond,
        uncond,
        out: result,
        normAxes: [...normAxes],
        projectAxes: [...projectAxes],
        ...given,
        ...(buffer && { buffer }),
        ...(fresh && { momentum: 0 }),
      });
      this.#buffer = buffer;
      return result;
    } catch (error) {
      fresh?.dispose();
      if (!out) result.dispose();
      throw error;
    }
  }

  /** Forgets the steps so far, as before the first step of another sample: the next `apply` may have any shape. */
  reset(): void {
    this.#buffer?.dispose();
    this.#buffer = undefined;
  }

  /** Bytes of state on the device: 0 before the first step, without a momentum, and once disposed. */
  get stateBytes(): number {
    return this.#buffer?.byteLength ?? 0;
  }

  /** Gives the memory of the state back; later use throws `ERR_DISPOSED`. */
  dispose(): void {
    this.reset();
    this.#disposed = true;
  }

  /** Disposes: `using guidance = new AdaptiveProjectedGuidance({ scale: 7 })`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #bufferFor(where: string, cond: Tensor): Tensor | undefined {
    const kept = this.#buffer;
    if (!kept) return undefined;
    const isSame = kept.device === cond.device && kept.dtype === wide(cond) && `${kept.shape}` === `${cond.shape}`;
    if (isSame) return kept;
    const form = ({ shape }: Tensor, dtype: string): string => `${dtype}[${shape.join(', ')}]`;
    throw new OrthokitError('ERR_STATE', `${where}: cond must be like that of the step before, ${form(kept, kept.dtype)} in its sums, until reset, got ${form(cond, cond.dtype)}`); // biome-ignore format: one line
  }
}

/** The dtype of the arithmetic. */
const wide = ({ dtype }: Tensor): 'f32' | 'f64' => (dtype === 'f64' ? 'f64' : 'f32');
const bufferOf = (cond: Tensor): Tensor => new Tensor(cond.device, cond.shape, wide(cond));
