// Written by scripts/measure-pursuit.mjs on AMD EPYC, avx512, one thread: operations a second.

/** Where it was measured: atoms, their length, the steps of a pursuit. */
export const sizes: Record<'n' | 'd' | 'k', readonly number[]> = { n: [500, 4000], d: [64, 512, 4096], k: [8, 64] };

/** By n, d and k, as far as they matter. What counts as operations stands in plan.ts. */
export interface Rates {
  readonly gram: readonly (readonly (readonly number[])[])[];
  readonly gemm: readonly (readonly (readonly number[])[])[];
  readonly product: readonly (readonly number[])[];
  readonly correlations: readonly number[];
  readonly combination: readonly number[];
}

export const rates: Record<'f32' | 'f64', Rates> = {
  f32: {
    gram: [
      [
        [3700000000, 8400000000],
        [13000000000, 9300000000],
        [32000000000, 11000000000],
      ],
      [
        [14000000000, 23000000000],
        [34000000000, 25000000000],
        [58000000000, 35000000000],
      ],
    ],
    gemm: [
      [
        [14000000000, 9200000000],
        [35000000000, 18000000000],
        [41000000000, 18000000000],
      ],
      [
        [52000000000, 41000000000],
        [55000000000, 42000000000],
        [62000000000, 38000000000],
      ],
    ],
    product: [
      [14000000000, 57000000000, 90000000000],
      [38000000000, 87000000000, 92000000000],
    ],
    correlations: [23000000000, 54000000000, 66000000000],
    combination: [2300000000, 3400000000],
  },
  f64: {
    gram: [
      [
        [2800000000, 4700000000],
        [10000000000, 6000000000],
        [20000000000, 11000000000],
      ],
      [
        [4300000000, 6300000000],
        [16000000000, 9600000000],
        [29000000000, 16000000000],
      ],
    ],
    gemm: [
      [
        [11000000000, 10000000000],
        [25000000000, 17000000000],
        [24000000000, 15000000000],
      ],
      [
        [19000000000, 20000000000],
        [28000000000, 24000000000],
        [30000000000, 20000000000],
      ],
    ],
    product: [
      [11000000000, 18000000000, 19000000000],
      [15000000000, 16000000000, 20000000000],
    ],
    correlations: [19000000000, 27000000000, 31000000000],
    combination: [1500000000, 2100000000],
  },
};
