import { arrays, type Dtype, mostElements } from '../../core/dtypes.ts';
import { refusal } from '../../core/errors.ts';
import type { TypedArray } from '../../core/native.ts';
import { quote } from '../quote.ts';

/** An element type as a file spells it. */
export type FileDtype =
  | 'BOOL'
  | 'U8'
  | 'I8'
  | 'F8_E4M3'
  | 'F8_E5M2'
  | 'F8_E8M0'
  | 'F8_E4M3FNUZ'
  | 'F8_E5M2FNUZ'
  | 'F4'
  | 'F6_E2M3'
  | 'F6_E3M2'
  | 'U16'
  | 'I16'
  | 'F16'
  | 'BF16'
  | 'U32'
  | 'I32'
  | 'F32'
  | 'U64'
  | 'I64'
  | 'F64'
  | 'C64';

const each = <N extends FileDtype>(bits: number, ...names: N[]) =>
  Object.fromEntries(names.map((name) => [name, bits])) as Record<N, number>;

/** Bits per element of every element type that the format defines. */
export const bitsOf: Readonly<Record<FileDtype, number>> = {
  ...each(4, 'F4'),
  ...each(6, 'F6_E2M3', 'F6_E3M2'),
  ...each(8, 'BOOL', 'U8', 'I8', 'F8_E4M3', 'F8_E5M2', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ'),
  ...each(16, 'U16', 'I16', 'F16', 'BF16'),
  ...each(32, 'U32', 'I32', 'F32'),
  ...each(64, 'U64', 'I64', 'F64', 'C64'),
};

/** The spelling of the element types of tensors in a file. */
export const fileDtypes: Readonly<Record<Dtype, FileDtype>> = {
  f32: 'F32',
  f64: 'F64',
  f16: 'F16',
  bf16: 'BF16',
  i32: 'I32',
  u8: 'U8',
};

const dtypes = new Map<FileDtype, Dtype>();
for (const dtype of Object.keys(fileDtypes) as Dtype[]) dtypes.set(fileDtypes[dtype], dtype);

/** The dtype of tensors that hold such elements; undefined where there is none. */
export const dtypeOfFile = (dtype: FileDtype): Dtype | undefined => dtypes.get(dtype);

const maxRank = 5;

export function isFileDtype(name: string): name is FileDtype {
  return Object.hasOwn(bitsOf, name);
}

/**
 * The exact number of bytes, or undefined when it is not a whole number or cannot be counted. Dimensions of zero do not
 * hide the others: whoever multiplies strides later meets no overflow either.
 */
export function byteLengthOf(dtype: FileDtype, shape: readonly number[]): number | undefined {
  const most = Math.floor(Number.MAX_SAFE_INTEGER / bitsOf[dtype]);
  let size = 1;
  let empty = false;
  for (const dimension of shape) {
    if (dimension === 0) empty = true;
    else if (dimension > most / size) return undefined;
    else size *= dimension;
  }
  const bits = empty ? 0 : size * bitsOf[dtype];
  return bits % 8 === 0 ? bits / 8 : undefined;
}

/** The dtype under which a stored tensor can live on a device; throws `ERR_UNSUPPORTED` when there is none. */
export function tensorDtype(op: string, name: string, info: { dtype: FileDtype; shape: readonly number[] }): Dtype {
  const dtype = dtypeOfFile(info.dtype);
  const field = `tensor ${quote(name)}`;
  if (!dtype) {
    throw refusal(op, field, `be one of ${[...dtypes.keys()].join(' ')}`, info.dtype, 'ERR_UNSUPPORTED');
  }
  if (info.shape.length > maxRank) {
    throw refusal(op, field, `have at most ${maxRank} dimensions`, info.shape.length, 'ERR_UNSUPPORTED');
  }
  // Sizes of 0 do not hide the others, as in tensors themselves.
  if (info.shape.reduce((size, n) => size * Math.max(n, 1), 1) > mostElements)
    throw refusal(op, field, 'hold at most 2^44 elements', `[${info.shape.join(', ')}]`, 'ERR_UNSUPPORTED');
  return dtype;
}

/**
 * The bytes of a whole tensor, which may be the first ones of a buffer, as the array that `Tensor.from` takes; files
 * and supported hosts are little-endian.
 */
export function typedArray(dtype: Dtype, bytes: ArrayBuffer, byteLength: number = bytes.byteLength): TypedArray {
  return new arrays[dtype](bytes, 0, byteLength / arrays[dtype].BYTES_PER_ELEMENT);
}
