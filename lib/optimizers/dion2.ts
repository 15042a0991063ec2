import { ops } from '../core/native-ops.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import { common } from './parts/common.ts';
import { blocks, type MatrixOptions, matrices } from './parts/matrix.ts';
import { type NsOptions, orthogonal } from './parts/orthogonal.ts';
import { type ShapeScale, spectralScale } from './parts/shape-scale.ts';
import { sliced } from './parts/sliced.ts';
import { moment, state } from './parts/state.ts';

/** Options of {@link Dion2}; all may be left out. */
export interface Dion2Options extends MatrixOptions, NsOptions {
  /** Share of the rows, or of the columns where they are fewer, that a step takes, in (0, 1]. Default 0.25. */
  fraction: number;
  /** Share that the sum keeps of rows that were taken, in [0, 1]. Default 0.95. */
  efDecay: number;
  /** Factor of lr by the shape of the whole matrix, as for {@link MuonOptions}. Default `spectral`. */
  shapeScale: ShapeScale;
}

const parts = [
  common(0.01, 0, 'decoupled'),
  matrices,
  blocks,
  state({ momenta: moment }),
  orthogonal('polar-express'),
  sliced,
  spectralScale,
] as const;

/**
 * Dion2 (Ahn et al., microsoft/dion 2025): gradients are added up; each step orthogonalizes those rows of the sum that
 * have the largest 1-norms, or those columns where they are fewer, moves them alone, and lets them decay in the sum.
 * Of equal norms the first row counts. Defaults: lr 0.01, fraction 0.25, efDecay 0.95, shapeScale `spectral`,
 * coefficients `polar-express`. State: one moment a parameter.
 *
 * @example
 * const optimizer = new Dion2([w], { lr: 0.01, fraction: 0.25 });
 * @throws ERR_SHAPE for tensors of rank 0 and 1; ERR_ARGUMENT for options out of range, unknown names, and params that
 * are no tensors, twice there, or without any; ERR_UNSUPPORTED; ERR_DTYPE for integers; ERR_DEVICE; ERR_DISPOSED;
 * ERR_MEMORY
 */
export class Dion2 extends Optimizer<Dion2Options> {
  constructor(params: Params<Dion2Options>, options: OptimizerOptions<Dion2Options> = {}) {
    super('Dion2', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.dion2(device, fields);
  }
}
