// Entries of a matrix as a caller lists them, and their order by rows and by columns.
import { OrthokitError, refusal, shown } from './errors.ts';
import { isRecord } from './options.ts';
import type { Steps } from './turns.ts';

/** The entries of a matrix that are known: entry e stands in row `rows[e]` and column `cols[e]`, from 0 on. */
export interface EntryPlaces {
  /** The row of each entry. */
  readonly rows: Int32Array;
  /** The column of each entry, as many. */
  readonly cols: Int32Array;
  /** Rows and columns of the matrix. */
  readonly shape: readonly [number, number];
}

/** The known entries of a matrix, none of them twice. */
export interface MatrixEntries extends EntryPlaces {
  /** The value of each entry. Its kind of array is the dtype of the work and the results. */
  readonly values: Float32Array | Float64Array;
}

/** A value or a place in a list for each entry. */
export type Carried = Int32Array | Float32Array | Float64Array;

/** Entries of a matrix one line after another: those of line i stand at `starts[i]` … `starts[i + 1] − 1`. */
export interface Lines<A extends Carried> {
  readonly starts: Int32Array;
  /** The place of each in its line. */
  readonly across: Int32Array;
  readonly carried: A;
}

/** So many entries are looked at between two turns of the event loop. */
export const pause: number = 1 << 14;
const mostEntries = 2 ** 31 - 1;

/** @throws ERR_ARGUMENT, ERR_SHAPE for what are no places; their numbers are not looked at */
export function checkPlaces(where: string, name: string, value: unknown): asserts value is EntryPlaces {
  if (!isRecord(value)) throw refusal(where, name, 'be an object with rows, cols and shape', shown(value));
  const { rows, cols, shape } = value as unknown as EntryPlaces;
  for (const [own, list] of Object.entries({ rows, cols }))
    if (!(list instanceof Int32Array)) throw refusal(where, `${name}.${own}`, 'be an Int32Array', shown(list));
  if (!Array.isArray(shape) || shape.length !== 2 || !shape.every((n) => Number.isInteger(n) && n >= 1 && n < 2 ** 31))
    throw refusal(where, `${name}.shape`, 'be two sizes from 1 on', Array.isArray(shape) ? `[${shape}]` : shown(shape));
  if (rows.length !== cols.length)
    throw refusal(where, `${name}.cols`, `be as many as rows, ${rows.length}`, cols.length, 'ERR_SHAPE');
  if (rows.length < 1 || rows.length > mostEntries)
    throw refusal(where, name, 'be at least one entry and fewer than 2^31', rows.length, 'ERR_SHAPE');
}

/** @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE for what is no list of entries */
export function checkEntries(where: string, name: string, value: unknown): asserts value is MatrixEntries {
  checkPlaces(where, name, value);
  const { values } = value as MatrixEntries;
  if (!(values instanceof Float32Array || values instanceof Float64Array))
    throw refusal(where, `${name}.values`, 'be a Float32Array or a Float64Array', shown(values), 'ERR_DTYPE');
  if (values.length !== value.rows.length)
    throw refusal(where, `${name}.values`, `be as many as rows, ${value.rows.length}`, values.length, 'ERR_SHAPE');
}

/** @throws ERR_ARGUMENT for a place outside the matrix */
export function* checkRange(where: string, name: string, { rows, cols, shape }: EntryPlaces): Steps<void> {
  for (const [own, list, size] of [
    ['rows', rows, shape[0]],
    ['cols', cols, shape[1]],
  ] as const)
    for (let e = 0; e < list.length; ++e) {
      const at = list[e]!;
      if (at < 0 || at >= size)
        throw refusal(where, `${name}.${own}`, `be from 0 to ${size - 1}`, `${at} for entry ${e}`);
      if (e % pause === 0) yield;
    }
}

