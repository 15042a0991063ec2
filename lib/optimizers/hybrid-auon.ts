import { OrthokitError } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import type { Schema } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { type AuONVariant, BrakedOptimizer, brakedSchema, gammaOf, rates } from './braked-optimizer.ts';
import { commonSchema } from './common-options.ts';
import type { OptimizerOptions, Work } from './optimizer.ts';
import { checkOrthogonal, type OrthogonalOptions, orthogonalFields, orthogonalSchema } from './orthogonal-optimizer.ts';
import type { Params } from './params.ts';

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

const schema: Schema<HybridAuONOptions> = {
  ...commonSchema(rates.paper, 0, 'decoupled'),
  ...orthogonalSchema('jordan'),
  ...brakedSchema,
};

/**
 * HybridAuON (arXiv 2509.24320, section 3.2): momentum through Newton–Schulz, then through the AuON scaling.
 * Defaults: variant `paper`, lr 0.055, coefficients `jordan`, nsSteps 1, or 5 (`head`). State: one moment a parameter.
 *
 * @example
 * const optimizer = new HybridAuON([w], { lr: 0.055 });
 * @throws ERR_SHAPE for tensors of rank 0 and 1, but for variant `head`; ERR_ARGUMENT for options out of range, unknown names, and params that are no
 * tensors, twice there, or without any; ERR_UNSUPPORTED; ERR_DTYPE for integers; ERR_DEVICE; ERR_DISPOSED; ERR_MEMORY
 */
export class HybridAuON extends BrakedOptimizer<HybridAuONOptions> {
  constructor(params: Params<HybridAuONOptions>, options: OptimizerOptions<HybridAuONOptions> = {}) {
    super('HybridAuON', params, options, schema);
  }

  protected override checkWeight(where: string, weight: Tensor, options: HybridAuONOptions): void {
    super.checkWeight(where, weight, options);
    checkOrthogonal(where, options);
    if (weight.shape.length < 2 && options.momentumForm !== 'ema')
      throw new OrthokitError(
        'ERR_UNSUPPORTED',
        `${where}: momentumForm must be ema for tensors of rank 0 and 1, got ${options.momentumForm}`,
      );
  }

  protected override checkOptions(where: string, options: HybridAuONOptions): void {
    super.checkOptions(where, options);
    checkOrthogonal(where, options);
  }

  protected override update({ device, step, state }: Work<'momenta'>, options: HybridAuONOptions): void {
    const { variant, nsSteps = steps[variant] } = options;
    const fields = orthogonalFields({ ...options, nsSteps });
    ops.hybridAuon(device, { ...step, ...state, ...fields, variant, gamma: gammaOf(options) });
  }
}
