// The directory of a zip archive: which members there are, and where. All that a reader of members relies on is checked
// here, once: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
import type { FileHandle } from 'node:fs/promises';
import { refusal } from '../../core/errors.ts';
import { sorted } from '../../core/sort.ts';
import { inTurns, type Steps } from '../../core/turns.ts';
import type { Access } from '../contents.ts';
import { readFully } from '../contents.ts';
import type { Fail } from '../json/scanner.ts';
import { quote } from '../quote.ts';

export const zipLimits: { readonly members: number; readonly directoryBytes: number; readonly nameBytes: number } = {
  members: 65_536,
  directoryBytes: 1 << 26,
  nameBytes: 1024,
};

type Parts = Readonly<Record<'local' | 'central' | 'end' | 'end64' | 'locator', number>>;
export const signatures: Parts = {
  local: 0x04034b50,
  central: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator: 0x07064b50,
};
/** Bytes of each part without names and the like. */
export const lengths: Parts = { local: 30, central: 46, end: 22, end64: 56, locator: 20 };
/** A mark in place of a number that is in the extra field. */
export const elsewhere: number = 0xffffffff;
const mostComment = 0xffff;
/** Deflate makes of a byte at most 1032. */
const mostGrowth = 1032;

/** One member of an archive. */
export interface Member {
  readonly name: string;
  readonly method: 'stored' | 'deflated';
  readonly crc: number;
  /** Bytes in the archive. */
  readonly packedBytes: number;
  readonly bytes: number;
  /** Place of its local header. */
  readonly header: number;
  /** Place of the next member, or of the directory. */
  limit: number;
}

/** Names that could lead a program that unpacks them out of its folder, or that two programs read differently. */
export const isPlainName = (name: string): boolean =>
  name !== '' &&
  Buffer.byteLength(name) <= zipLimits.nameBytes &&
  !/[\0\\]|^\/|^[A-Za-z]:/.test(name) &&
  !name.split('/').some((part) => part === '..' || part === '.' || part === '');

/** Reads and checks the directory of an archive of `size` bytes. */
export async function readDirectory(handle: FileHandle, size: number, access: Access, fail: Fail): Promise<Member[]> {
  const read = (bytes: Uint8Array, position: number): Promise<void> =>
    readFully(handle, bytes, position, access, (at) => fail(`file must keep its size while it is read, got its end at byte ${at}`)); // biome-ignore format: one line
  if (size < lengths.end) fail(`file must have at least ${lengths.end} bytes, got ${size}`);
  const tail = Buffer.alloc(Math.min(size, lengths.end + mostComment + lengths.locator));
  await read(tail, size - tail.length);
  const at = endOf(tail) ?? fail('file must end with the directory of an archive, got another end');
  const end = tail.subarray(at);
  const place = { count: end.readUInt16LE(10), bytes: end.readUInt32LE(12), begin: end.readUInt32LE(16) };
  let disks = end.readUInt32LE(4) !== 0 || end.readUInt16LE(8) !== place.count;
  let directoryEnd = size - tail.length + at;
  const locator = at >= lengths.locator ? tail.subarray(at - lengths.locator, at) : undefined;
  if (locator?.readUInt32LE(0) === signatures.locator) {
    directoryEnd = counted(locator.readBigUInt64LE(8), fail);
    if (directoryEnd + lengths.end64 + lengths.locator > size) fail('the long end must be before the end, got another place'); // biome-ignore format: one line
    const long = Buffer.alloc(lengths.end64);
    await read(long, directoryEnd);
    if (long.readUInt32LE(0) !== signatures.end64) fail('the long end must have its signature, got another');
    place.count = counted(long.readBigUInt64LE(32), fail);
    place.bytes = counted(long.readBigUInt64LE(40), fail);
    place.begin = counted(long.readBigUInt64LE(48), fail);
    disks = long.readUInt32LE(16) !== 0 || long.readUInt32LE(20) !== 0 || long.readBigUInt64LE(24) !== BigInt(place.count); // biome-ignore format: one line
  }
  if (disks) fail('the archive must be in one file, got a part');
  if (place.count > zipLimits.members) fail(`the archive must have at most ${zipLimits.members} members, got ${place.count}`); // biome-ignore format: one line
  if (place.bytes > zipLimits.directoryBytes) fail(`the directory must have at most ${zipLimits.directoryBytes} bytes, got ${place.bytes}`); // biome-ignore format: one line
  if (place.begin + place.bytes !== directoryEnd) fail(`the directory must end at byte ${directoryEnd}, got ${place.begin + place.bytes}`); // biome-ignore format: one line
  const directory = Buffer.alloc(place.bytes);
  await read(directory, place.begin);
  return inTurns(membersOf(access.op, directory, place, fail), access.signal);
}

/** The place of the last end of a directory whose comment ends where the file does. */
function endOf(tail: Buffer): number | undefined {
  for (let at = tail.length - lengths.end; at >= 0 && at >= tail.length - lengths.end - mostComment; --at)
    if (tail.readUInt32LE(at) === signatures.end && at + lengths.end + tail.readUInt16LE(at + 20) === tail.length)
      return at;
  return undefined;
}

