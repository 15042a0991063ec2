import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { isRecord } from '../../core/options.ts';
import { type Resolved, readOptions, type Schema, type Watchers, watchers, word } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { snapshot } from '../safetensors/index.ts';
import { checkPath, type Progress, type TransferOptions } from '../transfer.ts';
import type { ArrayInfo, Integers } from './array.ts';
import { withArrayFile } from './file.ts';
import { placeOne, readOne } from './load.ts';
import { writeArrayFile } from './write.ts';

export { type LoadNpzOptions, loadNpz, readNpzInfo, type SaveNpzOptions, saveNpz } from './archive.ts';
export type { ArrayInfo } from './array.ts';

/** Options of {@link loadNpy}. */
export interface LoadNpyOptions extends TransferOptions {
  /**
   * Fate of integers that orthokit has no dtype for, NumPy's default int64 among them: `'i32'` takes bool, int8, int16,
   * uint16, uint32, int64 and uint64 where every number fits. Default: `'refuse'`.
   */
  integers?: 'refuse' | 'i32' | undefined;
  /** A tensor of `device` to load into, of the same shape and dtype. Default: a new one is made. */
  into?: Tensor | undefined;
}

const loadSchema: Schema<Resolved<LoadNpyOptions, 'signal' | 'onProgress' | 'into'>> = {
  ...watchers<Progress>(),
  integers: word<Integers>(['refuse', 'i32'], 'refuse'),
  // The tensor is looked at with its device.
  into: { default: undefined, wrong: (x) => (x === undefined || isRecord(x) ? undefined : 'must be a Tensor') },
};
const infoSchema: Schema<Pick<Watchers<never>, 'signal'>> = { signal: watchers<never>().signal };

/**
 * Stores a tensor in a `.npy` file, NumPy's own format, row after row. NumPy has no bf16: it reads such a file as `V2`,
 * two bytes without a meaning, of which `.view(ml_dtypes.bfloat16)` makes numbers. The file holds the values of the
 * moment of the call, and replaces `path` at once and whole.
 *
 * @example
 * await saveNpy('weight.npy', weight); // numpy.load('weight.npy')
 *
 * @throws ERR_ARGUMENT; ERR_IO with the system's error as `cause`; ERR_DISPOSED; the signal's reason when aborted.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export async function saveNpy(path: string, tensor: Tensor, options: TransferOptions = {}): Promise<void> {
  const op = 'saveNpy';
  checkPath(op, path);
  const given = readOptions(op, options, watchers<Progress>());
  check.tensor(op, 'tensor', tensor);
  given.signal?.throwIfAborted();
  await writeArrayFile(path, snapshot({ tensor })[0]!, { ...given, op });
}

/**
 * Loads a `.npy` file: an array of float16, float32, float64, int32, uint8 or `V2` (bf16), of either order of bytes,
 * and of either order of elements, as `numpy.save` writes a transposed array. The file is checked before the tensor is
 * made or changed. Objects of Python, which would be code to run, and structured types are never read.
 *
 * @example
 * const x = await loadNpy('x.npy', device);
 * const labels = await loadNpy('labels.npy', device, { integers: 'i32' });
 *
 * @throws ERR_FORMAT for a file that is not what it says; ERR_UNSUPPORTED for another element type, more than 5
 * dimensions, or integers that do not fit; ERR_STATE where `into` does not fit; ERR_IO with the system's error as
 * `cause`; ERR_MEMORY; ERR_DEVICE; ERR_DISPOSED; ERR_ARGUMENT; the signal's reason when aborted
 */
export async function loadNpy(path: string, device: Device, options: LoadNpyOptions = {}): Promise<Tensor> {
  const op = 'loadNpy';
  checkPath(op, path);
  check.device(op, 'device', device);
  const { into, ...given } = readOptions(op, options, loadSchema);
  if (into) check.tensor(op, 'into', into, { device });
  const loading = { op, path, device, into, ...given };
  const read = await withArrayFile(path, { op, signal: given.signal }, (array, bytes, fail) =>
    readOne(loading, array, bytes, fail),
  );
  return placeOne(loading, read);
}

/**
 * The description of the array in a `.npy` file, without the data.
 *
 * @example
 * const { descr, shape } = await readNpyInfo('x.npy'); // '<f4', [1797, 64]
 *
 * @throws ERR_FORMAT, ERR_IO and ERR_ARGUMENT as `loadNpy`; the signal's reason when aborted
 */
export async function readNpyInfo(path: string, options: Pick<TransferOptions, 'signal'> = {}): Promise<ArrayInfo> {
  const op = 'readNpyInfo';
  checkPath(op, path);
  const { signal } = readOptions(op, options, infoSchema);
  return withArrayFile(path, { op, signal }, async (array) => infoOf(array));
}

/** The public part of what a header says. */
export const infoOf = ({ descr, dtype, shape, fortranOrder, byteLength }: ArrayInfo): ArrayInfo => ({
  descr,
  dtype,
  shape,
  fortranOrder,
  byteLength,
});
