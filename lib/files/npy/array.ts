// The elements of a stored array, as the array that a tensor takes.
import { arrays, type Dtype, mostElements } from '../../core/dtypes.ts';
import { OrthokitError, refusal } from '../../core/errors.ts';
import { hostArray } from '../../core/host-data.ts';
import type { TypedArray } from '../../core/native.ts';
import { Turns } from '../../core/turns.ts';
import { spanBytes } from '../contents.ts';
import type { Fail } from '../json/scanner.ts';
import { quote } from '../quote.ts';
import { type Element, type IntegerDtype, isInteger } from './dtypes.ts';
import { type ArrayHeader, type ReadNext, readArrayHeader } from './header.ts';

/** The bytes of one array, header and data, which come once, from the first to the last. */
export interface ArrayBytes {
  readonly size: number;
  readonly read: ReadNext;
  /** Once all has been read: checks that nothing else is there, and that it is what was written. */
  end(): Promise<void>;
  /** Ends the reading early. */
  giveUp(): void;
}

/** The description of an array in a file. */
export interface ArrayInfo {
  /** The element type as NumPy spells it, such as `<f4`. */
  readonly descr: string;
  /** The dtype of the tensor that it becomes; undefined where there is none, or only with `integers`. */
  readonly dtype: Dtype | undefined;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** True for elements that stand column after column. */
  readonly fortranOrder: boolean;
  /** Bytes of its data. */
  readonly byteLength: number;
}

/** An array whose header has been read and checked. */
export interface StoredArray extends ArrayInfo {
  readonly element: Element | undefined;
}

/** Fate of integers that orthokit has no dtype for. */
export type Integers = 'refuse' | 'i32';

/** Reads the header, and checks that the data are as long as it says. */
export async function readStored(bytes: ArrayBytes, fail: Fail): Promise<StoredArray> {
  const { header, headerBytes } = await readArrayHeader(bytes.read, bytes.size, fail);
  const { descr, element, shape, fortranOrder } = header;
  const byteLength = bytes.size - headerBytes;
  if (element) {
    const expected = countOf(header) * element.bytes;
    if (!Number.isSafeInteger(expected)) fail(`the shape must hold at most 2^44 elements, got [${shape.join(', ')}]`);
    if (expected !== byteLength)
      fail(`the data must have ${expected} bytes for ${quote(descr)} [${shape.join(', ')}], got ${byteLength}`);
  }
  return { descr, element, dtype: element?.dtype, shape, fortranOrder, byteLength };
}

/** Sizes of 0 do not hide the others: whoever multiplies strides later meets no overflow either. */
function countOf({ shape }: Pick<ArrayHeader, 'shape'>): number {
  const most = shape.reduce((size, n) => size * Math.max(n, 1), 1);
  if (most > mostElements) return Number.POSITIVE_INFINITY;
  return shape.includes(0) ? 0 : most;
}

/** The dtype of the tensor that an array becomes. @throws ERR_UNSUPPORTED where there is none */
export function tensorDtypeOf(op: string, field: string, array: StoredArray, integers: Integers): Dtype {
  const { element, descr, shape } = array;
  if (shape.length > 5) throw refusal(op, field, 'have at most 5 dimensions', shape.length, 'ERR_UNSUPPORTED');
  if (element?.dtype) return element.dtype;
  const isOther = element !== undefined && isInteger(element.file);
  if (isOther && integers === 'i32') return 'i32';
  const must = isOther ? `be read with integers: 'i32', or be` : 'be';
  const got = descr.includes('O') ? `${quote(descr)}, objects of Python, which are never read` : quote(descr);
  throw refusal(op, field, `${must} of float16, float32, float64, int32, uint8 or V2 (bf16)`, got, 'ERR_UNSUPPORTED'); // biome-ignore format: one line
}

