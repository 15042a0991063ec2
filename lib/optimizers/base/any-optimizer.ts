import type { Device } from '../../core/device.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Stateful } from '../../files/stateful.ts';
import type { Report } from '../report.ts';
import type { CommonOptions } from './common-options.ts';
import type { Group } from './params.ts';

/** The interface of every optimizer, and of a combination of several: for code that takes any of them. */
export interface AnyOptimizer extends Stateful {
  /** The groups of parameters; assign to their scalars between steps to schedule them. */
  readonly groups: readonly Group<CommonOptions>[];
  /** The device of all parameters. */
  readonly device: Device;
  /** One step: a gradient or `null` per parameter, in the order given. Queued; returns at once. */
  step(grads: readonly (Tensor | null)[]): void;
  /** Statistics of the last step. */
  report(): Promise<Report>;
}
