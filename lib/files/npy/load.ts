// One array of a file of its own, as a tensor.

import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { refusal } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Fail } from '../json/scanner.ts';
import type { Progress } from '../transfer.ts';
import { type ArrayBytes, type Integers, readElements, type StoredArray, tensorDtypeOf } from './array.ts';
import { placed, type ReadArray, readyToPlace } from './place.ts';

/** Settings by which an array is loaded. */
export interface Loading {
  /** The public function that messages begin with. */
  readonly op: string;
  readonly path: string;
  readonly device: Device;
  readonly into: Tensor | undefined;
  readonly integers: Integers;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/** @throws ERR_STATE unless a tensor is of the shape and dtype of an array */
export function checkFits(op: string, field: string, tensor: Tensor, array: Pick<Tensor, 'dtype' | 'shape'>): void {
  const [own, other] = [tensor, array].map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`);
  if (own !== other) throw refusal(op, field, `be ${other} as in the file`, own, 'ERR_STATE');
}

/** The elements of an array, if it is of a kind that tensors are of, and fits. */
export async function readOne(loading: Loading, array: StoredArray, bytes: ArrayBytes, fail: Fail): Promise<ReadArray> {
  const { op, path, into, integers, signal, onProgress } = loading;
  const field = `the array of ${path}`;
  const dtype = tensorDtypeOf(op, field, array, integers);
  const { shape, fortranOrder, byteLength } = array;
  if (into) checkFits(op, 'into', into, { dtype, shape });
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    onProgress?.({ done, total: byteLength });
  };
  const elements = await readElements(bytes, array, dtype, { op, field, signal, onBytes, fail });
  return { shape, fortranOrder, dtype, elements };
}

/** The tensor of an array whose file has been closed. */
export function placeOne({ op, device, into, signal }: Loading, read: ReadArray): Tensor {
  signal?.throwIfAborted();
  if (!into) return placed(device, read);
  check.alive(op, 'into', into);
  const place = readyToPlace(device, read, into);
  place.write();
  place.dispose();
  return into;
}