/** Settings by which an array is read. */
export interface Reading {
  /** The public function that messages begin with. */
  readonly op: string;
  /** Words for the array. */
  readonly field: string;
  readonly signal: AbortSignal | undefined;
  readonly onBytes: (count: number) => void;
  readonly fail: Fail;
}

/** The elements in the order of the file, of `dtype`; what is behind them is checked, too. */
export async function readElements(
  bytes: ArrayBytes,
  { element, byteLength }: StoredArray,
  dtype: Dtype,
  reading: Reading,
): Promise<TypedArray> {
  const { op, field, signal, onBytes } = reading;
  const { file, isBigEndian, bytes: width, dtype: own } = element!;
  const memory = memoryOf(op, byteLength);
  for (let at = 0; at < byteLength; at += spanBytes) {
    signal?.throwIfAborted();
    const span = Buffer.from(memory, at, Math.min(spanBytes, byteLength - at));
    await bytes.read(span);
    if (isBigEndian) swap(span, width);
    onBytes(span.length);
  }
  await bytes.end();
  signal?.throwIfAborted();
  if (own === dtype) return new arrays[dtype](memory);
  const from = { file: file as IntegerDtype, memory };
  return asIntegers(from, hostArray(op, 'i32', byteLength / width), { op, field, signal, fail: reading.fail });
}

function memoryOf(op: string, bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (cause) {
    throw new OrthokitError('ERR_MEMORY', `${op}: the process has no memory for ${bytes} bytes`, { cause });
  }
}

function swap(bytes: Buffer, width: number): void {
  if (width === 2) bytes.swap16();
  else if (width === 4) bytes.swap32();
  else bytes.swap64();
}

const turnElements = 1 << 18;

/** @throws ERR_UNSUPPORTED for a number that i32 does not hold */
async function asIntegers(
  { file, memory }: { file: IntegerDtype; memory: ArrayBuffer },
  out: Int32Array,
  { op, field, signal, fail }: Pick<Reading, 'op' | 'field' | 'signal' | 'fail'>,
): Promise<Int32Array> {
  const tooLarge = (i: number): never => {
    throw refusal(op, field, 'hold numbers of 32 bits', `a larger one at ${i}`, 'ERR_UNSUPPORTED');
  };
  const convert = converters[file](memory, tooLarge, fail);
  const turns = new Turns(signal);
  for (let from = 0; from < out.length; from += turnElements) {
    if (turns.isDue) await turns.next();
    const to = Math.min(from + turnElements, out.length);
    for (let i = from; i < to; ++i) out[i] = convert(i);
  }
  return out;
}

type Convert = (i: number) => number;
type TooLarge = (i: number) => never;
const simple =
  (View: new (memory: ArrayBuffer) => ArrayLike<number>) =>
  (memory: ArrayBuffer): Convert => {
    const view = new View(memory);
    return (i) => view[i]!;
  };
// Numbers of 64 bits are two halves, the lower first.
const long =
  (fits: (low: number, high: number) => boolean) =>
  (memory: ArrayBuffer, tooLarge: TooLarge): Convert => {
    const halves = new Int32Array(memory);
    return (i) => {
      const low = halves[2 * i]!;
      return fits(low, halves[2 * i + 1]!) ? low : tooLarge(i);
    };
  };
const converters: Readonly<Record<IntegerDtype, (memory: ArrayBuffer, tooLarge: TooLarge, fail: Fail) => Convert>> = {
  BOOL: (memory, _, fail) => {
    const view = new Uint8Array(memory);
    return (i) => (view[i]! < 2 ? view[i]! : fail(`a bool must be 0 or 1, got ${view[i]}`));
  },
  I8: simple(Int8Array),
  I16: simple(Int16Array),
  U16: simple(Uint16Array),
  U32: (memory, tooLarge) => {
    const view = new Int32Array(memory);
    return (i) => (view[i]! >= 0 ? view[i]! : tooLarge(i));
  },
  I64: long((low, high) => high === (low < 0 ? -1 : 0)),
  U64: long((low, high) => high === 0 && low >= 0),
};
