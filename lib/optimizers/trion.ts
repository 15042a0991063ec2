import { ops } from '../core/native-ops.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import { common } from './parts/common.ts';
import { type CosineBasis, cosineBasis, rank } from './parts/low-rank.ts';
import { blocks, type MatrixOptions, matrices } from './parts/matrix.ts';
import { momentum } from './parts/momentum.ts';
import { type NsOptions, orthogonal } from './parts/orthogonal.ts';
import { type ShapeScale, shapeScale } from './parts/shape-scale.ts';
import { moment, state } from './parts/state.ts';

/** Options of {@link Trion}; all may be left out. */
export interface TrionOptions extends MatrixOptions, NsOptions {
  /** Share of the part in the subspace that the momentum keeps, in [0, 1). Default 0.95. */
  momentum: number;
  /** Basis vectors that make an update, at most the shorter side. Default 128, ours: the paper asks for one. */
  rank: number;
  /**
   * `dct2`: columns are the cosines of the DCT-II · `dct3`: those of the DCT-III, its transpose, as the program of the
   * paper takes them where it multiplies by the whole basis. Default `dct2`.
   */
  basis: CosineBasis;
  /**
   * `original` √max(1, m/n) · `match_rms_adamw` 0.2·√max(m, n), with lr as for AdamW · `spectral` √(m/n) · `max`
   * √max(m, n) · `none` 1. Default `original`.
   */
  shapeScale: ShapeScale;
}

const parts = [
  common(0.02, 0, 'decoupled'),
  matrices,
  blocks,
  state({ momenta: moment }),
  momentum(0.95),
  rank,
  cosineBasis,
  orthogonal('jordan'),
  shapeScale,
] as const;

/**
 * Trion (Modoranu et al., arXiv 2505.17967), corrected: m ← m + g; of the columns of a cosine basis D of the shorter
 * side the `rank` that m has most of, D_r; a = m·D_r; m ← m − (1 − momentum)·a·D_rᵀ; a goes through Newton–Schulz, and
 * w ← w − lr·s·o·D_rᵀ. For matrices, batches of them and convolutions, see {@link combine} for others. Defaults: lr
 * 0.02, momentum 0.95, rank 128, basis `dct2`, coefficients `jordan`. State: one moment a parameter.
 *
 * @example
 * const optimizer = new Trion([w], { lr: 0.02, rank: 64 });
 * @throws ERR_SHAPE for tensors of rank 0 and 1; ERR_ARGUMENT for options out of range, unknown names, and params that
 * are no tensors, twice there, or without any; ERR_UNSUPPORTED; ERR_DTYPE for integers; ERR_DEVICE; ERR_DISPOSED;
 * ERR_MEMORY
 */
export class Trion extends Optimizer<TrionOptions> {
  constructor(params: Params<TrionOptions>, options: OptimizerOptions<TrionOptions> = {}) {
    super('Trion', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.trion(device, fields);
  }
}
