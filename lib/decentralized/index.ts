/**
 * Optimization by nodes of a graph that each know a part of the problem and talk to their neighbours.
 *
 * @packageDocumentation
 */

export type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
export type { TransferOptions } from '../files/transfer.ts';
export { DadaoGraph, type DadaoGraphOfOptions, type DadaoGraphOptions } from './dadao-graph.ts';
export { DadaoNode, type DadaoNodeOptions } from './dadao-node.ts';
export {
  type DadaoRunOptions,
  type DadaoSample,
  DadaoSimulation,
  type DadaoSimulationOptions,
  type DadaoTrace,
  type LocalFunction,
} from './dadao-simulation.ts';
