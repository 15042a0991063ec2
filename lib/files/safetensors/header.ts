// The header of a safetensors file, a JSON object: { "<name>": { "dtype", "shape", "data_offsets": [begin, end] }, …,
// "__metadata__": { "<key>": "<text>" } }. Everything that a reader of the data relies on is checked here, once.
import { sorted } from '../../core/sort.ts';
import { type Fail, Scanner } from '../json/scanner.ts';
import { quote } from '../quote.ts';
import { byteLengthOf, type FileDtype, isFileDtype } from './dtypes.ts';

export const limits = {
  headerBytes: 100_000_000,
  nameBytes: 1024,
  /** Tensors of a file, and texts beside them; the largest models known have 140,000 tensors in dozens of files. */
  entries: 131_072,
  rank: 64,
} as const;

export const metadataName = '__metadata__';

/** One stored tensor. */
export interface TensorInfo {
  /** The element type as the file spells it. */
  readonly dtype: FileDtype;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Bytes of its data. */
  readonly byteLength: number;
  /** Begin of its data, in bytes from the first byte of data. */
  readonly begin: number;
}

export interface Header {
  /** Tensors by name, in the order of the header. */
  readonly tensors: Map<string, TensorInfo>;
  readonly metadata: Map<string, string>;
}

const pauseEntries = 1 << 11;

/**
 * Parses the bytes of a header, which it consumes, in front of `dataBytes` bytes of data. A generator, so that a long
 * header never holds the event loop: it yields every few dozen kilobytes.
 */
export function* parseHeader(bytes: Uint8Array, dataBytes: number, fail: Fail): Generator<undefined, Header> {
  const scanner = new Scanner(bytes, fail);
  const tensors = new Map<string, TensorInfo>();
  let metadata: Map<string, string> | undefined;
  if (bytes[0] !== 0x7b) scanner.unexpected("'{'");
  for (const name of scanner.keys(limits.nameBytes)) {
    if (name === metadataName) {
      if (metadata) fail(`header must have one ${metadataName}, got two`);
      metadata = yield* parseMetadata(scanner, fail);
    } else {
      if (tensors.has(name)) fail(`header must have each name once, got ${quote(name)} twice`);
      if (tensors.size === limits.entries) fail(`header must have at most ${limits.entries} tensors, got more`);
      tensors.set(name, parseTensor(scanner, name, fail));
    }
    yield* scanner.pause();
  }
  yield* scanner.padding();
  yield* checkLayout([...tensors], dataBytes, fail);
  return { tensors, metadata: metadata ?? new Map() };
}

function* parseMetadata(scanner: Scanner, fail: Fail): Generator<undefined, Map<string, string>> {
  const metadata = new Map<string, string>();
  for (const key of scanner.keys(limits.nameBytes)) {
    if (metadata.has(key)) fail(`${metadataName} must have each key once, got ${quote(key)} twice`);
    if (metadata.size === limits.entries) fail(`${metadataName} must have at most ${limits.entries} keys, got more`);
    metadata.set(key, yield* scanner.longText());
    yield* scanner.pause();
  }
  return metadata;
}

function parseTensor(scanner: Scanner, name: string, fail: Fail): TensorInfo {
  let dtype: FileDtype | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  const field = `tensor ${quote(name)}`;
  const once = (value: unknown, key: string): void => {
    if (value !== undefined) fail(`${field} must have ${key} once, got it twice`);
  };
  for (const key of scanner.keys(limits.nameBytes)) {
    if (key === 'dtype') {
      once(dtype, key);
      const text = scanner.text(limits.nameBytes);
      if (!isFileDtype(text)) fail(`${field} must have a known dtype, got ${quote(text)}`);
      dtype = text;
    } else if (key === 'shape') {
      once(shape, key);
      shape = parseIntegers(scanner, limits.rank, `${field} shape`, fail);
    } else if (key === 'data_offsets') {
      once(offsets, key);
      offsets = parseIntegers(scanner, 2, `${field} data_offsets`, fail);
    } else {
      fail(`${field} must have only dtype, shape and data_offsets, got ${quote(key)}`);
    }
  }
  if (dtype === undefined) fail(`${field} must have a dtype, got none`);
  if (shape === undefined) fail(`${field} must have a shape, got none`);
  const [begin, end] = offsets ?? [];
  if (begin === undefined || end === undefined) fail(`${field} must have two data_offsets, got fewer`);
  const byteLength = byteLengthOf(dtype, shape);
  if (byteLength === undefined) {
    fail(`${field} must have a whole and countable number of bytes, got ${dtype} [${shape.join(', ')}]`);
  }
  if (end - begin !== byteLength) {
    fail(`${field} must have ${byteLength} bytes for ${dtype} [${shape.join(', ')}], got [${begin}, ${end}]`);
  }
  return { dtype, shape: Object.freeze(shape), byteLength, begin };
}

function parseIntegers(scanner: Scanner, most: number, field: string, fail: Fail): number[] {
  const values: number[] = [];
  // A header has two such lists a tensor: no generator for each.
  scanner.expect('[');
  if (scanner.accept(']')) return values;
  do {
    if (values.length === most) fail(`${field} must have at most ${most} numbers, got more`);
    values.push(scanner.integer());
  } while (scanner.accept(','));
  if (!scanner.accept(']')) scanner.unexpected("',' or ']'");
  return values;
}

type Entry = readonly [name: string, info: TensorInfo];

/** The tensors cover the data from its first to its last byte, without overlap or hole. */
function* checkLayout(entries: Entry[], dataBytes: number, fail: Fail): Generator<undefined, void> {
  let end = 0;
  let count = 0;
  for (const [name, { begin, byteLength }] of yield* sorted(entries, inOrder)) {
    if (begin !== end) {
      fail(`tensor ${quote(name)} must begin at byte ${end}, where the one before it ends, got ${begin}`);
    }
    end += byteLength;
    // Compared at every step, so that the sum stays exact.
    if (end > dataBytes) fail(`tensor ${quote(name)} must end within ${dataBytes} bytes of data, got ${end}`);
    count += 1;
    if (count % pauseEntries === 0) yield;
  }
  if (end !== dataBytes) fail(`data must have the ${end} bytes of the tensors, got ${dataBytes}`);
}

function inOrder([, a]: Entry, [, b]: Entry): boolean {
  return a.begin < b.begin || (a.begin === b.begin && a.byteLength <= b.byteLength);
}
