// The bytes of one member of an archive, from the first to the last, with their sum checked at the end.
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { constants, crc32, createInflateRaw, inflateRawSync } from 'node:zlib';
import { abortable } from '../../core/abortable.ts';
import { OrthokitError } from '../../core/errors.ts';
import { systemCode } from '../calls.ts';
import { type Access, readFully } from '../contents.ts';
import type { Fail } from '../json/scanner.ts';
import { quote } from '../quote.ts';
import { elsewhere, lengths, type Member, signatures } from './directory.ts';

/** Bytes of a member, which come once and in order. */
export interface MemberBytes {
  readonly size: number;
  read(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
  giveUp(): void;
}

const packedSpan = 1 << 18;
/** Members of so few bytes, packed and not, are inflated in one call: a stream takes longer than they do. */
const smallBytes = 1 << 16;

/** Opens a member: its local header must say what the directory says. */
export async function openMember(handle: FileHandle, member: Member, access: Access, fail: Fail): Promise<MemberBytes> {
  const ended = (at: number): never => fail(`file must keep its size while it is read, got its end at byte ${at}`);
  const read = (bytes: Uint8Array, position: number): Promise<void> =>
    readFully(handle, bytes, position, access, ended);
  const begin = await beginOf(member, read, fail);
  const packed = { begin, read };
  const wrong = (problem: string): never => fail(`${quote(member.name)} ${problem}`);
  if (member.method === 'stored') return stored(member, packed, wrong);
  const isSmall = Math.max(member.bytes, member.packedBytes) <= smallBytes;
  return isSmall ? small(member, packed, wrong) : deflated(member, packed, access, wrong);
}

interface Packed {
  readonly begin: number;
  read(bytes: Uint8Array, position: number): Promise<void>;
}

async function beginOf(
  { name, method, header, bytes, packedBytes, limit }: Member,
  read: Packed['read'],
  fail: Fail,
): Promise<number> {
  // biome-ignore format: one line
  const own = Buffer.byteLength(name);
  const local = Buffer.alloc(lengths.local + own);
  await read(local, header);
  const extra = local.readUInt16LE(28);
  // A member that was written as a stream has its sizes behind it.
  const isStream = (local.readUInt16LE(6) & 8) !== 0;
  const agrees = (at: number, size: number): boolean => isStream || [size, elsewhere].includes(local.readUInt32LE(at));
  const isSame =
    local.readUInt32LE(0) === signatures.local &&
    local.readUInt16LE(8) === (method === 'stored' ? 0 : 8) &&
    local.readUInt16LE(26) === own &&
    local.toString('utf8', lengths.local) === name &&
    agrees(18, packedBytes) &&
    agrees(22, bytes);
  if (!isSame) fail(`${quote(name)} must begin with what the directory says of it, got another header`);
  const begin = header + lengths.local + own + extra;
  if (begin + packedBytes > limit) fail(`members must not overlap, got ${quote(name)} over the next`);
  return begin;
}

function checkSum(found: number, crc: number, wrong: Fail): void {
  if (found !== crc) wrong('must have the sum of its bytes (CRC-32), got damaged data');
}

function stored({ bytes: size, crc }: Member, { begin, read }: Packed, wrong: Fail): MemberBytes {
  let [done, sum] = [0, 0];
  return {
    size,
    async read(bytes) {
      if (done + bytes.length > size) wrong(`must have ${done + bytes.length} bytes, got ${size}`);
      await read(bytes, begin + done);
      done += bytes.length;
      sum = crc32(bytes, sum);
    },
    async end() {
      if (done !== size) wrong(`must have ${done} bytes, got ${size}`);
      checkSum(sum, crc, wrong);
    },
    giveUp: () => {},
  };
}

async function small(
  { bytes: size, packedBytes, crc }: Member,
  { begin, read }: Packed,
  wrong: Fail,
): Promise<MemberBytes> {
  const from = new Uint8Array(packedBytes);
  await read(from, begin);
  const { buffer: all, used } = inflated(from, size, wrong);
  let done = 0;
  return {
    size,
    async read(bytes) {
      if (done + bytes.length > all.length) wrong(`must have ${size} bytes, got ${all.length}`);
      done += all.copy(bytes, 0, done, done + bytes.length);
    },
    async end() {
      if (done !== size || all.length !== size) wrong(`must have ${size} bytes, got others`);
      if (used !== packedBytes) wrong(`must have ${packedBytes} bytes of deflated data, got ${used}`);
      checkSum(crc32(all), crc, wrong);
    },
    giveUp: () => {},
  };
}

/** At most `size` bytes, and how many packed ones they were. */
function inflated(from: Uint8Array, size: number, wrong: Fail): { buffer: Buffer; used: number } {
  const options = { chunkSize: Math.max(size, 64), maxOutputLength: Math.max(size, 1), info: true };
  try {
    // With `info` the answer is another one than the types say.
    const { buffer, engine } = inflateRawSync(from, options) as unknown as { buffer: Buffer; engine: { bytesWritten: number } }; // biome-ignore format: one line
    return { buffer, used: engine.bytesWritten };
  } catch (error) {
    if (systemCode(error) === 'ERR_BUFFER_TOO_LARGE') return wrong(`must have ${size} bytes, got others`);
    if (systemCode(error)?.startsWith('Z_')) return wrong('must be deflated data, got other data');
    throw error;
  }
}

function deflated(
  { bytes: size, packedBytes, crc }: Member,
  packed: Packed,
  { signal }: Access,
  wrong: Fail,
): MemberBytes {
  // biome-ignore format: one line
  async function* spans(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < packedBytes; at += packedSpan) {
      const span = new Uint8Array(Math.min(packedSpan, packedBytes - at));
      await packed.read(span, packed.begin + at);
      yield span;
    }
  }
  const source = Readable.from(spans(), { objectMode: true, highWaterMark: 1 });
  const inflate = createInflateRaw({ chunkSize: packedSpan, finishFlush: constants.Z_FINISH });
  source.on('error', (error) => inflate.destroy(error));
  source.pipe(inflate);
  const buffers: AsyncIterator<Buffer> = inflate[Symbol.asyncIterator]();
  const next = async (): Promise<Buffer | undefined> => {
    try {
      const { done, value } = await abortable(buffers.next(), signal);
      return done ? undefined : value;
    } catch (error) {
      if (error instanceof OrthokitError || signal?.aborted) throw error;
      // Data that cannot be inflated have a code of zlib's; all else is no fault of the file.
      return systemCode(error)?.startsWith('Z_')
        ? wrong('must be deflated data, got other data')
        : Promise.reject(error);
    }
  };
  let [done, sum] = [0, 0];
  let rest: Buffer | undefined;
  return {
    size,
    async read(bytes) {
      for (let at = 0; at < bytes.length; ) {
        if (!rest || rest.length === 0) {
          rest = (await next()) ?? wrong(`must have ${size} bytes, got ${done}`);
          sum = crc32(rest, sum);
        }
        const count = rest.copy(bytes, at);
        rest = rest.subarray(count);
        at += count;
        done += count;
      }
    },
    async end() {
      if (done !== size || (rest && rest.length > 0) || (await next()) !== undefined)
        wrong(`must have ${size} bytes, got others`);
      if (inflate.bytesWritten !== packedBytes) wrong(`must have ${packedBytes} bytes of deflated data, got ${inflate.bytesWritten}`); // biome-ignore format: one line
      checkSum(sum, crc, wrong);
    },
    giveUp() {
      source.destroy();
      inflate.destroy();
    },
  };
}
