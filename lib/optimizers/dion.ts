import { ops } from '../core/native-ops.ts';
import { notNegative } from '../core/schema.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import { basis, type InitialBasis } from './parts/basis.ts';
import { common } from './parts/common.ts';
import { blocks, type MatrixOptions, matrices } from './parts/matrix.ts';
import { momentum } from './parts/momentum.ts';
import { passed } from './parts/passed.ts';
import { type ShapeScale, spectralScale } from './parts/shape-scale.ts';
import { moment, state } from './parts/state.ts';

/** Options of {@link Dion}; all may be left out. */
export interface DionOptions extends MatrixOptions {
  /**
   * The share that the sum of gradients keeps of its part in the step, in [0, 1); what is beside it stays. Default
   * 0.95.
   */
  momentum: number;
  /** The rank of the step, at most the shorter side of a matrix. Default 768. Settled when the optimizer is made. */
  readonly rank: number;
  /**
   * The basis that the first step starts from, `[n, r]` for a weight `[m, n]`: a seed of normal numbers, the same for
   * all weights, or its rows. A loaded checkpoint has its own. Default 0.
   */
  initialBasis: InitialBasis;
  /** Added to the norms of the basis' columns. Default 1e-8. */
  eps: number;
  /** Factor of lr by shape, as for {@link MuonOptions}. Default `spectral`. */
  shapeScale: ShapeScale;
}

const parts = [
  common(0.01, 0, 'decoupled'),
  matrices,
  blocks,
  state({ momenta: moment }),
  basis,
  momentum(0.95),
  spectralScale,
  passed({ eps: notNegative(1e-8) }),
] as const;

/**
 * Dion (Ahn et al. 2025, arXiv 2504.05295): gradients are added up; each step moves by an orthonormal matrix of low
 * rank, which one power iteration brings nearer to the leading singular vectors of the sum, and takes a part of that
 * much of it away. Defaults: lr 0.01, momentum 0.95, rank 768, eps 1e-8, shapeScale `spectral`. State: one moment a
 * parameter, and its basis.
 *
 * @example
 * const optimizer = new Dion([w], { lr: 0.01, rank: 64 });
 * @throws ERR_SHAPE for tensors of rank 0 and 1, and an initialBasis of another shape; ERR_ARGUMENT for options out of
 * range, unknown names, and params that are no tensors, twice there, or without any; ERR_UNSUPPORTED; ERR_DTYPE for
 * integers; ERR_DEVICE; ERR_DISPOSED; ERR_MEMORY
 */
export class Dion extends Optimizer<DionOptions> {
  constructor(params: Params<DionOptions>, options: OptimizerOptions<DionOptions> = {}) {
    super('Dion', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.dion(device, fields);
  }
}
