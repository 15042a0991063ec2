// Data on the host that tensors are filled from and read into: lists of numbers and typed arrays.
import { arrays, type Dtype, type DtypeArrays } from './dtypes.ts';
import { OrthokitError, refusal, shown } from './errors.ts';
import type { TypedArray } from './native.ts';

/** Data that a tensor can be filled from: numbers, or a typed array that fits its dtype. */
export type TensorData = readonly number[] | TypedArray;

/** The dtype that data gives where none is named: a Uint16Array names none. */
export type DtypeOf<T extends TensorData> = T extends readonly number[] | Float32Array
  ? 'f32'
  : T extends Float64Array
    ? 'f64'
    : T extends Int32Array
      ? 'i32'
      : T extends Uint8Array
        ? 'u8'
        : Dtype;

/** @throws ERR_DTYPE for data that does not say its dtype */
export function dtypeOf(data: TensorData): Dtype {
  if (Array.isArray(data) || data instanceof Float32Array) return 'f32';
  if (data instanceof Float64Array) return 'f64';
  if (data instanceof Int32Array) return 'i32';
  if (data instanceof Uint8Array) return 'u8';
  throw new OrthokitError('ERR_DTYPE', `Tensor.from: dtype is needed for this data, got ${nameOf(data)}`);
}

export function nameOf(data: unknown): string {
  const name: unknown = (data as object | null)?.constructor?.name;
  return typeof name === 'string' ? name : data === null ? 'null' : typeof data;
}

/** @throws ERR_ARGUMENT for an array whose memory was transferred, which looks as if it had no elements */
export function checkAttached(op: string, name: string, array: ArrayBufferView): void {
  if (array.byteLength > 0) return;
  try {
    new Uint8Array(array.buffer);
  } catch {
    throw refusal(op, name, 'have its memory', 'an array whose buffer was transferred');
  }
}

/** Memory of the process. @throws ERR_MEMORY; ERR_UNSUPPORTED for more elements than an array of JavaScript can have */
export function hostArray<D extends Dtype>(op: string, dtype: D, size: number): DtypeArrays[D] {
  const bytes = size * arrays[dtype].BYTES_PER_ELEMENT;
  let memory: ArrayBuffer;
  try {
    memory = new ArrayBuffer(bytes);
  } catch (cause) {
    throw new OrthokitError('ERR_MEMORY', `${op}: the process has no memory for ${bytes} bytes`, { cause });
  }
  try {
    return new arrays[dtype](memory) as DtypeArrays[D];
  } catch (cause) {
    throw new OrthokitError('ERR_UNSUPPORTED', `${op}: JavaScript has no array of ${size} elements`, { cause });
  }
}

/** @throws ERR_ARGUMENT for a list of anything else, such as of rows */
export function checkNumbers(op: string, data: readonly unknown[]): void {
  for (let i = 0; i < data.length; ++i) {
    const element = data[i];
    if (typeof element === 'number') continue;
    const isRow = Array.isArray(element) || ArrayBuffer.isView(element);
    const must = isRow ? 'a flat list of numbers, row after row' : 'numbers';
    throw refusal(op, 'data', `be ${must}`, `${isRow ? 'a list' : shown(element)} at ${i}`);
  }
}

/** Numbers as an array of the dtype. @throws ERR_ARGUMENT for those that an integer dtype does not hold; ERR_MEMORY */
export function arrayFrom(op: string, what: string, data: readonly number[], dtype: Dtype): TypedArray {
  const array = hostArray(op, dtype, data.length);
  array.set(data);
  if (dtype !== 'i32' && dtype !== 'u8') return array;
  for (const [i, x] of data.entries())
    if (x !== array[i]) throw new OrthokitError('ERR_ARGUMENT', `${op}: ${what} that ${dtype} holds, got ${data[i]}`);
  return array;
}
