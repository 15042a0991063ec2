import { constants, type Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { abortable } from '../../core/abortable.ts';
import { arrays, type Dtype } from '../../core/dtypes.ts';
import { OrthokitError } from '../../core/errors.ts';
import type { TypedArray } from '../../core/native.ts';
import { inTurns } from '../../core/turns.ts';
import { attempt, calls } from '../calls.ts';
import { readFully, spanBytes } from '../contents.ts';
import type { Fail } from '../json/scanner.ts';
import { LentHandles } from '../lent-handles.ts';
import { checkPath, givenUp } from '../transfer.ts';
import { tensorDtype, typedArray } from './dtypes.ts';
import { limits, parseHeader, type TensorInfo } from './header.ts';

const lengthBytes = 8;
/** Spans of a tensor that are taken at once, 64 MB: a device may have work to do before it copies the first. */
const mostSpans = 16;

export interface OpenOptions {
  /** The public function that messages begin with. */
  readonly op: string;
  readonly signal?: AbortSignal | undefined;
  /** Refuse a path that is a symbolic link. Default: follow it. */
  readonly noFollow?: boolean | undefined;
  /**
   * @internal Handles of which few are open at once: the file may be closed between two reads. A read opens it again,
   * and fails where it is another file by then. Default: it stays open.
   */
  readonly handles?: LentHandles | undefined;
}

/** An open safetensors file whose header has been checked whole. */
export interface TensorFile {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, string>;
  /** The bytes of one tensor in fresh memory; `onBytes` hears of each span. */
  readBytes(info: TensorInfo, onBytes?: (count: number) => void): Promise<ArrayBuffer>;
  /** The bytes of a part of one tensor, from byte `from` of it, into memory of the caller's. */
  readRange(info: TensorInfo, from: number, into: Uint8Array): Promise<void>;
  /** The bytes before the data: length and header. */
  readStart(): Promise<Uint8Array>;
  /** The same as the array that `Tensor.from` takes; `ERR_UNSUPPORTED` for element types that tensors lack. */
  read(name: string, onBytes?: (count: number) => void): Promise<TypedArray>;
  /**
   * The same in spans of {@link spanBytes}, one after the other; `first` is the number of a span's first element, and
   * the promise tells when its memory may be that of another one. It must not reject.
   */
  readSpans(name: string, take: (span: TypedArray, first: number) => Promise<unknown>): Promise<void>;
}

/**
 * Opens and checks a file, hands it to `use`, and closes it whatever happens. `use` can compare names, shapes, dtypes
 * and metadata with what it needs before it reads or changes anything.
 *
 * @throws ERR_FORMAT for anything wrong in the file, ERR_IO for a file call that fails, the reason of an aborted
 *   signal.
 */
export async function withTensorFile<T>(
  path: string,
  options: OpenOptions,
  use: (file: TensorFile) => Promise<T>,
): Promise<T> {
  const file = await openTensorFile(path, options);
  let result: T;
  try {
    result = await use(file);
  } catch (error) {
    await file.giveUp();
    throw error;
  }
  await file.close();
  return result;
}

/** A tensor file that stays open until one of these is called. */
export interface OpenTensorFile extends TensorFile {
  /** Closes; `ERR_IO` when that fails. */
  close(): Promise<void>;
  /** Closes after a failure, in silence. */
  giveUp(): Promise<void>;
}

/** Opens and checks a file for as long as its caller needs it. @throws as {@link withTensorFile} */
export async function openTensorFile(path: string, options: OpenOptions): Promise<OpenTensorFile> {
  const { op, signal, noFollow, handles = new LentHandles(1) } = options;
  checkPath(op, path);
  signal?.throwIfAborted();
  const fail: Fail = (problem) => {
    throw new OrthokitError('ERR_FORMAT', `${op}: ${problem} in ${path}`);
  };
  // Without O_NONBLOCK, a FIFO would keep open() waiting for a writer.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (noFollow ? (constants.O_NOFOLLOW ?? 0) : 0);
  let known: Stats | undefined;
  const open = async (): Promise<FileHandle> => {
    const handle = await attempt(op, path, 'opened', calls.open(path, flags));
    try {
      const stats = await attempt(op, path, 'examined', calls.fstat(handle));
      if (!stats.isFile()) fail('path must be a regular file, got another kind');
      if (known && stampOf(known) !== stampOf(stats)) fail('file must stay as it is while it is read, got another one');
      known = stats;
      return handle;
    } catch (reason) {
      await givenUp(calls.close(handle), signal);
      throw reason;
    }
  };
  const lent = { op, path, open };
  handles.add(lent);
  const giveUp = (): Promise<void> => givenUp(handles.close(lent), signal);
  const ended = (at: number): never => fail(`file must keep its size while it is read, got its end at byte ${at}`);
  const read: Read = (bytes, position, onBytes) =>
    handles.use(lent, (handle) => readFully(handle, bytes, position, { op, path, signal }, ended, onBytes));
  try {
    const size = await handles.use(lent, async () => known!.size);
    const file = await readHeader(read, size, fail, options);
    return { ...file, giveUp, close: () => attempt(op, path, 'closed', handles.close(lent)) };
  } catch (error) {
    await giveUp();
    throw error;
  }
}

/** Identity of a file and its contents. */
const stampOf = ({ dev, ino, size, mtimeMs }: Stats): string => [dev, ino, size, mtimeMs].join();

type Read = (bytes: Uint8Array, position: number, onBytes?: (count: number) => void) => Promise<void>;

async function readHeader(
  read: Read,
  size: number,
  fail: Fail,
  { op, signal }: Pick<OpenOptions, 'op' | 'signal'>,
): Promise<TensorFile> {
  if (size < lengthBytes + 2) fail(`file must have at least 10 bytes, got ${size}`);

  const start = new Uint8Array(lengthBytes + 1);
  await read(start, 0);
  const length = new DataView(start.buffer).getBigUint64(0, true);
  const most = Math.min(limits.headerBytes, size - lengthBytes);
  if (length < 2n || length > BigInt(most)) fail(`header must have 2 to ${most} bytes, got ${length}`);
  if (start[lengthBytes] !== 0x7b) fail(`header must begin with '{', got 0x${start[lengthBytes]?.toString(16)}`);

  const header = new Uint8Array(Number(length));
  await read(header, lengthBytes);
  const dataStart = lengthBytes + header.length;
  const { tensors, metadata } = await inTurns(parseHeader(header, size - dataStart, fail), signal);

  const readBytes: TensorFile['readBytes'] = async (info, onBytes) => {
    const bytes = allocate(op, info.byteLength);
    await read(bytes, dataStart + info.begin, onBytes);
    return bytes.buffer;
  };
  const find = (name: string): readonly [TensorInfo, Dtype] => {
    const info = tensors.get(name);
    if (!info) return fail(`tensor ${JSON.stringify(name)} must be present, got none`);
    return [info, tensorDtype(op, name, info)];
  };
  return {
    tensors,
    metadata,
    readBytes,
    async readStart() {
      const bytes = allocate(op, dataStart);
      await read(bytes, 0);
      return bytes;
    },
    readRange: (info, from, into) => read(into, dataStart + info.begin + from),
    async read(name, onBytes) {
      const [info, dtype] = find(name);
      return typedArray(dtype, await readBytes(info, onBytes));
    },
    async readSpans(name, take) {
      const [info, dtype] = find(name);
      // Spans that were taken come free in their order; none is read over before.
      const free: ArrayBuffer[] = [];
      const taken: Promise<unknown>[] = [];
      for (let from = 0; from < info.byteLength; from += spanBytes) {
        const size = Math.min(spanBytes, info.byteLength - from);
        if (free.length > 0 || taken.length === mostSpans) await abortable(taken.shift()!, signal);
        const buffer = free.pop() ?? allocate(op, size).buffer;
        await read(new Uint8Array(buffer, 0, size), dataStart + info.begin + from);
        const span = typedArray(dtype, buffer, size);
        taken.push(take(span, from / arrays[dtype].BYTES_PER_ELEMENT).then(() => free.push(buffer)));
      }
    },
  };
}

function allocate(op: string, bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw new OrthokitError(
      'ERR_MEMORY',
      `${op}: host memory must have ${bytes} bytes for a tensor, got an allocation failure`,
      { cause },
    );
  }
}
