// The forms in which the rows of a database are kept: as they are, in f16, or as codes of 8 bits and codes of what
// these leave.
import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';

/** The dtypes of databases. */
export type RowDtype = 'f32' | 'f16' | 'i8';
/** Tensors that together hold rows, each with a row a row. */
export type Parts = Readonly<Record<string, Tensor>>;

/** The tensors of a form, by their names in a file: dtypes, and elements a row. */
export function columnsOf(dtype: RowDtype, dim: number): Readonly<Record<string, { dtype: Dtype; columns: number }>> {
  if (dtype !== 'i8') return { rows: { dtype, columns: dim } };
  const codes = { dtype: 'u8', columns: dim } as const;
  const ranges = { dtype: 'f32', columns: 2 } as const;
  return { rows: codes, ranges, residuals: codes, residualRanges: ranges };
}

/** Bytes of a row. */
export function bytesOf(dtype: RowDtype, dim: number): number {
  return { f32: 4 * dim, f16: 2 * dim, i8: 2 * dim + 16 }[dtype];
}

/** A tensor for each part of some rows, whose elements are not set. */
export function emptyParts(device: Device, dtype: RowDtype, dim: number, rows: number, owned: Owned<Tensor>): Parts {
  const parts: Record<string, Tensor> = {};
  for (const [name, { dtype: own, columns }] of Object.entries(columnsOf(dtype, dim)))
    parts[name] = owned.add(new Tensor(device, [rows, columns], own));
  return parts;
}

/** Numbers in f32 in the form of a dtype. The tensors belong to `owned`, where those of f32 move from `before`. */
export function encode(x: Tensor<'f32'>, dtype: RowDtype, before: Owned<Tensor>, owned: Owned<Tensor>): Parts {
  if (dtype === 'f32') return { rows: owned.add(before.release(x)) };
  const { device, shape } = x;
  const [count, dim] = shape as [number, number];
  const parts = emptyParts(device, dtype, dim, count, owned);
  const { rows, ranges, residuals, residualRanges } = parts;
  if (dtype !== 'i8') {
    ops.cast(device, { x: [x], out: [rows!] });
    return parts;
  }
  ops.quantizeRows(device, { x, codes: rows!, ranges: ranges! });
  using left = x.copy();
  using coded = new Tensor(device, shape, 'f32');
  ops.dequantizeRows(device, { codes: rows!, ranges: ranges!, out: coded });
  vectors.axpy(device, -1, coded, left);
  ops.quantizeRows(device, { x: left, codes: residuals!, ranges: residualRanges! });
  return parts;
}

/** The numbers that rows stand for, in f32. Queued. */
export function decode(parts: Parts, owned: Owned<Tensor>): Tensor<'f32'> {
  const { rows, ranges, residuals, residualRanges } = parts;
  const { device, shape } = rows!;
  if (!ranges) return owned.add(rows!.cast('f32'));
  const out = owned.add(new Tensor(device, shape, 'f32'));
  ops.dequantizeRows(device, { codes: rows!, ranges, out });
  using more = new Tensor(device, shape, 'f32');
  ops.dequantizeRows(device, { codes: residuals!, ranges: residualRanges!, out: more });
  vectors.axpy(device, 1, more, out);
  return out;
}

/** The rows of an index, in the same form. Queued. */
export function take(parts: Parts, index: Int32Array, owned: Owned<Tensor>): Parts {
  const taken: Record<string, Tensor> = {};
  const { device } = Object.values(parts)[0]!;
  using places = Tensor.from(device, index, [index.length]);
  for (const [name, x] of Object.entries(parts)) {
    const out = owned.add(new Tensor(device, [index.length, x.shape[1]!], x.dtype));
    ops.gatherRows(device, { x, index: places, out });
    taken[name] = out;
  }
  return taken;
}
