// Public functions whose declared result is an `Oracle`, by name.

export const oracles: readonly string[] = [
  'logSumExp',
  'oracle',
  'powerResidual',
  'softmaxRegression',
  'withDifferences',
];
