/**
 * Optimizers for TensorFlow.js: with its own interface, for its CPU and WASM backends. Nothing of TensorFlow.js is
 * imported; its module is an argument.
 *
 * @packageDocumentation
 */

export type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
export type { TransferOptions } from '../files/transfer.ts';
export type { TfjsGradients } from './gradients.ts';
export type {
  Tfjs,
  TfjsBase,
  TfjsBaseClass,
  TfjsEngine,
  TfjsLoss,
  TfjsNamedTensor,
  TfjsTensor,
  TfjsVariable,
} from './peer.ts';
export {
  registerTfjsOptimizer,
  type TfjsBaseOf,
  type TfjsClassOptions,
  type TfjsExtras,
  type TfjsOptimizer,
  type TfjsOptimizerClass,
  type TfjsOptions,
  tfjsOptimizer,
} from './tfjs-optimizer.ts';
