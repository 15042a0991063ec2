import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import type { Part } from './base/part.ts';
import { type AuONVariant, brake } from './parts/brake.ts';
import { common } from './parts/common.ts';
import { blocks } from './parts/matrix.ts';
import { momentum, momentumForm, nesterov } from './parts/momentum.ts';
import { type OrthogonalOptions, orthogonal } from './parts/orthogonal.ts';
import { moment, state } from './parts/state.ts';

/** Options of {@link HybridAuON}; all may be left out. */
export interface HybridAuONOptions extends OrthogonalOptions {
  /**
   * `paper`: one Newton–Schulz step, then renormalized, lr 0.055 · `head`: the reference program, five steps, lr 0.24,
   * vectors as AuON `head` · `rms`: ours, of neither; one step, then scaled as AuON `rms`. Default `paper`.
   */
  readonly variant: AuONVariant;
  /** Scale inside cosh, in (0, 100]. Default 1 (`paper`), 1.5 (`head`), 0.5 (`rms`). */
  gamma: number | undefined;
}

const steps: Record<AuONVariant, number> = { paper: 1, head: 5, rms: 1 };

/** `head` has a momentum of its own for vectors. */
const vectors: Part<HybridAuONOptions> = {
  checkWeight: (where, { shape }, { momentumForm: form }) => {
    if (shape.length < 2 && form !== 'ema')
      throw refusal(where, 'momentumForm', 'be ema for tensors of rank 0 and 1', form, 'ERR_UNSUPPORTED');
  },
};

const parts = [
  common(0.055, 0, 'decoupled'),
  blocks,
  state({ momenta: moment }),
  momentum(0.95),
  nesterov(true),
  momentumForm('ema'),
  orthogonal<Pick<HybridAuONOptions, 'variant'>>('jordan', ({ variant }) => steps[variant]),
  brake,
  vectors,
] as const;

/**
 * HybridAuON (arXiv 2509.24320, section 3.2): momentum through Newton–Schulz, then through the AuON scaling.
 * Defaults: variant `paper`, lr 0.055, coefficients `jordan`, nsSteps 1, or 5 (`head`). State: one moment a parameter.
 *
 * @example
 * const optimizer = new HybridAuON([w], { lr: 0.055 });
 * @throws ERR_SHAPE for tensors of rank 0 and 1, but for variant `head`; ERR_ARGUMENT for options out of range, unknown
 * names, and params that are no tensors, twice there, or without any; ERR_UNSUPPORTED; ERR_DTYPE for integers;
 * ERR_DEVICE; ERR_DISPOSED; ERR_MEMORY
 */
export class HybridAuON extends Optimizer<HybridAuONOptions> {
  constructor(params: Params<HybridAuONOptions>, options: OptimizerOptions<HybridAuONOptions> = {}) {
    super('HybridAuON', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.hybridAuon(device, fields);
  }
}
