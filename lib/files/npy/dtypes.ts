// Element types as NumPy spells them.
import type { Dtype } from '../../core/dtypes.ts';
import { bitsOf, dtypeOfFile, type FileDtype } from '../safetensors/dtypes.ts';

/** The spelling of the dtypes in files of NumPy. NumPy has no bf16: its bits are two bytes without a meaning there. */
export const descrs: Readonly<Record<Dtype, string>> = {
  f32: '<f4',
  f64: '<f8',
  f16: '<f2',
  bf16: '<V2',
  i32: '<i4',
  u8: '|u1',
};

const elements: Readonly<Record<string, FileDtype>> = {
  f2: 'F16',
  f4: 'F32',
  f8: 'F64',
  V2: 'BF16',
  b1: 'BOOL',
  i1: 'I8',
  i2: 'I16',
  i4: 'I32',
  i8: 'I64',
  u1: 'U8',
  u2: 'U16',
  u4: 'U32',
  u8: 'U64',
};

/** Integers that can become i32, each where its value fits. */
export type IntegerDtype = 'BOOL' | 'I8' | 'I16' | 'U16' | 'U32' | 'I64' | 'U64';
const integers: readonly string[] = ['BOOL', 'I8', 'I16', 'U16', 'U32', 'I64', 'U64'] satisfies IntegerDtype[];
export const isInteger = (dtype: FileDtype): dtype is IntegerDtype => integers.includes(dtype);

/** An element type that tensors are made of, at once or from integers. */
export interface Element {
  readonly file: FileDtype;
  /** The dtype that holds its bits; undefined for other integers. */
  readonly dtype: Dtype | undefined;
  readonly bytes: number;
  /** The first byte is the highest one. */
  readonly isBigEndian: boolean;
}

/** The element type of a description such as `<f4`; undefined for what no tensor holds. */
export function elementOf(descr: string): Element | undefined {
  const order = descr[0];
  const file = Object.hasOwn(elements, descr.slice(1)) ? elements[descr.slice(1)] : undefined;
  if (file === undefined || order === undefined) return undefined;
  const bytes = bitsOf[file] / 8;
  // Bytes of one, and those without a meaning, have no order.
  if (order !== '<' && order !== '>' && !(order === '|' && (bytes === 1 || file === 'BF16'))) return undefined;
  return { file, dtype: dtypeOfFile(file), bytes, isBigEndian: order === '>' && bytes > 1 && file !== 'BF16' };
}
