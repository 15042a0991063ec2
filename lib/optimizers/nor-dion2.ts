import { ops } from '../core/native-ops.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import type { Dion2Options } from './dion2.ts';
import { common } from './parts/common.ts';
import { blocks, matrices } from './parts/matrix.ts';
import { orthogonal } from './parts/orthogonal.ts';
import { takenRowMoments } from './parts/row-moments.ts';
import { spectralScale } from './parts/shape-scale.ts';
import { sliced } from './parts/sliced.ts';
import { moment, state } from './parts/state.ts';

/** Options of {@link NorDion2}; all may be left out. */
export interface NorDion2Options extends Dion2Options {
  /** Share of the rows that a step takes, in (0, 1]. Default 0.25. */
  fraction: number;
  /** Factor of the second moments, in [0, 1). Default 0.95. */
  beta2: number;
  /** Beside the roots of second moments, and the least norm afterwards. Default 1e-8. */
  eps: number | undefined;
  /** Added to the norm before Newton–Schulz. Default: the set's own, 1e-7 for most. */
  nsEps: number | undefined;
}

const parts = [
  common(0.01, 0, 'decoupled'),
  matrices,
  blocks,
  state({ momenta: moment }),
  orthogonal('polar-express'),
  sliced,
  spectralScale,
  takenRowMoments,
] as const;

/**
 * NorDion2 (microsoft/dion 2025): {@link Dion2} on rows, whatever the shape is, whose rows are divided, neuron by
 * neuron, by the root of a running mean of their squares, as {@link NorMuon} does; second moments of rows that wait
 * stay. Defaults: lr 0.01, fraction 0.25, efDecay 0.95, beta2 0.95, shapeScale `spectral`, coefficients
 * `polar-express`. State: one moment a parameter, and one a row of its matrices.
 *
 * @example
 * const optimizer = new NorDion2([w], { lr: 0.01, fraction: 0.25 });
 * @throws ERR_SHAPE for tensors of rank 0 and 1, and for matrices of one column; ERR_ARGUMENT for options out of range,
 * unknown names, and params that are no tensors, twice there, or without any; ERR_UNSUPPORTED; ERR_DTYPE for integers;
 * ERR_DEVICE; ERR_DISPOSED; ERR_MEMORY
 */
export class NorDion2 extends Optimizer<NorDion2Options> {
  constructor(params: Params<NorDion2Options>, options: OptimizerOptions<NorDion2Options> = {}) {
    super('NorDion2', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.norDion2(device, fields);
  }
}
