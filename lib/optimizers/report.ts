/** How the last step went. */
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
  /** EG: exponents of the step that were cut to ±30. */
  readonly clamped?: number;
}
