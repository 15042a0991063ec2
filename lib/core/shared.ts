// Handles of memory that several processes map: what one says to the other, and whether it may be believed.
import { getSystemErrorName } from 'node:util';
import { arrays, type Dtype } from './dtypes.ts';
import { OrthokitError, refusal, shown } from './errors.ts';
import { isRecord } from './options.ts';
import { count, optional, readOptions, type Schema, whole, word } from './schema.ts';

/**
 * All that another process needs to map the memory of a tensor. Plain JSON: it goes through any pipe or socket. With
 * `pid` and `fd` the memory is a memfd, opened at `/proc/<pid>/fd/<fd>`; without, an object of `/dev/shm`.
 */
export interface SharedHandle {
  /** The element type. */
  readonly dtype: Dtype;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** The name of the memory: of a memfd that of `memfd_create`, else that of `shm_open`, without a slash. */
  readonly name: string;
  /** The process that has the memfd open. */
  readonly pid?: number | undefined;
  /** Its file descriptor there. */
  readonly fd?: number | undefined;
  /** Size of the whole memory, in bytes. */
  readonly bytes: number;
  /** Place of the first element in it, in bytes. Default: 0. */
  readonly offset?: number | undefined;
}

/** Options of `Tensor.fromShared`. */
export interface FromSharedOptions {
  /**
   * `'allow'` takes memory that its owner can cut off, such as every object of `/dev/shm`: when it does so while the
   * memory is in use, the system ends this process. Default: `'refuse'`.
   */
  unsealed?: 'refuse' | 'allow' | undefined;
}

/** Memory as the addon opens it: path, link, size, offset, length, whether unsealed memory is taken. */
export type SharedSource = readonly [string, string, number, number, number, boolean];

type Fields = { [K in keyof SharedHandle]-?: K extends 'pid' | 'fd' ? number | undefined : NonNullable<SharedHandle[K]> }; // biome-ignore format: one line

/** Names of memfds and of objects have no separators, so that none leads out of its folder. */
const name = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/;
const isShape = (x: unknown): boolean =>
  Array.isArray(x) && x.length <= 5 && Array.from(x).every((n) => Number.isSafeInteger(n) && n >= 0);

const schema: Schema<Fields> = {
  dtype: word(Object.keys(arrays) as Dtype[], undefined as never),
  shape: { default: undefined as never, wrong: (x) => (isShape(x) ? undefined : 'must be at most 5 whole sizes') },
  name: {
    default: undefined as never,
    wrong: (x) => (typeof x === 'string' && name.test(x) ? undefined : 'must be letters, digits and . _ -'),
  },
  pid: optional(whole(1, 1, 2 ** 31 - 1)),
  fd: optional(whole(0, 0, 2 ** 31 - 1)),
  bytes: { ...count(1), default: undefined as never },
  offset: whole(0, 0, Number.MAX_SAFE_INTEGER),
};
const optionSchema: Schema<{ unsealed: 'refuse' | 'allow' }> = { unsealed: word(['refuse', 'allow'], 'refuse') };

/** A handle that says nothing impossible, and where its memory is to be looked for. @throws ERR_ARGUMENT */
export function readHandle(
  op: string,
  given: unknown,
  options: FromSharedOptions,
): { handle: SharedHandle; source: SharedSource } {
  if (!isRecord(given)) throw refusal(op, 'handle', 'be an object', shown(given));
  const { unsealed } = readOptions(op, options, optionSchema);
  const fields = readOptions(op, given, schema, 'handle');
  const { dtype, pid, fd, bytes, offset } = fields;
  const shape = Object.freeze([...fields.shape]);
  if ((pid === undefined) !== (fd === undefined))
    throw refusal(op, 'handle', 'have both of pid and fd, or neither', 'one of them');
  const element = arrays[dtype].BYTES_PER_ELEMENT;
  if (offset % element !== 0) throw refusal(op, 'handle.offset', `be a multiple of ${element} for ${dtype}`, offset);
  const length = shape.reduce((size, n) => size * n, element);
  if (!(offset + length <= bytes))
    throw refusal(op, 'handle', `have room for ${length} bytes at ${offset} in its memory`, bytes);
  const handle = Object.freeze({ dtype, shape, name: fields.name, ...(pid && { pid, fd }), bytes, offset });
  const isMemfd = pid !== undefined;
  const path = isMemfd ? `/proc/${pid}/fd/${fd}` : `/dev/shm/${fields.name}`;
  const link = isMemfd ? `/memfd:${fields.name} (deleted)` : '';
  return { handle, source: [path, link, bytes, offset, length, unsealed === 'allow'] };
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