function counted(number: bigint, fail: Fail): number {
  return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : fail(`numbers must be countable, got ${number}`);
}

const pauseMembers = 1 << 9;

function* membersOf(
  op: string,
  directory: Buffer,
  { count, begin: dataEnd }: { count: number; begin: number },
  fail: Fail,
): Steps<Member[]> {
  const members: Member[] = [];
  const names = new Set<string>();
  let at = 0;
  for (let i = 0; i < count; ++i) {
    if (i % pauseMembers === 0) yield;
    const { member, next } = memberAt(op, directory, at, fail);
    at = next;
    if (names.has(member.name)) fail(`the archive must have each name once, got ${quote(member.name)} twice`);
    names.add(member.name);
    members.push(member);
  }
  if (at !== directory.length) fail(`the directory must have ${at} bytes for its members, got ${directory.length}`);
  // Members that overlap could hold far more than the file.
  const ordered = yield* sorted(members, (a, b) => a.header <= b.header);
  for (const [i, member] of ordered.entries()) {
    if (i % pauseMembers === 0) yield;
    member.limit = ordered[i + 1]?.header ?? dataEnd;
    const end = member.header + lengths.local + Buffer.byteLength(member.name) + member.packedBytes;
    if (end > member.limit) fail(`members must not overlap, got ${quote(member.name)} over the next`);
  }
  return members;
}

function memberAt(op: string, directory: Buffer, at: number, fail: Fail): { member: Member; next: number } {
  if (at + lengths.central > directory.length || directory.readUInt32LE(at) !== signatures.central)
    fail('the directory must list its members, got other data');
  const entry = directory.subarray(at, at + lengths.central);
  const [flags, method, crc] = [entry.readUInt16LE(8), entry.readUInt16LE(10), entry.readUInt32LE(16)];
  const [nameBytes, extraBytes] = [entry.readUInt16LE(28), entry.readUInt16LE(30)];
  const next = at + lengths.central + nameBytes + extraBytes + entry.readUInt16LE(32);
  if (next > directory.length) fail('the directory must hold its members whole, got its end');
  const nameAt = at + lengths.central;
  const name = nameOf(directory.subarray(nameAt, nameAt + nameBytes), (flags & 0x800) !== 0, fail);
  const unsupported = (must: string, got: string) => refusal(op, quote(name), must, got, 'ERR_UNSUPPORTED');
  if ((flags & 0x2041) !== 0) throw unsupported('be readable without a key', 'an encrypted member');
  if (method !== 0 && method !== 8) throw unsupported('be stored or deflated', `method ${method}`);
  if (entry.readUInt16LE(34) !== 0) fail('the archive must be in one file, got a part');
  const extra = directory.subarray(nameAt + nameBytes, nameAt + nameBytes + extraBytes);
  const [bytes, packedBytes, header] = longNumbers(
    [entry.readUInt32LE(24), entry.readUInt32LE(20), entry.readUInt32LE(42)],
    extra,
    fail,
  ) as [number, number, number];
  if (method === 0 && packedBytes !== bytes) fail(`${quote(name)} must be as long as it is stored, got ${bytes} bytes of ${packedBytes}`); // biome-ignore format: one line
  // A promise that no deflated data can keep.
  if (bytes > (packedBytes + 1) * mostGrowth) fail(`${quote(name)} must be at most ${mostGrowth} times its packed size, got ${bytes} bytes of ${packedBytes}`); // biome-ignore format: one line
  return {
    member: { name, method: method === 0 ? 'stored' : 'deflated', crc, bytes, packedBytes, header, limit: header },
    next,
  };
}

/** Numbers of which those that do not fit stand in the extra field, in this order. */
function longNumbers(numbers: number[], extra: Buffer, fail: Fail): number[] {
  if (!numbers.includes(elsewhere)) return numbers;
  let at = 0;
  while (at + 4 <= extra.length && extra.readUInt16LE(at) !== 1) at += 4 + extra.readUInt16LE(at + 2);
  if (at + 4 > extra.length) fail('long numbers must stand in the extra field, got none');
  const field = extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2));
  let next = 0;
  return numbers.map((number) => {
    if (number !== elsewhere) return number;
    if (next + 8 > field.length) fail('long numbers must stand in the extra field, got too few');
    next += 8;
    return counted(field.readBigUInt64LE(next - 8), fail);
  });
}

function nameOf(bytes: Buffer, isUtf8: boolean, fail: Fail): string {
  let name: string;
  try {
    name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return fail('names must be UTF-8, got other bytes');
  }
  if (!isUtf8 && bytes.some((byte) => byte > 127)) fail(`names must be marked as UTF-8, got ${quote(name)}`);
  if (!isPlainName(name)) fail(`names must be plain paths that lead nowhere else, got ${quote(name)}`);
  return name;
}
