// Entries of a matrix as a caller lists them, and their order by rows and by columns.
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { isRecord } from '../../core/options.ts';
import type { Steps } from '../../core/turns.ts';

/** Which entries of a matrix are known: entry e stands in row `rows[e]` and column `cols[e]`, from 0 on. */
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
const pause = 1 << 14;
const mostEntries = 2 ** 31 - 1;
/** Largest values up to two to this, and from two to its negative, stay as they are. */
const mostExponent = 32;

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

/** `from[order[i]]` for each i. */
export function* picked<A extends Carried>(from: A, order: Int32Array): Steps<A> {
  const out = new (from.constructor as new (size: number) => A)(order.length);
  for (let i = 0; i < order.length; ++i) {
    out[i] = from[order[i]!]!;
    if (i % pause === 0) yield;
  }
  return out;
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

/** x over a unit, less a number of such units, in place. */
export function* lessened(x: Float32Array | Float64Array, offset: number, unit: number): Steps<void> {
  for (let i = 0; i < x.length; ++i) {
    x[i] = x[i]! / unit - offset;
    if (i % pause === 0) yield;
  }
}

/** @throws ERR_ARGUMENT for NaN and infinity */
export function* checkValues(where: string, values: Float32Array | Float64Array): Steps<void> {
  for (let i = 0; i < values.length; ++i) {
    if (!Number.isFinite(values[i])) throw refusal(where, 'entries.values', 'be finite', `${values[i]} for entry ${i}`);
    if (i % pause === 0) yield;
  }
}

/** The power of two that values are to be counted in, so that their squares stay in range: 1 wherever they do as is. */
export function* unitOf(values: Float32Array | Float64Array): Steps<number> {
  let most = 0;
  for (let i = 0; i < values.length; ++i) {
    most = Math.max(most, Math.abs(values[i]!));
    if (i % pause === 0) yield;
  }
  const exponent = most > 0 ? Math.floor(Math.log2(most)) : 0;
  return Math.abs(exponent) <= mostExponent ? 1 : 2 ** Math.max(-1000, Math.min(1000, exponent));
}

/** Mean and mean of squares, of values counted in a unit. */
export function* momentsOf(values: Float32Array | Float64Array, unit: number): Steps<{ mean: number; square: number }> {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < values.length; ++i) {
    const value = values[i]! / unit;
    sum += value;
    squares += value * value;
    if (i % pause === 0) yield;
  }
  return { mean: sum / values.length, square: squares / values.length };
}

/** The entries for which a drawn number is below `share`, and the others, in order. */
export function* parted(numbers: Float32Array, share: number): Steps<{ below: Int32Array; above: Int32Array }> {
  let count = 0;
  for (let i = 0; i < numbers.length; ++i) {
    if (numbers[i]! < share) count += 1;
    if (i % pause === 0) yield;
  }
  const [below, above] = [new Int32Array(count), new Int32Array(numbers.length - count)];
  let [low, high] = [0, 0];
  for (let i = 0; i < numbers.length; ++i) {
    if (numbers[i]! < share) below[low++] = i;
    else above[high++] = i;
    if (i % pause === 0) yield;
  }
  return { below, above };
}
