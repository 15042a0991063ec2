/** Statistics of the last step. */
export interface Report {
  /** Steps so far, skipped ones included. */
  readonly step: number;
  /** 2-norm of all gradients, before decay; infinite above 1e154, whose squares are; NaN after a step held back. */
  readonly gradNorm: number;
  /** Root mean square of what was subtracted from the weights, without decay. */
  readonly updateRms: number;
  /**
   * Gradients that held NaN or infinity, by `'propagate'` also those whose squares add up to infinity; NaN after a step
   * that `nonFinite: 'throw'` held back.
   */
  readonly nonFinite: number;
  /** Steps that `nonFinite: 'skip'` has held back so far. */
  readonly skipped: number;
  /** AuON classes: the largest r − 1 of a parameter; near zero says that the scaling by cosh does nothing. */
  readonly brake?: number;
  /**
   * Classes that orthogonalize: matrices that took plain steps, as those on the Gram matrix gave NaN, infinity or a
   * norm that no orthogonal matrix has. Of a batch, of `heads` and of `split` each matrix counts; those whose own
   * elements are not finite do not.
   */
  readonly fallbacks?: number;
  /**
   * Weights in `f16` or `bf16` without masters: the share of their elements that a step left as they were though their
   * gradient was not 0, since it was below half a unit of rounding. Of the first step, and of each that follows a
   * report; NaN before it, and where it was held back.
   */
  readonly lostUpdates?: number;
  /** EG: exponents of the step that were cut to ±30. */
  readonly clamped?: number;
}
