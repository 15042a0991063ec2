import type { Device } from '../../core/device.ts';
import type { Stateful } from '../../files/stateful.ts';
import type { Report } from '../report.ts';
import type { CommonOptions } from './common-options.ts';
import type { Gradients, Group } from './params.ts';

/** The interface of every optimizer, and of a combination of several: for code that takes any of them. */
export interface AnyOptimizer extends Stateful {
  /** The groups of parameters; assign to their scalars between steps to schedule them. */
  readonly groups: readonly Group<CommonOptions>[];
  /** The device of all parameters. */
  readonly device: Device;
  /** One step: a gradient or `null` per parameter, in the order given, or a map of them. Queued; returns at once. */
  step(grads: Gradients): void;
  /** Statistics of the last step. */
  report(): Promise<Report>;
}
