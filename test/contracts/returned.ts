// Public functions whose declared result is an operator or an oracle, by name. test/docstrings.test.ts, which knows the
// types, finds them and fails where one is missing here.

/** Functions that give a `LinearOperator`. */
export const operators: readonly string[] = [
  'denseMeasurement',
  'entryMeasurement',
  'flat',
  'matrixOperator',
  'poissonOperator',
  'rankOneMeasurement',
  'sparseOperator',
];

/** Functions that give an `Oracle`. */
export const oracles: readonly string[] = [
  'logSumExp',
  'oracle',
  'powerResidual',
  'softmaxRegression',
  'withDifferences',
];
