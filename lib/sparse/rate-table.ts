/** Sizes that a rate was measured at: atoms, their length, the steps of a pursuit. */
export type RateSizes = Record<'n' | 'd' | 'k', readonly number[]>;

/** Rates by n, d and k, as far as they matter. The counts of operations are in strategy.ts. */
export interface Rates {
  readonly gram: readonly (readonly (readonly number[])[])[];
  readonly gemm: readonly (readonly (readonly number[])[])[];
  readonly product: readonly (readonly number[])[];
  readonly correlations: readonly number[];
  readonly combination: readonly number[];
}
