/**
 * Matrices of low rank from few numbers: completion of a matrix from some of its entries, recovery from linear
 * measurements, also where some are grossly wrong.
 *
 * @packageDocumentation
 */

export type { EntryPlaces, MatrixEntries } from '../core/entries.ts';
export type { LinearOperator } from '../core/operator.ts';
export {
  type CompletionOptions,
  type CompletionProgress,
  type CompletionResult,
  completeMatrix,
  type UnderdeterminedLines,
} from './complete-matrix.ts';
export {
  MatrixSensing,
  type MatrixSensingOptions,
  type SensedFactors,
  type SensingResult,
} from './matrix-sensing.ts';
export type { DescentOptions, DescentProgress } from './measurement/blocks.ts';
export { denseMeasurement } from './measurement/dense.ts';
export { type EntryMeasurement, entryMeasurement } from './measurement/entries.ts';
export type { FactorMeasurement, MeasurementOperator } from './measurement/operator.ts';
export { rankOneMeasurement } from './measurement/rank-one.ts';
export {
  type RecoveryResult,
  SubGradientRecovery,
  type SubGradientRecoveryOptions,
} from './sub-gradient-recovery.ts';
