// The entries of a completion on its device: by rows and by columns, and those held out.
import type { Device } from '../../core/device.ts';
import {
  byColumns,
  byRows,
  type Carried,
  checkRange,
  checkValues,
  type Lines,
  linesOf,
  type MatrixEntries,
} from '../../core/entries.ts';
import { refusal } from '../../core/errors.ts';
import { dtypeOf } from '../../core/host-data.ts';
import type { Owned } from '../../core/owned.ts';
import { RandomStream } from '../../core/random.ts';
import type { Task } from '../../core/task.ts';
import { given, type Tensor } from '../../core/tensor.ts';
import { lessened, momentsOf, parted, picked, unitOf } from '../entries/values.ts';

/** Entries of a matrix in lines, each of them a row or a column, as the operations take them. */
export interface SparseLines {
  /** The number of lines. */
  readonly count: number;
  /** i32 [count + 1]. */
  readonly starts: Tensor;
  /** i32: where an entry stands in its line. */
  readonly columns: Tensor;
  /** Values of the entries, less the mean where there is a bias. */
  readonly values: Tensor;
  /** The starts on the host. */
  readonly places: Int32Array;
  /** i32: the line of each entry, where that is asked for. */
  readonly lines: Tensor | undefined;
}

/** Entries that are not fitted. */
export interface HeldOut {
  readonly rows: Tensor;
  readonly columns: Tensor;
  readonly values: Tensor;
}

/** The data of a completion. */
export interface Data {
  readonly device: Device;
  readonly dtype: 'f32' | 'f64';
  readonly shape: readonly [number, number];
  /** Entries that are fitted. */
  readonly entries: number;
  readonly byRow: SparseLines;
  readonly byColumn: SparseLines;
  readonly heldOut: HeldOut | undefined;
  /** A power of two that all values here are counted in. */
  readonly unit: number;
  /** The mean of the values that are fitted, taken off them where there is a bias; else 0. */
  readonly mean: number;
  /** Root of the mean square of the values that are fitted. */
  readonly size: number;
}

/** The layout of the entries of a list. */
export interface Layout {
  readonly device: Device;
  /** True: the mean is taken off. */
  readonly isCentred: boolean;
  /** True: values are counted in a unit that keeps their squares in range. */
  readonly isScaled: boolean;
  /** The share of entries that are held out. */
  readonly heldOut: number;
  readonly seed: number;
  /** True: the line of each entry is kept. */
  readonly hasLines: boolean;
}

/** The stream of the numbers that decide what is held out; the others of a seed are for the start. */
const streamOfHeldOut = 1;

/** @throws ERR_ARGUMENT for entries outside the matrix, that stand twice or are not finite, or if all are held out */
export async function dataOf(
  where: string,
  task: Task<never>,
  list: MatrixEntries,
  layout: Layout,
  owned: Owned<Tensor>,
): Promise<Data> {
  const { device, isCentred, isScaled, hasLines } = layout;
  const { rows, values, shape } = list;
  await task.run(checkRange(where, 'entries', list));
  await task.run(checkValues(where, 'entries', values));
  const { fitted, others } = await divided(task, list, layout);
  if (fitted.rows.length === 0)
    throw refusal(where, 'heldOut', 'leave entries to fit', `${layout.heldOut} of ${rows.length}`);
  const unit = isScaled ? await task.run(unitOf(fitted.values)) : 1;
  const { mean, square } = await task.run(momentsOf(fitted.values, unit));
  const offset = isCentred ? mean : 0;
  const up = (data: Carried): Tensor => owned.add(given(device, data as never, [data.length], dtypeOf(data)));
  const upload = async (lines: Lines<Float32Array | Float64Array>): Promise<SparseLines> => ({
    count: lines.starts.length - 1,
    starts: up(lines.starts),
    columns: up(lines.across),
    values: up(lines.carried),
    places: lines.starts.slice(),
    lines: hasLines ? up(await task.run(linesOf(lines))) : undefined,
  });
  const inRows = await task.run(byRows(where, 'entries', fitted, fitted.values));
  const isChanged = offset !== 0 || unit !== 1;
  if (isChanged) await task.run(lessened(inRows.carried, offset, unit));
  const inColumns = await task.run(byColumns(inRows, shape[1]));
  if (others && isChanged) await task.run(lessened(others.values, offset, unit));
  return {
    device,
    dtype: values instanceof Float32Array ? 'f32' : 'f64',
    shape,
    entries: fitted.rows.length,
    byRow: await upload(inRows),
    byColumn: await upload(inColumns),
    heldOut: others && { rows: up(others.rows), columns: up(others.cols), values: up(others.values) },
    unit,
    mean: offset,
    size: Math.sqrt(isCentred ? Math.max(0, square - mean * mean) : square),
  };
}

/** Entries that are fitted, the list itself if all are, and those held out. */
async function divided(
  task: Task<never>,
  list: MatrixEntries,
  { device, heldOut, seed }: Layout,
): Promise<{ fitted: MatrixEntries; others: MatrixEntries | undefined }> {
  if (heldOut === 0) return { fitted: list, others: undefined };
  const { rows, cols, values, shape } = list;
  using numbers = new RandomStream(seed, { stream: streamOfHeldOut }).uniform(device, [rows.length]);
  const { above, below } = await task.run(parted(await task.read(numbers), heldOut));
  const of = async (among: Int32Array): Promise<MatrixEntries> => ({
    rows: await task.run(picked(rows, among)),
    cols: await task.run(picked(cols, among)),
    values: await task.run(picked(values, among)),
    shape,
  });
  return { fitted: await of(above), others: below.length > 0 ? await of(below) : undefined };
}
