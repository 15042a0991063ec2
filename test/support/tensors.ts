import { type Device, type Dtype, Tensor } from '../../lib/index.ts';
import { arrayOf, numbersOf } from './dtypes.ts';

/** A tensor of the numbers, each rounded to the dtype. */
export const tensorOf = (
  device: Device,
  values: ArrayLike<number>,
  shape: readonly number[] = [values.length],
  dtype: Dtype = 'f32',
): Tensor => Tensor.from(device, arrayOf(values, dtype), shape, { dtype });

/** A tensor's elements as numbers. */
export const valuesOf = async (tensor: Tensor): Promise<Float64Array> => numbersOf(await tensor.read(), tensor.dtype);

/** The code and message that a failing call throws. */
export function thrownBy(call: () => unknown): { code: string; message: string } {
  try {
    call();
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  }
  throw new Error('nothing was thrown');
}
