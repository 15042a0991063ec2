// Files of NumPy, right ones and changed ones: most changes keep lengths and sums right, so that they get further in.
import { crc32, deflateRawSync } from 'node:zlib';

const magic = Buffer.from('\x93NUMPY', 'latin1');
const descrs = ['<f4', '>f4', '<f8', '>f8', '<f2', '>f2', '<i4', '>i4', '|u1', '<V2', '|V2', '|b1', '|i1', '<i2', '>u2', '<u4', '>i8', '<i8', '<u8', '|O', '<U3', 'f4', '<c8', '']; // biome-ignore format: one line
const tokens = ["{", "}", "'descr': ", "'fortran_order': ", "'shape': ", "'x': 1, ", 'True', 'False', '(', ')', '[', ']', '(2, 3)', '()', '(0,)', '(6,)', '(1, 2, 3)', '(1, 1, 1, 1, 1, 1)', ',', ':', "'", '"', '\\', '\n', '\t', ' ', '3L', '99999999999999999', '9007199254740991', '-1', '\0', "[('a', '<f4')]", "('<f4', (2,))", '\xe9']; // biome-ignore format: one line
const numbers = [0, 1, 2, 3, 4, 8, 20, 21, 22, 46, 0x0800, 0x2041, 0xfffe, 0xffff, 0xfffffffe, 0xffffffff];

export const isArchive = (file) => file[0] === 0x50;

/** An array with its header, of any text. */
export function framed(text, data, version = 1) {
  const header = Buffer.from(text, version === 3 ? 'utf8' : 'latin1');
  const start = Buffer.alloc(version === 1 ? 10 : 12);
  magic.copy(start);
  start[6] = version;
  if (version === 1) start.writeUInt16LE(Math.min(header.length, 0xffff), 8);
  else start.writeUInt32LE(header.length, 8);
  return Buffer.concat([start, header, data]);
}

export const arrayFile = (descr, shape, data, order = 'False') =>
  framed(`{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }\n`, data);

/** Places and bytes of the numbers of a header. */
const localFields = { signature: [0, 4], flags: [6, 2], method: [8, 2], crc: [14, 4], packedBytes: [18, 4], bytes: [22, 4], nameBytes: [26, 2] }; // biome-ignore format: one line
const centralFields = { signature: [0, 4], flags: [8, 2], method: [10, 2], crc: [16, 4], packedBytes: [20, 4], bytes: [24, 4], nameBytes: [28, 2], extraBytes: [30, 2], disk: [34, 2], begin: [42, 4] }; // biome-ignore format: one line

function written(length, fields, numbers) {
  const header = Buffer.alloc(length);
  for (const [name, [at, bytes]] of Object.entries(fields)) header.writeUIntLE(numbers[name], at, bytes);
  return header;
}

/** An archive. A member has a name, data, and what its headers say otherwise. */
export function zip(members, { comment = 0, long = false, end: changed = {} } = {}) {
  const [parts, entries] = [[], []];
  let at = 0;
  for (const { name, data, packed = false, extra = Buffer.alloc(0), local = {}, central = {}, raw } of members) {
    const stored = raw ?? (packed ? deflateRawSync(data) : data);
    const text = Buffer.from(name);
    const said = { flags: 0, method: packed ? 8 : 0, crc: crc32(data), packedBytes: stored.length, bytes: data.length, disk: 0, begin: at }; // biome-ignore format: one line
    const here = { ...said, signature: 0x04034b50, nameBytes: text.length, ...local };
    const there = { ...said, signature: 0x02014b50, nameBytes: text.length, extraBytes: extra.length, ...central };
    const [head, entry] = [written(30, localFields, here), written(46, centralFields, there)];
    parts.push(head, text, stored);
    entries.push(entry, text, extra);
    at += head.length + text.length + stored.length;
  }
  const directory = Buffer.concat(entries);
  const count = Math.min(members.length, 0xffff);
  const said = { count, here: count, bytes: directory.length, begin: at, disk: 0, comment, ...changed };
  const tail = [];
  if (long || members.length > 0xffff) {
    const whole = { count: members.length, disk: 0, signature: 0x06064b50, ...changed.long };
    const end = Buffer.alloc(56);
    end.writeUInt32LE(whole.signature, 0);
    end.writeUInt32LE(whole.disk, 16);
    end.writeBigUInt64LE(BigInt(whole.count), 24);
    end.writeBigUInt64LE(BigInt(whole.count), 32);
    end.writeBigUInt64LE(BigInt(directory.length), 40);
    end.writeBigUInt64LE(BigInt(at), 48);
    const locator = Buffer.alloc(20);
    locator.writeUInt32LE(0x07064b50, 0);
    locator.writeBigUInt64LE(BigInt(whole.place ?? at + directory.length), 8);
    tail.push(end, locator);
  }
  const end = Buffer.alloc(22 + comment);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(said.disk, 4);
  end.writeUInt16LE(said.here, 8);
  end.writeUInt16LE(said.count, 10);
  end.writeUInt32LE(said.bytes, 12);
  end.writeUInt32LE(said.begin, 16);
  end.writeUInt16LE(said.comment, 20);
  return Buffer.concat([...parts, directory, ...tail, end]);
}

