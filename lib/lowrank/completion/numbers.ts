import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { Tensor } from '../../core/tensor.ts';

/** Numbers of the host as a tensor of a dtype, each rounded to it. */
export const tensorOf = (device: Device, values: Float64Array, shape: readonly number[], dtype: Dtype): Tensor =>
  Tensor.from(device, dtype === 'f32' ? new Float32Array(values) : values, shape);
