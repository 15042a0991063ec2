/**
 * Problems of two levels: minima of functions of the solutions of other problems, by the derivatives of both.
 *
 * @packageDocumentation
 */

export type { TaskOptions } from '../core/task.ts';
export type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
export type { TransferOptions } from '../files/transfer.ts';
export type { BilevelOracle } from '../solvers/bilevel-oracle.ts';
export type { SolverStatus } from '../solvers/status.ts';
export type { BlockOracles } from './block-oracles.ts';
export { BoRep, type BoRepOptions, type BoRepStep, type RefineOptions } from './bo-rep.ts';
export { type CheckHypergradientOptions, checkHypergradient, type HypergradientCheck } from './check-hypergradient.ts';
export { finiteDifferences } from './finite-differences.ts';
export {
  type ConstrainedBilevel,
  type CoupledConstraint,
  type LevelGradients,
  LvHba,
  type LvHbaOptions,
  type LvHbaPenalty,
  type LvHbaStep,
} from './lv-hba.ts';
export { Maid } from './maid.ts';
export type { MaidBounds, MaidIteration, MaidOptions, MaidResult, MaidRunOptions } from './maid-options.ts';
export type { MaidLower, MaidProblem, MaidUpper } from './maid-problem.ts';
export { MaidState } from './maid-state.ts';
export { MultiBlockBilevel, type MultiBlockStep } from './multi-block-bilevel.ts';
export type { MultiBlockBilevelOptions } from './multi-block-options.ts';