const widths = { 1: 1, 2: 2, 3: 12, 4: 4, 8: 8 };
function freshArray(random) {
  const descr = random.of(descrs);
  const rank = random.below(random.chance(0.1) ? 8 : 4);
  const shape = Array.from({ length: rank }, () => random.below(rank > 4 ? 2 : 4));
  const bytes = shape.reduce((a, b) => a * b, 1) * (widths[descr.at(-1)] ?? 4);
  const data = Buffer.from(Array.from({ length: bytes }, () => (random.chance(0.6) ? random.below(2) : random.below(256)))); // biome-ignore format: one line
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  return arrayFile(`'${descr}'`, tuple, data, random.of(['True', 'False']));
}

function changedArray(random, from) {
  if (from.length < 12 || !from.subarray(0, 6).equals(magic)) return freshArray(random);
  const version = random.chance(0.2) ? random.of([0, 1, 2, 3, 4]) : from[6];
  const start = from[6] === 1 ? 10 : 12;
  const length = from[6] === 1 ? from.readUInt16LE(8) : from.readUInt32LE(8);
  let text = from.toString('latin1', start, Math.min(start + length, from.length));
  let data = from.subarray(Math.min(start + length, from.length));
  for (let i = random.below(3); i > 0; i -= 1) {
    const place = random.below(text.length + 1);
    text = text.slice(0, place) + random.of([...tokens, '']) + text.slice(place + random.below(12));
  }
  if (random.chance(0.2)) text = text.replace(/'descr': '[^']*'/, `'descr': '${random.of(descrs)}'`);
  if (random.chance(0.2)) data = Buffer.alloc(random.below(40), random.of([0, 1, 255]));
  const file = framed(text.slice(0, 5000), data, version);
  return random.chance(0.05) ? file.subarray(0, random.below(file.length + 1)) : file;
}

const extras = [
  Buffer.alloc(0),
  Buffer.from([9, 0, 2, 0, 1, 1]),
  Buffer.from([1, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
  Buffer.from([1, 0, 24, 0, ...Array(24).fill(255)]),
  Buffer.from([1, 0, 16, 0, ...Array(16).fill(0)]),
];
const memberNames = ['x.npy', 'y.npy', 'a/b.npy', 'notes.txt', '../x.npy', '/x.npy', 'a\\b.npy', 'x', '', 'é.npy'];

function freshArchive(random, pool) {
  const members = Array.from({ length: random.below(4) }, () => {
    const arrays = pool.filter((file) => !isArchive(file));
    const data = random.chance(0.7) || arrays.length === 0 ? freshArray(random) : random.of(arrays);
    const member = { name: random.of(memberNames), data, packed: random.chance(0.5) };
    if (member.name === 'é.npy') member.central = { flags: random.of([0, 0x800]) };
    const field = () => random.of(['flags', 'method', 'crc', 'packedBytes', 'bytes', 'disk', 'begin', 'signature', 'nameBytes', 'extraBytes']); // biome-ignore format: one line
    const small = new Set(['flags', 'method', 'disk', 'nameBytes', 'extraBytes']);
    const change = () => {
      const name = field();
      const number = random.of(numbers);
      return { [name]: small.has(name) ? number & 0xffff : number };
    };
    if (random.chance(0.2)) member.central = change();
    if (random.chance(0.1)) member.local = change();
    if (random.chance(0.2)) member.extra = random.of(extras);
    if (random.chance(0.1))
      member.raw = Buffer.from(deflateRawSync(data).map((b) => (random.chance(0.05) ? b ^ 1 : b)));
    return member;
  });
  const end = {};
  if (random.chance(0.1)) end[random.of(['count', 'here', 'comment'])] = random.of(numbers) & 0xffff;
  if (random.chance(0.1)) end[random.of(['bytes', 'begin', 'disk'])] = random.of(numbers);
  if (random.chance(0.2)) end.long = { [random.of(['count', 'disk', 'signature', 'place'])]: random.of(numbers) };
  return zip(members, { comment: random.chance(0.2) ? random.below(30) : 0, long: random.chance(0.3), end });
}

/** A file of the pool with a byte of it changed, removed or added. */
function bent(random, from) {
  const file = Buffer.from(from);
  for (let i = 1 + random.below(2); i > 0 && file.length > 0; i -= 1)
    file[random.below(file.length)] ^= random.of([1, 2, 4, 8, 16, 64, 128, 255]);
  return random.chance(0.2) ? file.subarray(0, random.below(file.length + 1)) : file;
}

/** A changed file of the pool, or a fresh one. */
export function mutateArrays(random, pool) {
  const way = random.next();
  if (pool.length === 0 || way < 0.2) return freshArray(random);
  if (way < 0.5) return freshArchive(random, pool);
  const from = random.of(pool);
  if (way < 0.75) return bent(random, from);
  return changedArray(random, from);
}
