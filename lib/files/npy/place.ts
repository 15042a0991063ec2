// Tensors of elements that have been read, new ones or such as exist, whichever way the elements stand in the file.

import { filled } from '../../core/all-or-none.ts';
import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import type { TypedArray } from '../../core/native.ts';
import { calls } from '../../core/native-ops/calls.ts';
import { give, given, Tensor } from '../../core/tensor.ts';
import type { ArrayInfo } from './array.ts';

/** An array that has been read. */
export interface ReadArray extends Pick<ArrayInfo, 'shape' | 'fortranOrder'> {
  readonly dtype: Dtype;
  readonly elements: TypedArray;
}

/** True where the order matters: of one long axis there is but one. */
const isTurned = ({ shape, fortranOrder }: Pick<ArrayInfo, 'shape' | 'fortranOrder'>): boolean =>
  fortranOrder && shape.filter((n) => n > 1).length > 1 && !shape.includes(0);

/** Column after column is row after row of the transpose. */
const reversed = ({ shape }: ReadArray): number[] => [...shape].reverse();

const turn = (device: Device, x: Tensor, out: Tensor): void =>
  calls.rearrange(device, { x, out, axes: out.shape.map((_, i) => i).reverse() });

/** A new tensor of the array. */
export function placed(device: Device, array: ReadArray): Tensor {
  const { elements, shape, dtype } = array;
  if (!isTurned(array)) return given(device, elements as never, shape, dtype);
  using x = given(device, elements as never, reversed(array), dtype);
  return filled(new Tensor(device, shape, dtype), (out) => turn(device, x, out));
}

/** Makes ready to write an array into a tensor; what can fail for want of memory has then been done. */
export function readyToPlace(device: Device, array: ReadArray, tensor: Tensor): { write(): void; dispose(): void } {
  if (!isTurned(array)) return { write: () => give(tensor, array.elements), dispose: () => {} };
  const x = given(device, array.elements as never, reversed(array), array.dtype);
  return { write: () => turn(device, x, tensor), dispose: () => x.dispose() };
}
