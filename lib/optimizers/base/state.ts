import type { Device } from '../../core/device.ts';
import { type Dtype, isHalf } from '../../core/dtypes.ts';
import { OrthokitError, refusal } from '../../core/errors.ts';
import { Tensor } from '../../core/tensor.ts';
import type { CommonOptions } from './common-options.ts';
import { type ChosenGroup, pathsOf } from './params.ts';

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

/**
 * Throws for masters that no weight would have: those that a group asks for are for a weight of 16 bits in it, those of
 * the optimizer for one in any group that has them from there. Groups without parameters ask for none.
 */
export function checkMasters(
  where: string,
  groups: readonly ChosenGroup<CommonOptions>[],
  { masterWeights: ofAll }: { readonly masterWeights?: CommonOptions['masterWeights'] | undefined },
): void {
  const isNarrow = ({ params }: ChosenGroup<CommonOptions>): boolean =>
    pathsOf(params).tensors.some(({ dtype }) => isHalf(dtype));
  const filled = groups.filter(({ params }) => pathsOf(params).tensors.length > 0);
  const inheriting = filled.filter(({ masterWeights }) => masterWeights === undefined);
  const refuse = (place: string, value: string): never => {
    throw refusal(place, 'masterWeights', 'be none where no weight has 16 bits', value);
  };
  for (const group of filled) {
    const { name = String(groups.indexOf(group)), masterWeights = 'none' } = group;
    if (masterWeights !== 'none' && !isNarrow(group)) refuse(`${where} group ${name}`, masterWeights);
  }
  if (ofAll !== undefined && ofAll !== 'none' && inheriting.length > 0 && !inheriting.some(isNarrow))
    refuse(where, ofAll);
}

export const create = ({ device }: Tensor, { shape, dtype, start }: Slot): Tensor =>
  typeof start === 'number' ? Tensor.full(device, shape, start, { dtype }) : start(device);
