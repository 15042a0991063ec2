export type { MatrixEntries } from '../core/entries.ts';
export type { LinearOperator } from '../core/operator.ts';
export type { TaskOptions } from '../core/task.ts';
export { type BlockLanczosOptions, type BlockLanczosResult, blockLanczos } from './block-lanczos.ts';
export { type CgOptions, type CgResult, cg } from './cg.ts';
export { type FistaOptions, type FistaProgress, type FistaResult, fista, type ProximalOperator } from './fista.ts';
export {
  type FistaStronglyConvexOptions,
  type FistaStronglyConvexProgress,
  type FistaStronglyConvexResult,
  fistaStronglyConvex,
} from './fista-strongly-convex.ts';
export { type LanczosOptions, type LanczosProgress, type LanczosResult, lanczos } from './lanczos.ts';
export { type LbfgsOptions, type LbfgsProgress, type LbfgsResult, lbfgs } from './lbfgs.ts';
export { type MatrixOperator, matrixOperator } from './matrix-operator.ts';
export { minres } from './minres.ts';
export { type CheckAdjointOptions, checkAdjoint } from './operator.ts';
export { type CheckGradientOptions, checkGradient, type Oracle, withDifferences } from './oracle.ts';
export * as project from './project/index.ts';
export { type SlqOptions, type SlqResult, slq } from './slq.ts';
export { type SparseOperator, type SparseOperatorOptions, sparseOperator } from './sparse-operator.ts';
export type { SolverStatus } from './status.ts';
export type { SystemOptions, SystemProgress, SystemResult } from './system.ts';
