import { ops } from '../core/native-ops.ts';
import { notNegative } from '../core/schema.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import { common } from './parts/common.ts';
import { cosineMoments, type ErrorFeedback } from './parts/cosine-moments.ts';
import type { CosineBasis } from './parts/low-rank.ts';
import { blocks, type MatrixOptions, matrices } from './parts/matrix.ts';
import { betas } from './parts/momentum.ts';
import { passed } from './parts/passed.ts';

/** Options of {@link DCTAdamW}; all may be left out. */
export interface DCTAdamWOptions extends MatrixOptions {
  /** Factors of the first and second moment, in [0, 1). Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  eps: number;
  /**
   * Basis vectors that a step moves along, at most the shorter side. Default 128, ours: the paper asks for one. Settled
   * when the optimizer is made.
   */
  readonly rank: number;
  /** The vectors are chosen in the first step and in each whose number this divides. Default 1. */
  gap: number;
  /**
   * Moments stay with their vectors when others are chosen, those of new ones starting from 0; else they stay in their
   * place, whatever vector that is now. Default false.
   */
  rotate: boolean;
  /**
   * The part of a gradient that a step leaves joins the next one: kept in the dtype of moments (`true`), or as codes
   * between the ends of each row, which are kept too (`8bit`, `4bit`); or it is dropped (`false`). Default false.
   * Settled when the optimizer is made.
   */
  readonly errorFeedback: ErrorFeedback;
  /**
   * `dct2`: columns are the cosines of the DCT-II · `dct3`: those of the DCT-III, its transpose, as the program of the
   * paper takes them where it multiplies by the whole basis. Default `dct2`. Settled when the optimizer is made.
   */
  readonly basis: CosineBasis;
}

const parts = [
  common(1e-3, 1e-2, 'decoupled'),
  matrices,
  blocks,
  cosineMoments,
  betas([0.9, 0.999]),
  passed({ eps: notNegative(1e-8) }),
] as const;

/**
 * DCT-AdamW (Modoranu et al., arXiv 2505.17967), corrected: AdamW in the coordinates a = g·D_r, where D_r are the
 * `rank` columns of a cosine basis of the shorter side that the gradient has most of; w ← w − lr·adamw(a)·D_rᵀ. For
 * matrices, batches of them and convolutions, see {@link combine} for others, which AdamW takes. Defaults: lr 1e-3,
 * betas [0.9, 0.999], eps 1e-8, weightDecay 0.01, rank 128, gap 1, without rotation and error feedback, basis `dct2`.
 * State: two moments of `rank` rows of the longer side, the second as its root, and `rank` indices.
 *
 * @example
 * const optimizer = new DCTAdamW([w], { lr: 1e-3, rank: 64, errorFeedback: '8bit', rotate: true });
 * @throws ERR_SHAPE for tensors of rank 0 and 1; ERR_ARGUMENT for options out of range, unknown names, and params that
 * are no tensors, twice there, or without any; ERR_UNSUPPORTED; ERR_DTYPE for integers; ERR_DEVICE; ERR_DISPOSED;
 * ERR_MEMORY
 */
export class DCTAdamW extends Optimizer<DCTAdamWOptions> {
  constructor(params: Params<DCTAdamWOptions>, options: OptimizerOptions<DCTAdamWOptions> = {}) {
    super('DCTAdamW', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.dctAdamw(device, fields);
  }
}
