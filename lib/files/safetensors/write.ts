import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { abortable } from '../../core/abortable.ts';
import { OrthokitError, shown } from '../../core/errors.ts';
import { isRecord } from '../../core/options.ts';
import { sorted } from '../../core/sort.ts';
import { inTurns, type Steps, Turns } from '../../core/turns.ts';
import { attempt, calls } from '../calls.ts';
import { spanBytes, writeFully } from '../contents.ts';
import { keepMode } from '../place.ts';
import { quote } from '../quote.ts';
import { replaceFile } from '../replace.ts';
import { checkPath, givenUp, type TransferOptions } from '../transfer.ts';
import { bitsOf, byteLengthOf, type FileDtype, isFileDtype } from './dtypes.ts';
import { limits, metadataName } from './header.ts';

const alignment = 8;
const pauseTensors = 1 << 9;

/**
 * A tensor to be stored. `data` is asked for when its turn comes, so that a file needs memory for one tensor only; or
 * for a span of one, where it comes in spans.
 */
export interface TensorSource {
  readonly name: string;
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  data(): ArrayBufferView | Promise<ArrayBufferView> | AsyncIterable<ArrayBufferView>;
}

export interface WriteOptions extends TransferOptions {
  /** The public function that messages begin with. */
  readonly op: string;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Told the CRC-32 of all bytes once they are synced, before the file takes its place. Default: none is computed. */
  readonly onContents?: ((sum: number) => Promise<void>) | undefined;
}

/**
 * Stores tensors and metadata in a safetensors file that replaces `path` at once and whole: the file is written beside
 * it under a name of its own, synced, renamed, and the folder synced. Whatever fails or is killed on the way, `path`
 * holds the old file or the new one. A killed process may leave `<path>.<random>.tmp` behind, which a later save
 * removes; a failed call does not. The same tensors give the same bytes, in whatever order they come. A symbolic link
 * is followed and stays a link, and the new file has the permissions of the old one.
 *
 * @throws ERR_ARGUMENT for names, shapes or texts that a file cannot hold, ERR_IO for a file call that fails, the
 * reason of an aborted signal, and whatever `data` or `onProgress` throws.
 */
export async function writeTensorFile(
  path: string,
  sources: readonly TensorSource[],
  options: WriteOptions,
): Promise<void> {
  const { op, signal } = options;
  checkPath(op, path);
  const steps = layOut(op, sources, options.metadata === undefined ? {} : options.metadata);
  const { start, ordered, total } = await inTurns(steps, signal);
  signal?.throwIfAborted();
  await replaceFile(path, { op, signal }, (handle, temporary, mode) =>
    writeContents(handle, temporary, { start, sources: ordered, total, mode }, options),
  );
}

interface Contents {
  readonly start: Uint8Array;
  readonly sources: readonly TensorSource[];
  readonly total: number;
  readonly mode: number | undefined;
}

async function writeContents(
  handle: FileHandle,
  path: string,
  { start, sources, total, mode }: Contents,
  { op, signal, onProgress, onContents }: WriteOptions,
): Promise<void> {
  const turns = new Turns(signal);
  try {
    if (mode !== undefined) await keepMode(op, path, handle, mode);
    const access = { op, path, signal };
    let position = await writeFully(handle, start, 0, access);
    let sum = onContents ? crc32(start) : 0;
    let done = 0;
    for (const source of sources) {
      signal?.throwIfAborted();
      // Files may hold many empty tensors: nothing is asked of them.
      if (turns.isDue) await turns.next();
      if (byteLengthOf(source.dtype, source.shape) === 0) continue;
      for await (const bytes of partsOf(op, source, signal)) {
        for (let from = 0; from < bytes.length; from += spanBytes) {
          signal?.throwIfAborted();
          const span = bytes.subarray(from, from + spanBytes);
          if (onContents) sum = crc32(span, sum);
          position = await writeFully(handle, span, position, access);
          done += span.length;
          onProgress?.({ done, total });
        }
      }
    }
    await abortable(attempt(op, path, 'synced', calls.sync(handle)), signal);
    await onContents?.(sum);
  } catch (error) {
    await givenUp(calls.close(handle), signal);
    throw error;
  }
  await attempt(op, path, 'closed', calls.close(handle));
}

