import type { Tensor } from './tensor.ts';

/** Products of the gradients gᵢ of samples with themselves and with their mean ḡ, over all parameters. */
export interface SampleProducts {
  /** |gᵢ|², f64 `[samples]`. */
  readonly squares: Tensor;
  /** ⟨gᵢ, ḡ⟩, f64 `[samples]`. */
  readonly dots: Tensor;
}
