// A zip archive, member after member: each is written before the next is asked for.
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { crc32, createDeflateRaw } from 'node:zlib';
import { abortable } from '../../core/abortable.ts';
import { type Access, spanBytes, writeFully } from '../contents.ts';
import { elsewhere, lengths, signatures } from './directory.ts';

/** A member to be stored: its bytes come in spans, and are as many as it says. */
export interface NewMember {
  readonly name: string;
  readonly bytes: number;
  spans(): AsyncIterable<Uint8Array>;
}

/**
 * Numbers from here on stand in extra fields: also of members that deflating could make too long for plain ones, by 5
 * bytes for each 16 KB. Tests set it lower.
 */
export const longFrom: { bytes: number; members: number } = { bytes: elsewhere - (1 << 22), members: 0xffff };

interface Written {
  readonly name: Buffer;
  readonly isLong: boolean;
  readonly crc: number;
  readonly bytes: number;
  readonly packedBytes: number;
  readonly header: number;
}

/** Midnight of the first day that the format knows: the same members give the same bytes. */
const date = 0x21;

/** Writes members and their directory from the beginning of a file. */
export async function writeArchive(
  handle: FileHandle,
  members: readonly NewMember[],
  isDeflated: boolean,
  access: Access,
): Promise<void> {
  const written: Written[] = [];
  let position = 0;
  for (const member of members) {
    access.signal?.throwIfAborted();
    const name = Buffer.from(member.name);
    const isLong = member.bytes >= longFrom.bytes;
    const begin = position + lengths.local + name.length + (isLong ? 20 : 0);
    let [sum, end] = [0, begin];
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const span of member.spans()) {
        sum = crc32(span, sum);
        yield span;
      }
    }
    for await (const span of isDeflated ? deflated(counted(), access) : counted())
      end = await writeFully(handle, span, end, access);
    const one = { name, isLong, crc: sum, bytes: member.bytes, packedBytes: end - begin, header: position };
    await writeFully(handle, localHeader(one, isDeflated), position, access);
    written.push(one);
    position = end;
  }
  const directoryBegin = position;
  for (const one of written) position = await writeFully(handle, centralHeader(one, isDeflated), position, access);
  await writeFully(handle, endOf(written.length, directoryBegin, position), position, access);
}

async function* deflated(spans: AsyncIterable<Uint8Array>, { signal }: Access): AsyncGenerator<Uint8Array> {
  const source = Readable.from(spans, { objectMode: true, highWaterMark: 1 });
  const deflate = createDeflateRaw({ chunkSize: 1 << 18 });
  source.on('error', (error) => deflate.destroy(error));
  source.pipe(deflate);
  const buffers: AsyncIterator<Buffer> = deflate[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await abortable(buffers.next(), signal);
      if (done) return;
      yield value;
    }
  } finally {
    source.destroy();
    deflate.destroy();
  }
}

const isPlain = (name: Buffer): boolean => name.every((byte) => byte < 128);

/** Fields that both headers have, from the version needed to the length of the name. */
function common(bytes: Buffer, at: number, one: Written, isDeflated: boolean, isLong: boolean): void {
  bytes.writeUInt16LE(isLong ? 45 : 20, at);
  bytes.writeUInt16LE(isPlain(one.name) ? 0 : 0x800, at + 2);
  bytes.writeUInt16LE(isDeflated ? 8 : 0, at + 4);
  bytes.writeUInt16LE(0, at + 6);
  bytes.writeUInt16LE(date, at + 8);
  bytes.writeUInt32LE(one.crc, at + 10);
  bytes.writeUInt32LE(one.isLong ? elsewhere : one.packedBytes, at + 14);
  bytes.writeUInt32LE(one.isLong ? elsewhere : one.bytes, at + 18);
  bytes.writeUInt16LE(one.name.length, at + 22);
}

/** An extra field of long numbers; empty without any. */
function longField(numbers: readonly number[]): Buffer {
  if (numbers.length === 0) return Buffer.alloc(0);
  const field = Buffer.alloc(4 + 8 * numbers.length);
  field.writeUInt16LE(1, 0);
  field.writeUInt16LE(8 * numbers.length, 2);
  for (const [i, number] of numbers.entries()) field.writeBigUInt64LE(BigInt(number), 4 + 8 * i);
  return field;
}

function localHeader(one: Written, isDeflated: boolean): Buffer {
  const bytes = Buffer.alloc(lengths.local);
  const extra = longField(one.isLong ? [one.bytes, one.packedBytes] : []);
  bytes.writeUInt32LE(signatures.local, 0);
  common(bytes, 4, one, isDeflated, one.isLong);
  bytes.writeUInt16LE(extra.length, 28);
  return Buffer.concat([bytes, one.name, extra]);
}

function centralHeader(one: Written, isDeflated: boolean): Buffer {
  const bytes = Buffer.alloc(lengths.central);
  const isFar = one.header >= longFrom.bytes;
  const extra = longField([...(one.isLong ? [one.bytes, one.packedBytes] : []), ...(isFar ? [one.header] : [])]);
  bytes.writeUInt32LE(signatures.central, 0);
  bytes.writeUInt16LE(45, 4);
  common(bytes, 6, one, isDeflated, one.isLong || isFar);
  bytes.writeUInt16LE(extra.length, 30);
  bytes.writeUInt32LE(isFar ? elsewhere : one.header, 42);
  return Buffer.concat([bytes, one.name, extra]);
}

function endOf(count: number, begin: number, end: number): Buffer {
  const isLong = count >= longFrom.members || end >= longFrom.bytes;
  const long = Buffer.alloc(isLong ? lengths.end64 + lengths.locator : 0);
  if (isLong) {
    long.writeUInt32LE(signatures.end64, 0);
    long.writeBigUInt64LE(BigInt(lengths.end64 - 12), 4);
    long.writeUInt16LE(45, 12);
    long.writeUInt16LE(45, 14);
    long.writeBigUInt64LE(BigInt(count), 24);
    long.writeBigUInt64LE(BigInt(count), 32);
    long.writeBigUInt64LE(BigInt(end - begin), 40);
    long.writeBigUInt64LE(BigInt(begin), 48);
    long.writeUInt32LE(signatures.locator, lengths.end64);
    long.writeBigUInt64LE(BigInt(end), lengths.end64 + 8);
    long.writeUInt32LE(1, lengths.end64 + 16);
  }
  const bytes = Buffer.alloc(lengths.end);
  bytes.writeUInt32LE(signatures.end, 0);
  for (const at of [8, 10]) bytes.writeUInt16LE(isLong ? 0xffff : count, at);
  bytes.writeUInt32LE(isLong ? elsewhere : end - begin, 12);
  bytes.writeUInt32LE(isLong ? elsewhere : begin, 16);
  return Buffer.concat([long, bytes]);
}

/** A view of memory in spans, between which others have a turn. */
export async function* spansOf({ buffer, byteOffset, byteLength }: ArrayBufferView): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < byteLength; at += spanBytes)
    yield new Uint8Array(buffer, byteOffset + at, Math.min(spanBytes, byteLength - at));
}
