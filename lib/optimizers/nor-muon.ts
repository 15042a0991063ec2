import { ops } from '../core/native-ops.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import { common } from './parts/common.ts';
import { blocks, matrices } from './parts/matrix.ts';
import { momentum, momentumForm, nesterov } from './parts/momentum.ts';
import { type OrthogonalOptions, orthogonal } from './parts/orthogonal.ts';
import { type NorMuonVariant, rowMoments } from './parts/row-moments.ts';
import { type ShapeScale, shapeScale } from './parts/shape-scale.ts';
import { moment, state } from './parts/state.ts';

/** Options of {@link NorMuon}; all may be left out. */
export interface NorMuonOptions extends OrthogonalOptions {
  /**
   * `repo`: the authors' program; the update keeps the norm that it has without the second moments · `paper`: the
   * paper's algorithm; its root mean square is 0.2·lr, without nesterov and shape scale, lr 2e-3 · `dion`: that of
   * microsoft/dion; heavy ball without nesterov, shape scale `spectral`, lr 0.01 · `nanogpt`: that of modded-nanogpt;
   * axis `long`, beta2 0.9, eps 1e-10 as a floor, lr 0.023. Default `repo`.
   */
  readonly variant: NorMuonVariant;
  /** Factor of the second moments, in [0, 1). Default 0.95; 0.9 for `nanogpt`. */
  beta2: number;
  /**
   * A second moment for each row, or for each index of the longer side: `row` or `long`. Default `row`; `long` for
   * `nanogpt`.
   */
  readonly axis: 'row' | 'long';
  /** Beside the roots of second moments, and the norm afterwards. Default 1e-8; 1e-10 for `nanogpt`. */
  eps: number | undefined;
  /** Added to the norm before Newton–Schulz. Default: the set's own, 1e-7 for most. */
  nsEps: number | undefined;
  /**
   * Factor of lr by shape, as for {@link MuonOptions}. Default `original`; `spectral` for `dion`; `paper` has one of
   * its own, and takes `none` alone.
   */
  shapeScale: ShapeScale;
}

const parts = [
  common(0.02, 0, 'decoupled'),
  matrices,
  blocks,
  state({ momenta: moment }),
  momentum(0.95),
  nesterov(true),
  momentumForm('ema'),
  orthogonal('polar-express'),
  shapeScale,
  rowMoments,
] as const;

/**
 * NorMuon (Li et al. 2025, arXiv 2510.05491): Muon, whose update is divided row by row, neuron by neuron, by the root
 * of a running mean of its squares. Defaults: variant `repo`, lr 0.02, momentum 0.95, beta2 0.95, nesterov,
 * coefficients `polar-express`. State: one moment a parameter, and one a row of its matrices.
 *
 * @example
 * const optimizer = new NorMuon([w], { lr: 0.02, weightDecay: 0.01 });
 * @throws ERR_SHAPE for tensors of rank 0 and 1, and for matrices whose second moments would be of one element each;
 * ERR_ARGUMENT for options out of range, unknown names, a shapeScale beside variant `paper`, and params that are no
 * tensors, twice there, or without any; ERR_UNSUPPORTED; ERR_DTYPE for integers; ERR_DEVICE; ERR_DISPOSED; ERR_MEMORY
 */
export class NorMuon extends Optimizer<NorMuonOptions> {
  constructor(params: Params<NorMuonOptions>, options: OptimizerOptions<NorMuonOptions> = {}) {
    super('NorMuon', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.norMuon(device, fields);
  }
}
