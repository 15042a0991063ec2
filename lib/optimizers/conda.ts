import { ops } from '../core/native-ops.ts';
import { notNegative } from '../core/schema.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import { common } from './parts/common.ts';
import { blocks, type MatrixOptions, matrices } from './parts/matrix.ts';
import { betas } from './parts/momentum.ts';
import { passed } from './parts/passed.ts';
import { type ProjectionSide, projection } from './parts/projection.ts';
import { counter, moment, state } from './parts/state.ts';

/** Options of {@link Conda}; all may be left out. */
export interface CondaOptions extends MatrixOptions {
  /** Factors of the momentum and of the second moments, in [0, 1). Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /**
   * Added to the roots of the second moments. Default 1e-8. A coordinate of a new basis that has momentum and no second
   * moment yet gets a step as long as its momentum over eps, 2^100 at most.
   */
  eps: number;
  /** Steps that a basis serves, from the first one on; the next takes a new one. Default 2000. */
  gap: number;
  /** Factor of the update, which brings lr near that of AdamW. Default 0.25. */
  scale: number;
  /**
   * `std`: the basis is of the shorter side, the right singular vectors of a square matrix · `reverse_std`: of the
   * other side, with as many vectors as the shorter one has · `left`, `right`: of that side. Default `std`. Settled
   * when the optimizer is made.
   */
  readonly side: ProjectionSide;
}

const parts = [
  common(1e-3, 0, 'decoupled'),
  matrices,
  blocks,
  state({ momenta: moment, steps: counter }),
  projection,
  betas([0.9, 0.999]),
  passed({ eps: notNegative(1e-8) }),
] as const;

/**
 * Conda (Wang et al. 2025, arXiv 2509.24218), column-normalized Adam, as its program defines it: Adam in a basis of
 * singular vectors of the momentum, which is renewed every `gap` steps. For matrices, batches of them and convolutions,
 * see {@link combine} for others. Decay comes behind the step. Defaults: lr 1e-3, betas [0.9, 0.999], eps 1e-8, gap
 * 2000, scale 0.25, side `std`. State: two moments a parameter, the second as its root, and the basis, k × k for a
 * shorter side of k.
 *
 * @example
 * const optimizer = new Conda([w], { lr: 1e-3, gap: 200 });
 * @throws ERR_SHAPE for tensors of rank 0 and 1; ERR_ARGUMENT for options out of range, unknown names, and params that
 * are no tensors, twice there, or without any; ERR_UNSUPPORTED; ERR_DTYPE for integers; ERR_DEVICE; ERR_DISPOSED;
 * ERR_MEMORY
 */
export class Conda extends Optimizer<CondaOptions> {
  constructor(params: Params<CondaOptions>, options: OptimizerOptions<CondaOptions> = {}) {
    super('Conda', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.conda(device, fields);
  }
}
