import type { Device } from '../../core/device.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { TransferOptions } from '../../files/safetensors/index.ts';
import type { Report } from '../report.ts';
import type { LoadResult, SaveOptions } from './checkpoint.ts';
import type { CommonOptions } from './common-options.ts';
import type { Group } from './params.ts';

/** The interface of every optimizer, and of a combination of several: for code that takes any of them. */
export interface AnyOptimizer {
  /** The groups of parameters; assign to their scalars between steps to schedule them. */
  readonly groups: readonly Group<CommonOptions>[];
  /** The device of all parameters. */
  readonly device: Device;
  /** Bytes of state on the device. */
  readonly stateBytes: number;
  /** One step: a gradient or `null` per parameter, in the order given. Queued; returns at once. */
  step(grads: readonly (Tensor | null)[]): void;
  /** Statistics of the last step. */
  report(): Promise<Report>;
  /** Stores the state in a safetensors file, at once and whole. */
  save(path: string, options?: SaveOptions): Promise<void>;
  /** Brings back what `save` stored. */
  load(path: string, options?: TransferOptions): Promise<LoadResult>;
  /** Gives the memory of the state back; the parameters stay. */
  dispose(): void;
}
