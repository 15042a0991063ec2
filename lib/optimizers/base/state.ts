import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { OrthokitError } from '../../core/errors.ts';
import { Tensor } from '../../core/tensor.ts';
import type { CommonOptions } from './common-options.ts';

/** A named tensor of state that belongs to one parameter. */
export interface Slot {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  /** The value it starts with, or what makes the tensor. */
  readonly start: number | ((device: Device) => Tensor);
}

/** The copy that `masterWeights` keeps beside a weight, if any. */
export function masterOf(where: string, weight: Tensor, { masterWeights }: CommonOptions): Tensor | undefined {
  const { device, shape, dtype } = weight;
  if (masterWeights === 'none' || dtype === 'f32' || dtype === 'f64') return undefined;
  if (masterWeights === 'fp32') return weight.cast('f32');
  if (dtype !== 'bf16')
    throw new OrthokitError('ERR_DTYPE', `${where}: masterWeights split16 is for bf16 weights, got ${dtype}`);
  return Tensor.zeros(device, shape, { dtype: 'bf16' });
}

export const create = ({ device }: Tensor, { shape, dtype, start }: Slot): Tensor =>
  typeof start === 'number' ? Tensor.full(device, shape, start, { dtype }) : start(device);