/** Entries by lines, in the order that they have: one pass that counts, and one that moves. */
function* byLine<A extends Carried>(lines: Int32Array, across: Int32Array, carried: A, count: number): Steps<Lines<A>> {
  const size = lines.length;
  const starts = new Int32Array(count + 1);
  for (let from = 0; from < size; from += pause) {
    for (let i = from; i < Math.min(size, from + pause); ++i) starts[lines[i]! + 1]! += 1;
    yield;
  }
  for (let from = 0; from < count; from += pause) {
    for (let line = from; line < Math.min(count, from + pause); ++line) starts[line + 1]! += starts[line]!;
    yield;
  }
  const next = starts.slice(0, count);
  const out = { starts, across: new Int32Array(size), carried: likeOf(carried) };
  for (let from = 0; from < size; from += pause) {
    for (let i = from; i < Math.min(size, from + pause); ++i) {
      const line = lines[i]!;
      const to = next[line]!;
      next[line] = to + 1;
      out.across[to] = across[i]!;
      out.carried[to] = carried[i]!;
    }
    yield;
  }
  return out;
}
const likeOf = <A extends Carried>(x: A): A => new (x.constructor as new (size: number) => A)(x.length);

/** True for entries row by row, each row in ascending order, none twice. */
function* isSorted({ rows, cols }: EntryPlaces): Steps<boolean> {
  for (let from = 1; from < rows.length; from += pause) {
    for (let i = from; i < Math.min(rows.length, from + pause); ++i)
      if (!(rows[i - 1]! < rows[i]! || (rows[i - 1] === rows[i] && cols[i - 1]! < cols[i]!))) return false;
    yield;
  }
  return true;
}

/**
 * The entries by rows, each row in ascending order.
 * @throws ERR_ARGUMENT for an entry that stands twice
 */
export function* byRows<A extends Carried>(
  where: string,
  name: string,
  list: EntryPlaces,
  carried: A,
): Steps<Lines<A>> {
  const { rows, cols, shape } = list;
  if (yield* isSorted(list)) return yield* byLine(rows, cols, carried, shape[0]);
  const byColumn = yield* byLine(cols, rows, carried, shape[1]);
  const out = yield* byLine(byColumn.across, yield* linesOf(byColumn), byColumn.carried, shape[0]);
  const { starts, across } = out;
  for (let row = 0; row < shape[0]; ++row) {
    for (let e = starts[row]! + 1; e < starts[row + 1]!; ++e) {
      if (across[e] === across[e - 1]) throw twice(where, name, list, row, across[e]!);
      if (e % pause === 0) yield;
    }
    if (row % pause === 0) yield;
  }
  return out;
}

/** The same entries by columns, each in ascending order. */
export function* byColumns<A extends Carried>(byRow: Lines<A>, count: number): Steps<Lines<A>> {
  return yield* byLine(byRow.across, yield* linesOf(byRow), byRow.carried, count);
}

function twice(where: string, name: string, { rows, cols }: EntryPlaces, row: number, column: number): OrthokitError {
  const isSame = (_: number, e: number): boolean => rows[e] === row && cols[e] === column;
  const [first, last] = [rows.findIndex(isSame), rows.findLastIndex(isSame)];
  return new OrthokitError('ERR_ARGUMENT', `${where}: ${name} must have no entry twice, got [${row}, ${column}] at ${first} and ${last}`); // biome-ignore format: one line
}

/** The line of each entry. */
export function* linesOf({ starts, across }: Lines<Carried>): Steps<Int32Array> {
  const out = new Int32Array(across.length);
  for (let line = 0; line + 1 < starts.length; ++line) {
    out.fill(line, starts[line]!, starts[line + 1]!);
    if (line % pause === 0) yield;
  }
  return out;
}

/** @throws ERR_ARGUMENT for NaN and infinity */
export function* checkValues(where: string, name: string, values: Float32Array | Float64Array): Steps<void> {
  for (let i = 0; i < values.length; ++i) {
    if (!Number.isFinite(values[i])) throw refusal(where, `${name}.values`, 'be finite', `${values[i]} for entry ${i}`);
    if (i % pause === 0) yield;
  }
}
