// Handles of memory that several processes map: what one says to the other, and whether it may be believed.
import { getSystemErrorName } from 'node:util';
import { arrays, type Dtype } from './dtypes.ts';
import { OrthokitError, refusal, shown } from './errors.ts';
import { isRecord } from './options.ts';
import { count, optional, readOptions, type Schema, whole, word } from './schema.ts';

/** The part of some memory that a tensor is. */
interface Place {
  /** The element type. */
  readonly dtype: Dtype;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Size of the whole memory, in bytes. */
  readonly bytes: number;
  /** Place of the first element in it, in bytes. Default: 0. */
  readonly offset?: number | undefined;
}

/**
 * A tensor of the CPU. With `pid` and `fd` the memory is a memfd, opened at `/proc/<pid>/fd/<fd>`; without, an object
 * of `/dev/shm`.
 */
export interface SharedHostHandle extends Place {
  /** The name of the memory: of a memfd that of `memfd_create`, else that of `shm_open`, without a slash. */
  readonly name: string;
  /** The process that has the memfd open. */
  readonly pid?: number | undefined;
  /** Its file descriptor there. */
  readonly fd?: number | undefined;
}

/** A tensor of a GPU. The memory is a block of `cudaMalloc`. */
export interface SharedCudaHandle extends Place {
  /** The 64 bytes of its `cudaIpcMemHandle_t`, in Base64. */
  readonly cuda: string;
  /** The GPU: the UUID that `nvidia-smi -L` shows, in lower case, without `GPU-`. */
  readonly uuid: string;
}

/** All that another process needs to map the memory of a tensor. Plain JSON: it goes through any pipe or socket. */
export type SharedHandle = SharedHostHandle | SharedCudaHandle;

/** Options of `Tensor.fromShared`. */
export interface FromSharedOptions {
  /**
   * `'allow'` takes memory that its owner can cut off, such as every object of `/dev/shm`: when it does so while the
   * memory is in use, the system ends this process. Of memory of a GPU it says nothing. Default: `'refuse'`.
   */
  unsealed?: 'refuse' | 'allow' | undefined;
}

/**
 * Memory as the addon opens it. Of the host: path, link, size, offset, length, whether unsealed memory is taken; of a
 * GPU: handle, UUID, size, offset.
 */
export type SharedSource =
  | readonly [string, string, number, number, number, boolean]
  | readonly [Uint8Array, string, number, number];

type Fields<H> = { [K in keyof H]-?: K extends 'pid' | 'fd' ? H[K] : NonNullable<H[K]> };

/** Names of memfds and of objects have no separators, so that none leads out of its folder. */
const name = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/;
const isShape = (x: unknown): boolean =>
  Array.isArray(x) && x.length <= 5 && Array.from(x).every((n) => Number.isSafeInteger(n) && n >= 0);

const missing = undefined as never;
const place: Schema<Fields<Place>> = {
  dtype: word(Object.keys(arrays) as Dtype[], missing),
  shape: { default: missing, wrong: (x) => (isShape(x) ? undefined : 'must be at most 5 whole sizes') },
  bytes: { ...count(1), default: missing },
  offset: whole(0, 0, Number.MAX_SAFE_INTEGER),
};
const text = (form: RegExp, words: string) => ({
  default: missing,
  wrong: (x: unknown) => (typeof x === 'string' && form.test(x) ? undefined : `must be ${words}`),
});
const hostSchema: Schema<Fields<SharedHostHandle>> = {
  ...place,
  name: text(name, 'letters, digits and . _ -'),
  pid: optional(whole(1, 1, 2 ** 31 - 1)),
  fd: optional(whole(0, 0, 2 ** 31 - 1)),
};
const cudaSchema: Schema<Fields<SharedCudaHandle>> = {
  ...place,
  // The last of 86 characters has two bits.
  cuda: text(/^[A-Za-z0-9+/]{85}[AQgw]==$/, '64 bytes in Base64'),
  uuid: text(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'a UUID in lower case'),
};
const optionSchema: Schema<{ unsealed: 'refuse' | 'allow' }> = { unsealed: word(['refuse', 'allow'], 'refuse') };

/** The place that a handle says, if it can be: whole elements within the memory. */
function readPlace(op: string, { dtype, shape, bytes, offset }: Fields<Place>): { place: Place; length: number } {
  const element = arrays[dtype].BYTES_PER_ELEMENT;
  if (offset % element !== 0) throw refusal(op, 'handle.offset', `be a multiple of ${element} for ${dtype}`, offset);
  const length = shape.reduce((size, n) => size * n, element);
  if (!(offset + length <= bytes))
    throw refusal(op, 'handle', `have room for ${length} bytes at ${offset} in its memory`, bytes);
  return { place: { dtype, shape: Object.freeze([...shape]), bytes, offset }, length };
}

/** A handle that says nothing impossible, and where its memory is to be looked for. @throws ERR_ARGUMENT */
export function readHandle(
  op: string,
  given: unknown,
  options: FromSharedOptions,
): { handle: SharedHandle; source: SharedSource } {
  if (!isRecord(given)) throw refusal(op, 'handle', 'be an object', shown(given));
  const { unsealed } = readOptions(op, options, optionSchema);
  if (given.cuda !== undefined) {
    const { cuda, uuid, ...fields } = readOptions(op, given, cudaSchema, 'handle');
    const { place } = readPlace(op, fields);
    const handle = Object.freeze({ ...place, cuda, uuid });
    return { handle, source: [new Uint8Array(Buffer.from(cuda, 'base64')), uuid, fields.bytes, fields.offset] };
  }
  const { name, pid, fd, ...fields } = readOptions(op, given, hostSchema, 'handle');
  if ((pid === undefined) !== (fd === undefined))
    throw refusal(op, 'handle', 'have both of pid and fd, or neither', 'one of them');
  const { place, length } = readPlace(op, fields);
  const isMemfd = pid !== undefined;
  const handle = Object.freeze({ ...place, name, ...(isMemfd && { pid, fd }) });
  const path = isMemfd ? `/proc/${pid}/fd/${fd}` : `/dev/shm/${name}`;
  const link = isMemfd ? `/memfd:${name} (deleted)` : '';
  return { handle, source: [path, link, fields.bytes, fields.offset, length, unsealed === 'allow'] };
}

/** Memory into which the addon has moved a tensor. */
export type SharedMemory =
  | { readonly name: string; readonly fd: number; readonly bytes: number }
  | { readonly handle: Uint8Array; readonly device: string; readonly bytes: number };

/** The handle of a part of memory that the addon has just made. */
export function handleOf(memory: SharedMemory, part: Omit<Place, 'bytes'>): SharedHandle {
  const { bytes } = memory;
  return Object.freeze(
    'handle' in memory
      ? { ...part, bytes, cuda: Buffer.from(memory.handle).toString('base64'), uuid: memory.device }
      : { ...part, bytes, name: memory.name, pid: process.pid, fd: memory.fd },
  );
}

/** An error of the addon under the name of the call, with the system's as its cause, of which it knows the number. */
export function withCause(op: string, error: unknown): unknown {
  if (!(error instanceof OrthokitError)) return error;
  const message = error.message.replace(/^Tensor: /, `${op}: `);
  if (error.code !== 'ERR_IO' || error.nativeCode === undefined) return new OrthokitError(error.code, message);
  const code = getSystemErrorName(-error.nativeCode);
  return new OrthokitError('ERR_IO', message, {
    cause: Object.assign(new Error(code), { code, errno: -error.nativeCode }),
  });
}
