import type { Dtype } from '../../core/dtypes.ts';

/**
 * The way in which decay acts on weights w at rate lr, with the update u (specs: Muon, Emerging-Optimizers,
 * modded-nanogpt).
 */
export type WeightDecayMode = 'decoupled' | 'independent' | 'l2' | 'palm' | 'cautious' | 'shrink';

/** Options that every optimizer has, for all its groups or for one. */
export interface CommonOptions {
  /** Learning rate, ≥ 0. The default is that of the class. */
  lr: number;
  /** Weight decay, ≥ 0. Default 0 where the class does not say otherwise. */
  weightDecay: number;
  /**
   * `decoupled` w ← (1 − lr·decay)·w · `independent` (1 − decay)·w · `palm` (1 − decay·lr²)·w · `l2` g ← g + decay·w ·
   * `cautious` decoupled, where w and the update agree in sign · `shrink`, of EG alone, g ← g + decay·sign(w). Default
   * `decoupled`; `l2` for SGD, AdaGrad, AdaGradNorm, DiffGrad; `shrink` for EG's variant `sgd`.
   */
  weightDecayMode: WeightDecayMode;
  /** Meaning of a `null` gradient: `skip` leaves parameter and state alone; `zero` steps with zeros. Default `skip`. */
  missingGrad: 'skip' | 'zero';
  /** Dtype of moments. Default f64 for f64 weights, else f32. Settled when the optimizer is made. */
  readonly stateDtype: Dtype | undefined;
  /**
   * For weights in f16 or bf16: step f32 copies (`fp32`), or keep the 16 low bits beside bf16 weights (`split16`),
   * which are then rounded toward zero; refused where no weight has 16 bits, and of f32 and f64 weights beside such
   * ones none is kept. Default `none`. Settled when the optimizer is made.
   */
  readonly masterWeights: 'none' | 'fp32' | 'split16';
}
