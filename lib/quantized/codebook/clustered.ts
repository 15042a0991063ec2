// A weight as codes and codebooks: rows in groups of those that are alike, k-means of each group's numbers.
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { packedBytes } from '../layers/packed-codes.ts';
import type { CodebookParts, CodebookProgress } from './parts.ts';

interface Clustering extends TaskOptions<CodebookProgress> {
  readonly codes: number;
  readonly groups: number;
  readonly seed: number;
  readonly bits: number;
}

/** @throws ERR_ARGUMENT for NaN and infinity, also of numbers that f32 does not hold */
export async function clustered(
  { op, tensor }: { readonly op: string; readonly tensor: string },
  weight: Tensor,
  { codes: count, groups, seed, bits, ...watchers }: Clustering,
): Promise<CodebookParts> {
  const { device } = weight;
  const [rows, columns] = weight.shape as [number, number];
  using task = new Task<CodebookProgress>(device, watchers);
  using owned = new Owned<Tensor>();
  const made = (shape: readonly number[], dtype: 'f32' | 'u8'): Tensor => owned.add(new Tensor(device, shape, dtype));
  const numbers = owned.add(weight.dtype === 'f32' ? weight.copy() : weight.cast('f32'));
  const guard = owned.add(vectors.scalar(device));
  ops.checkFinite(task.queue, { x: [numbers], guard });
  const [[wrong]] = await task.readAll(guard);
  if (wrong! > 0) throw refusal(op, tensor, 'be finite in f32', 'NaN or infinity');
  task.report({ stage: 'cluster' });

  const bookOf = groups === 1 ? new Int32Array(rows) : await booksOf(task, numbers, groups);
  const codebooks = made([groups, count], 'f32');
  const sorted = groups === 1 ? numbers : owned.add(inOrder(task, numbers, bookOf));
  // The first blocks have a row more than the others, where groups do not divide the rows.
  const least = Math.floor(rows / groups);
  const larger = rows % groups;
  for (const [from, to, height] of [
    [0, larger, least + 1],
    [larger, groups, least],
  ] as const) {
    if (from === to) continue;
    const first = from * (least + 1);
    using block = sorted.rows(first, first + (to - from) * height);
    using x = block.reshape([to - from, height * columns]);
    using books = codebooks.rows(from, to);
    ops.kmeansRows(task.queue, { x, codebooks: books, seed });
  }
  if (sorted !== numbers) owned.drop(sorted);
  task.report({ stage: 'assign' });

  const rowBooks = owned.add(Tensor.from(device, Uint8Array.from(lowAndHigh(bookOf)), [rows, 2]));
  const codes = made([rows, packedBytes(columns, bits)], 'u8');
  ops.assignCodes(task.queue, { x: numbers, codebooks, rowBooks, codes, bits });
  await task.synchronize();
  task.check();
  for (const tensor of [codes, codebooks, rowBooks]) owned.release(tensor);
  return { codes, codebooks, rowBooks, inputs: columns, bits };
}

function* lowAndHigh(bookOf: Int32Array): Generator<number> {
  for (const book of bookOf) yield* [book & 255, book >> 8];
}

/** The codebook of each row: rows in the order of their deviations, in blocks. */
async function booksOf(task: Task<CodebookProgress>, numbers: Tensor, groups: number): Promise<Int32Array> {
  const [rows, columns] = numbers.shape as [number, number];
  using squares = vectors.rowSquares(task.queue, numbers);
  using means = new Tensor(task.device, [rows], 'f64');
  ops.rowReduce(task.queue, { x: numbers, out: means, reduction: 'mean' });
  const [sums, mean] = await task.readAll(squares, means);
  const variance = Float64Array.from(mean as Float64Array, (m, i) => sums[i]! / columns - m * m);
  const order = Int32Array.from(variance.keys()).sort((i, j) => variance[i]! - variance[j]! || i - j);
  const least = Math.floor(rows / groups);
  const larger = rows % groups;
  const bookOf = new Int32Array(rows);
  for (const [place, row] of order.entries()) {
    const border = larger * (least + 1);
    bookOf[row] = place < border ? Math.floor(place / (least + 1)) : larger + Math.floor((place - border) / least);
  }
  return bookOf;
}

/** The rows, those of the first codebook first. */
function inOrder({ device, queue }: Task<CodebookProgress>, numbers: Tensor, bookOf: Int32Array): Tensor {
  const rows = Int32Array.from(bookOf.keys()).sort((i, j) => bookOf[i]! - bookOf[j]! || i - j);
  using index = Tensor.from(device, rows, [rows.length]);
  const out = new Tensor(device, numbers.shape, 'f32');
  try {
    ops.gatherRows(queue, { x: numbers, index, out });
    return out;
  } catch (error) {
    out.dispose();
    throw error;
  }
}
