// Tensors of rows of numbers and of their codes, for the operations from one to the other.
import { type Device, Tensor } from '../../lib/index.ts';
import { normal } from './data.ts';
import { tensorOf } from './tensors.ts';

export type RowCodes = [rows: number, columns: number, bits: 8 | 4, dtype: 'f32' | 'f64'];
export const rowCodes: RowCodes[] = [
  [33, 31, 8, 'f32'],
  [33, 31, 4, 'f32'],
  [5, 597, 4, 'f64'],
  [2, 4096, 4, 'f32'],
  [2, 4097, 8, 'f64'],
  [3, 1, 4, 'f32'],
  [3, 0, 4, 'f32'],
  [0, 3, 8, 'f32'],
];

const codeAt = (i: number): number => (37 * i + 11) % 256;

/** Numbers and ranges, which lie on either side of 0, and codes of any value. */
export function rowCodeFields(device: Device, [rows, columns, bits, dtype]: RowCodes) {
  const width = bits === 8 ? columns : Math.ceil(columns / 2);
  return {
    numbers: tensorOf(device, normal(rows * columns, 1), [rows, columns], dtype),
    codes: Tensor.from(
      device,
      Uint8Array.from({ length: rows * width }, (_, i) => codeAt(i)),
      [rows, width],
    ),
    ranges: tensorOf(device, normal(2 * rows, 2), [rows, 2], dtype),
    bits,
  };
}
