// Operations on a batch of matrices that take a number of each column, in f64.
import { expect } from 'vitest';
import { type Device, Tensor } from '../../lib/index.ts';
import { normal } from './data.ts';
import { tensorOf, thrownBy } from './tensors.ts';

type Shape = [batch: number, rows: number, columns: number];
export const columnCases: [Shape, 'f32' | 'f64'][] = [
  [[3, 33, 31], 'f32'],
  [[1, 597, 4], 'f64'],
  [[2, 1, 1], 'f32'],
  [[2, 0, 3], 'f32'],
  [[2, 3, 0], 'f64'],
];

/** x and out, and `name` with positive numbers of the columns. */
export const columnFields =
  <Name extends string, Options extends object>(name: Name, options: Options) =>
  ([batch, rows, columns]: Shape, dtype: 'f32' | 'f64') =>
  (device: Device) => ({
    x: tensorOf(device, normal(batch * rows * columns, 1), [batch, rows, columns], dtype),
    out: Tensor.full(device, [batch, rows, columns], NaN, { dtype }),
    ...({ [name]: tensorOf(device, normal(batch * columns, 2).map(Math.abs), [batch, columns], 'f64') } as Record<
      Name,
      Tensor
    >),
    ...options,
  });

/** That tensors which do not fit are refused, with fields for [2, 3, 4] in f32, and options out of range. */
export function refusesColumns(
  device: Device,
  name: string,
  run: (more: object) => void,
  options: readonly object[],
): void {
  const code = (more: object) => thrownBy(() => run(more)).code;
  const zeros = (shape: number[], dtype: 'f32' | 'f64' | 'bf16' = 'f32') => Tensor.zeros(device, shape, { dtype });
  expect(code({ x: zeros([3, 4]) })).toBe('ERR_SHAPE');
  expect(code({ x: zeros([2, 3, 4], 'bf16') })).toBe('ERR_DTYPE');
  expect(code({ [name]: zeros([2, 3], 'f64') })).toBe('ERR_SHAPE');
  expect(code({ [name]: zeros([2, 4]) })).toBe('ERR_DTYPE');
  expect(code({ out: zeros([2, 3, 4], 'f64') })).toBe('ERR_DTYPE');
  expect(code({ out: zeros([2, 4, 3]) })).toBe('ERR_SHAPE');
  for (const more of options) expect(code(more)).toBe('ERR_ARGUMENT');
}