/** The data of a tensor, whose length is checked before a byte too many is passed on. */
async function* partsOf(
  op: string,
  source: TensorSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  const data = source.data();
  if (!(Symbol.asyncIterator in data)) {
    const { buffer, byteOffset, byteLength } = await abortable(Promise.resolve(data), signal);
    checkLength(op, source, byteLength);
    yield new Uint8Array(buffer, byteOffset, byteLength);
    return;
  }
  const expected = byteLengthOf(source.dtype, source.shape)!;
  let length = 0;
  for await (const { buffer, byteOffset, byteLength } of data) {
    length += byteLength;
    if (length > expected) checkLength(op, source, length);
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
  checkLength(op, source, length);
}

interface Layout {
  /** The length, the header and its padding. */
  readonly start: Uint8Array;
  readonly ordered: readonly TensorSource[];
  readonly total: number;
}

// The widest elements come first, so that every tensor is aligned to its own element; then by name.
function* layOut(
  op: string,
  sources: readonly TensorSource[],
  metadata: Readonly<Record<string, string>>,
): Steps<Layout> {
  for (const [i, source] of sources.entries()) {
    if (i % pauseTensors === 0) yield;
    checkSource(op, source);
  }
  const ordered = yield* sorted(sources, inOrder);
  if (ordered.length > limits.entries) wrong(op, `tensors must be at most ${limits.entries}, got ${ordered.length}`);
  const parts: string[] = [];
  const texts = checkMetadata(op, metadata);
  if (texts.length > 0) parts.push(`${JSON.stringify(metadataName)}:{${texts.join(',')}}`);
  const names = new Set<string>();
  let begin = 0;
  for (const { name, dtype, shape } of ordered) {
    if (names.size % pauseTensors === 0) yield;
    if (names.has(name)) wrong(op, `tensors must have each name once, got ${quote(name)} twice`);
    names.add(name);
    const bytes = byteLengthOf(dtype, shape);
    if (bytes === undefined || begin + bytes > Number.MAX_SAFE_INTEGER) {
      wrong(
        op,
        `tensor ${quote(name)} must have a whole and countable number of bytes, got ${dtype} [${shape.join(', ')}]`,
      );
    }
    const end = begin + bytes;
    parts.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
    begin = end;
  }
  const header = Buffer.from(`{${parts.join(',')}}`);
  const padded = Math.ceil(header.length / alignment) * alignment;
  if (padded > limits.headerBytes) wrong(op, `header must have at most ${limits.headerBytes} bytes, got ${padded}`);
  const start = Buffer.alloc(8 + padded, ' ');
  start.writeBigUInt64LE(BigInt(padded));
  header.copy(start, 8);
  return { start, ordered, total: begin };
}

function checkSource(op: string, { name, dtype, shape }: TensorSource): void {
  checkName(op, 'name', name);
  if (name === metadataName) wrong(op, `name must not be ${metadataName}, which the format keeps for itself, got it`);
  if (!isFileDtype(dtype)) wrong(op, `tensor ${quote(name)} must have a dtype of the format, got ${quote(dtype)}`);
  if (shape.length > limits.rank || !shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    wrong(op, `tensor ${quote(name)} must have at most ${limits.rank} whole dimensions, got [${shape.join(', ')}]`);
  }
}

function checkMetadata(op: string, metadata: Readonly<Record<string, string>>): string[] {
  if (!isRecord(metadata)) wrong(op, `metadata must be an object of texts, got ${shown(metadata)}`);
  const entries = Object.entries<unknown>(metadata).sort(([a], [b]) => compare(a, b));
  if (entries.length > limits.entries)
    wrong(op, `metadata must have at most ${limits.entries} keys, got ${entries.length}`);
  return entries.map(([key, value]) => {
    checkName(op, 'metadata key', key);
    if (typeof value !== 'string' || !wellFormed(value)) {
      wrong(op, `metadata ${quote(key)} must be a well-formed text, got ${shown(value)}`);
    }
    return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
  });
}

function checkName(op: string, field: string, name: string): void {
  if (!wellFormed(name)) wrong(op, `${field} must be well-formed Unicode, got ${quote(name)}`);
  const bytes = Buffer.byteLength(name);
  if (bytes > limits.nameBytes) wrong(op, `${field} must have at most ${limits.nameBytes} bytes, got ${bytes}`);
}

function checkLength(op: string, { name, dtype, shape }: TensorSource, bytes: number): void {
  const expected = byteLengthOf(dtype, shape);
  if (bytes !== expected) wrong(op, `tensor ${quote(name)} must have ${expected} bytes of data, got ${bytes}`);
}

/** No lone surrogate, which UTF-8 cannot spell. */
function wellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

function inOrder(a: TensorSource, b: TensorSource): boolean {
  return (bitsOf[b.dtype] - bitsOf[a.dtype] || compare(a.name, b.name)) <= 0;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function wrong(op: string, problem: string): never {
  throw new OrthokitError('ERR_ARGUMENT', `${op}: ${problem}`);
}
