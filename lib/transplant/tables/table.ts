import type { Device } from '../../core/device.ts';
import { type Dtype, isFloating } from '../../core/dtypes.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import type { Weights } from '../../files/model-folder/weights.ts';
import { quote } from '../../files/quote.ts';
import { bitsOf, type FileDtype, fileDtypes, tensorDtype, typedArray } from '../../files/safetensors/dtypes.ts';

/** Bytes that are read, or rows of f32 that are held, at once. */
const spanBytes = 1 << 24;
/** Rows of a step at most: what is done for each of them must not hold the event loop. */
const mostRows = 4096;
/** Rows this far apart are read together: a call of the system costs as much as reading some KB. */
const gapBytes = 1 << 14;

/** Bytes in memory of their own. */
export type OwnBytes = Uint8Array & { readonly buffer: ArrayBuffer };

/** A matrix in a file with a row a token, of which only the rows asked for are read. */
export interface Table {
  readonly name: string;
  readonly shard: string;
  readonly rows: number;
  readonly columns: number;
  readonly dtype: Dtype;
  readonly fileDtype: FileDtype;
  readonly rowBytes: number;
  /** The bytes of these rows, whose ids never fall. */
  read(ids: Int32Array): Promise<OwnBytes>;
}

/** @throws ERR_SHAPE unless the tensor is a matrix, ERR_UNSUPPORTED unless its elements are f32, f16, bf16 or f64 */
export async function openTable(weights: Weights, name: string): Promise<Table> {
  const { op } = weights.folder;
  const { file, info } = await weights.find(name);
  const field = `tensor ${quote(name)}`;
  if (info.shape.length !== 2) throw refusal(op, field, 'be a matrix', `[${info.shape.join(', ')}]`, 'ERR_SHAPE');
  const dtype = tensorDtype(op, name, info);
  if (!isFloating(dtype)) throw refusal(op, field, 'be floating', info.dtype, 'ERR_UNSUPPORTED');
  const [rows = 0, columns = 0] = info.shape;
  if (rows === 0 || columns === 0) throw refusal(op, field, 'have elements', `[${info.shape.join(', ')}]`, 'ERR_SHAPE');
  const rowBytes = (columns * bitsOf[info.dtype]) / 8;
  return {
    name,
    shard: weights.shardOf.get(name) ?? '',
    rows,
    columns,
    dtype,
    fileDtype: fileDtypes[dtype],
    rowBytes,
    async read(ids) {
      const bytes = new Uint8Array(ids.length * rowBytes);
      for (let i = 0; i < ids.length; ) {
        const first = ids[i]!;
        let end = i + 1;
        let isRun = true;
        for (; end < ids.length; ++end) {
          const [before = 0, next = 0] = [ids[end - 1], ids[end]];
          if ((next - before) * rowBytes > gapBytes || (next + 1 - first) * rowBytes > spanBytes) break;
          isRun &&= next === before + 1;
        }
        // A run without gaps goes to its place at once.
        const span = isRun
          ? bytes.subarray(i * rowBytes, end * rowBytes)
          : new Uint8Array((ids[end - 1]! + 1 - first) * rowBytes);
        await file.readRange(info, first * rowBytes, span);
        if (!isRun) {
          for (let at = i; at < end; ++at) {
            const from = (ids[at]! - first) * rowBytes;
            bytes.set(span.subarray(from, from + rowBytes), at * rowBytes);
          }
        }
        i = end;
      }
      return bytes;
    },
  };
}

/** Rows of bytes as they stand in a file, on a device in f32. */
export function asTensor(device: Device, table: Table, bytes: OwnBytes): Tensor<'f32'> {
  const shape = [bytes.length / table.rowBytes, table.columns];
  const data = typedArray(table.dtype, bytes.buffer);
  if (table.dtype === 'f32') return Tensor.from(device, data, shape, { dtype: 'f32' });
  using stored = Tensor.from(device, data, shape, { dtype: table.dtype });
  return stored.cast('f32');
}

/** Number of rows that are worth one step of a walk over a table. */
export function rowsPerStep(table: Table): number {
  return Math.max(1, Math.min(mostRows, Math.floor(spanBytes / (4 * table.columns))));
}

/** Ids cut into steps of `count`. */
export function* steps(ids: Int32Array, count: number): Generator<Int32Array, void> {
  for (let from = 0; from < ids.length; from += count) yield ids.subarray(from, from + count);
}

/** These rows as one f32 matrix; only a step of them is ever held twice. */
export async function gather(task: Task, table: Table, ids: Int32Array): Promise<Tensor> {
  const { device } = task;
  using owned = new Owned();
  const all = owned.add(Tensor.zeros(device, [ids.length, table.columns]));
  let from = 0;
  for (const part of steps(ids, rowsPerStep(table))) {
    using rows = asTensor(device, table, await table.read(part));
    const first = from;
    using index = vectors.index(device, part.length, (i) => first + i);
    ops.scatterRows(task.queue, { out: all, index, x: rows, mode: 'set' });
    from += part.length;
    await task.wait(device.flow());
  }
  return owned.release(all);
}
