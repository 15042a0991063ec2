import type { Device } from '../../core/device.ts';
import type { Tensor } from '../../core/tensor.ts';

/** A dtype in which streams are computed. */
export type StreamDtype = 'f32' | 'f64';

/** The inputs that an output depends on, and how late it comes. */
export interface Reach {
  readonly receptiveField: number;
  /** Places of zeros before the first input, and behind the last one. */
  readonly padding: number;
  readonly stride: number;
  /** Inputs before the first one that gives an output. */
  readonly delay: number;
}

/** Streams whose inputs have not begun since they were reset: zeros stand for them. */
export type Waiting = ReadonlySet<number>;
export const nobody: Waiting = new Set();

/** An output, which is the caller's from now on, and the streams that have none yet: zeros stand for it. */
export interface Output {
  readonly out: Tensor;
  readonly waiting: Waiting;
}

/** The device and the dtype that weights settle. */
export interface Place {
  readonly device: Device;
  readonly dtype: StreamDtype;
}

/** Outputs after so many inputs. */
export const outputsAfter = ({ delay, stride }: Reach, count: number): number =>
  count > delay ? Math.floor((count - 1 - delay) / stride) + 1 : 0;

/** Places of a whole sequence that come out of so many. */
export const placesOf = ({ receptiveField, padding, stride }: Reach, given: number): number =>
  Math.floor((given + 2 * padding - receptiveField) / stride) + 1;
