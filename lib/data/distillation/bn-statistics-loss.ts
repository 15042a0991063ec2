import { filled } from '../../core/all-or-none.ts';
import * as check from '../../core/check.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { finite, type Resolved, readOptions, type Schema } from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';

/** Options of {@link bnStatisticsLoss}. */
export interface BnStatisticsLossOptions {
  /** A tensor like x for the gradient, which is written. Default: none. */
  gradOut?: Tensor | undefined;
  /** The factor of loss and gradient, finite. Default: 1. */
  weight?: number | undefined;
}

const schema: Schema<Resolved<BnStatisticsLossOptions, 'gradOut'>> = { gradOut: check.tensorOption, weight: finite(1) };

/**
 * The distance of the statistics of features from those that a batch norm has kept: ‖v − variance‖₂ + ‖m − mean‖₂ over
 * the channels, with means m and biased variances v over all other axes. Queued; sums in f64. A norm of 0 has the
 * gradient 0, and NaN goes into the loss.
 *
 * Source: Yin and others, "Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion" (CVPR 2020), as in CDA.
 *
 * @example
 * using loss = bnStatisticsLoss(features, norm.mean, norm.variance, { gradOut });
 *
 * @param x Features `[N, H, W, C]`, or any `[…, C]`, f32, f64, f16 or bf16.
 * @param mean Running means `[C]`, f64 where x is, else f32.
 * @param variance Running variances, likewise.
 * @returns f64 `[1]`.
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
 */
export function bnStatisticsLoss(
  x: Tensor,
  mean: Tensor,
  variance: Tensor,
  options: BnStatisticsLossOptions = {},
): Tensor<'f64'> {
  const where = 'bnStatisticsLoss';
  check.tensor(where, 'x', x, { dtypes: check.floating, filled: true });
  const { device, dtype, shape } = x;
  if (shape.length < 2) throw refusal(where, 'x', 'have channels behind another axis', `[${shape}]`, 'ERR_SHAPE');
  const own = { dtypes: [dtype === 'f64' ? ('f64' as const) : ('f32' as const)], shape: [shape.at(-1)], device };
  check.tensor(where, 'mean', mean, own);
  check.tensor(where, 'variance', variance, own);
  const { gradOut, weight } = readOptions(where, options, schema);
  if (gradOut) check.tensor(where, 'gradOut', gradOut, { dtypes: [dtype], shape, device });
  return filled(new Tensor(device, [1], 'f64'), (loss) => {
    ops.channelStatisticsLoss(device, { x, mean, variance, loss, weight, ...(gradOut && { gradX: gradOut }) });
  });
}
