/**
 * Training in several processes: collectives over MPI, Gloo or NCCL, data-parallel networks, and optimizers whose
 * matrices are orthogonalized by one process each.
 *
 * @packageDocumentation
 */

export type { LoadResult, SaveOptions } from '../files/stateful.ts';
export type { TransferOptions } from '../files/transfer.ts';
export { type ConnectOptions, connect, type EngineName, engineLibrary, unavailable } from './connect.ts';
export { DataParallel, type DataParallelOptions, type ShardedBatch } from './data-parallel.ts';
export { Group, type Traffic } from './group.ts';
export type { CallOptions, ReduceOptions, SumOptions } from './group-options.ts';
export { Sharded, ShardedMuon, ShardedNorMuon, type ShardedReport } from './sharded.ts';
