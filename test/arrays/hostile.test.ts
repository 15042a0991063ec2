// Devices: cpu
// Axes: node
// Files of strangers: whatever they hold, errors with a code come out, soon and without much memory.
import { readFileSync, writeFileSync } from 'node:fs';
import { crc32, deflateRawSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { calls } from '../../lib/files/calls.ts';
import { longFrom } from '../../lib/files/zip/write.ts';
import { Device, loadNpy, loadNpz, readNpzInfo, saveNpz, Tensor } from '../../lib/index.ts';
import { restoreCalls } from '../files/failing.ts';
import { Folder } from '../files/folder.ts';
import { bytesOf } from './numpy-files.ts';

calls.sync = async () => {};
const device = Device.open('cpu', { threads: 1 });
afterAll(async () => {
  restoreCalls();
  await device.close();
});
const scene = new Folder();
afterAll(() => scene[Symbol.dispose]());

/** The code of a load, or `'accepted'`. */
async function load(bytes: Uint8Array, options: object = {}): Promise<string> {
  const isArchive = bytes[0] === 0x50;
  const file = scene.file(isArchive ? 'x.npz' : 'x.npy');
  writeFileSync(file, bytes);
  try {
    const loaded = isArchive ? await loadNpz(file, device, options) : { x: await loadNpy(file, device, options) };
    for (const tensor of Object.values(loaded)) tensor.dispose();
    return 'accepted';
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    expect(message).toMatch(/^loadNp[yz]: /);
    return code;
  }
}

/** An array file of any header. */
function npy(header: string, data = new Uint8Array(24), version = 1, length = Buffer.byteLength(header)): Buffer {
  const start = Buffer.alloc(version === 1 ? 10 : 12);
  start.write('\x93NUMPY', 'latin1');
  start[6] = version;
  if (version === 1) start.writeUInt16LE(length, 8);
  else start.writeUInt32LE(length, 8);
  return Buffer.concat([start, Buffer.from(header), data]);
}
const header = (descr = "'<f4'", order = 'False', shape = '(2, 3)'): string =>
  `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;

describe('an array', () => {
  it.each([
    `${header()}   \n`,
    "{'shape':(2,3),'descr':'<f4','fortran_order':False}",
    '{"shape": (2L, 3L,), "descr": "<f4", "fortran_order": True}',
    header(undefined, undefined, '( 6 , )'),
    `\n\t${header()}`,
  ])('may have the header %j', async (text) => expect(await load(npy(text))).toBe('accepted'));

  it.each([
    '',
    '{}',
    'None',
    '[]',
    "{'descr': '<f4'}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}",
    "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
    header(undefined, '0'),
    header(undefined, 'Falsely'),
    header(undefined, undefined, '[2, 3]'),
    header(undefined, undefined, '(6)'),
    header(undefined, undefined, '6'),
    header(undefined, undefined, '(2 3)'),
    header(undefined, undefined, '(-2, -3)'),
    header(undefined, undefined, '(2.0, 3)'),
    header(undefined, undefined, '(0x2, 3)'),
    header(undefined, undefined, '(2, 3'),
    header(undefined, undefined, '(,)'),
    header(undefined, undefined, `(${'1, '.repeat(65)})`),
    header(undefined, undefined, '(99999999999999999999,)'),
    header(undefined, undefined, '(4294967296, 4294967296)'),
    header(undefined, undefined, '(9007199254740991, 9007199254740991, 0)'),
    header(undefined, undefined, '(2, 4)'),
    header(undefined, undefined, '(2, 2)'),
    header(undefined, undefined, '(0,)'),
    header("'<f4"),
    header("'<f\\x34'"),
    header("__import__('os')"),
    header("[('a', '<f4')"),
    header("[('a', '<f4]"),
    `${header()} x`,
    `${header()}${header()}`,
    `${header()}\0`,
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
    '('.repeat(60_000),
    `{'descr': ${'['.repeat(60_000)}`,
    `{'${'x'.repeat(60_000)}`,
  ])('must not have the header %.60j', async (text) => expect(await load(npy(text))).toBe('ERR_FORMAT'));

  it.each([
    "'|f4'",
    "'=f4'",
    "'f4'",
    "'<f16'",
    "'|O'",
    "'<U3'",
    "'<V4'",
    "''",
    "'<__proto__'",
    "'<M8[ns]'",
    "[('a', '<f4')]",
    "('<f4', (2,))",
  ])('is not of %s', async (descr) => {
    // biome-ignore format: one line
    expect(await load(npy(header(descr)), { integers: 'i32' })).toBe('ERR_UNSUPPORTED');
  });

  it('has no sizes that no tensor has, also beside a 0', async () => {
    for (const shape of ['(0, 9007199254740991)', '(0, 17592186044417)'])
      expect(await load(npy(header(undefined, undefined, shape), Buffer.alloc(0)))).toBe('ERR_FORMAT');
    expect(await load(npy(header(undefined, undefined, '(0, 17592186044416)'), Buffer.alloc(0)))).toBe('accepted');
  });

  it('has a version, a length and a beginning that are so', async () => {
    for (const version of [0, 4, 255]) expect(await load(npy(header(), undefined, version))).toBe('ERR_FORMAT');
    for (const version of [2, 3]) expect(await load(npy(header(), undefined, version))).toBe('accepted');
    expect(await load(npy(header(), undefined, 1, 65535))).toBe('ERR_FORMAT');
    expect(await load(npy(header(), undefined, 2, 2 ** 32 - 1))).toBe('ERR_FORMAT');
    for (const bytes of [Buffer.alloc(0), Buffer.from('\x80\x04pickle of some object'), Buffer.alloc(1000)])
      expect(await load(bytes)).toBe('ERR_FORMAT');
    const bool = npy(header("'|b1'"), Uint8Array.of(0, 1, 2, 0, 0, 0));
    expect(await load(bool, { integers: 'i32' })).toBe('ERR_FORMAT');
  });

  it('is whole: every cut is noticed, every changed byte answered', async () => {
    const bytes = bytesOf('f4.npy');
    for (let n = 0; n < bytes.length; ++n) expect([n, await load(bytes.subarray(0, n))]).toEqual([n, 'ERR_FORMAT']);
    expect(await load(Buffer.concat([bytes, Buffer.of(0)]))).toBe('ERR_FORMAT');
    const known = ['ERR_FORMAT', 'ERR_UNSUPPORTED', 'accepted'];
    for (let i = 0; i < 128; i += 2)
      for (const flip of [1, 0xff]) {
        const changed = Buffer.from(bytes);
        changed[i]! ^= flip;
        expect(known).toContain(await load(changed));
      }
  });
});

interface Part {
  name: string;
  data: Uint8Array;
  method?: number;
  bytes?: number;
  packed?: Uint8Array;
  crc?: number;
  flags?: number;
  localName?: string;
  header?: number;
}

/** An archive of which anything may be untrue. */
function zip(
  parts: Part[],
  end: Partial<Record<'count' | 'bytes' | 'begin' | 'disk', number>> = {},
  comment = '',
): Buffer {
  // biome-ignore format: one line
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const { name, data, method = 0, flags = 0x800, ...claims } of parts) {
    const packed = claims.packed ?? (method === 8 ? deflateRawSync(data) : data);
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(flags, 6);
    head.writeUInt16LE(method, 8);
    head.writeUInt32LE(claims.crc ?? crc32(data), 14);
    head.writeUInt32LE(packed.length, 18);
    head.writeUInt32LE(claims.bytes ?? data.length, 22);
    const own = Buffer.from(claims.localName ?? name);
    head.writeUInt16LE(own.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    head.copy(entry, 6, 4, 28);
    entry.writeUInt16LE(Buffer.byteLength(name), 28);
    entry.writeUInt32LE(claims.header ?? at, 42);
    central.push(entry, Buffer.from(name));
    local.push(head, own, Buffer.from(packed));
    at += 30 + own.length + packed.length;
  }
  const directory = Buffer.concat(central);
  const tail = Buffer.alloc(22);
  tail.writeUInt32LE(0x06054b50, 0);
  tail.writeUInt16LE(end.disk ?? 0, 4);
  for (const place of [8, 10]) tail.writeUInt16LE(end.count ?? parts.length, place);
  tail.writeUInt32LE(end.bytes ?? directory.length, 12);
  tail.writeUInt32LE(end.begin ?? at, 16);
  tail.writeUInt16LE(Buffer.byteLength(comment), 20);
  return Buffer.concat([...local, directory, tail, Buffer.from(comment)]);
}
const data = npy(header());
const part: Part = { name: 'x.npy', data };

describe('an archive', () => {
  it('may be plain', async () => {
    expect(await load(zip([part]))).toBe('accepted');
    expect(await load(zip([{ ...part, method: 8 }]))).toBe('accepted');
    expect(await load(zip([part], {}, 'a comment'))).toBe('accepted');
    expect(await load(zip([part, { name: 'a/b.c/x.npy', data }]))).toBe('accepted');
  });

  it.each([
    '../x.npy',
    '/x.npy',
    'a/../x.npy',
    'a//x.npy',
    './x.npy',
    'a\\x.npy',
    'C:x.npy',
    'x\0.npy',
    `${'x'.repeat(1100)}.npy`,
    '',
  ])('has no member %.20j', async (name) => {
    // biome-ignore format: one line
    expect(await load(zip([{ name, data }]))).toBe('ERR_FORMAT');
  });

  const zeros = Buffer.alloc(1 << 20);
  it.each<[string, Buffer, string]>([
    ['a damaged sum', zip([{ ...part, crc: 1 }]), 'ERR_FORMAT'],
    ['a damaged sum of packed data', zip([{ ...part, method: 8, crc: 1 }]), 'ERR_FORMAT'],
    ['another local name', zip([{ ...part, localName: 'y.npy' }]), 'ERR_FORMAT'],
    ['a local header elsewhere', zip([{ ...part, header: 5 }]), 'ERR_FORMAT'],
    ['a local header beyond the end', zip([{ ...part, header: 2 ** 31 }]), 'ERR_FORMAT'],
    ['one name twice', zip([part, part]), 'ERR_FORMAT'],
    ['one array twice', zip([part, { name: 'x', data }]), 'ERR_FORMAT'],
    ['members that overlap', zip([part, { ...part, name: 'y.npy', header: 0 }]), 'ERR_FORMAT'],
    ['an encrypted member', zip([{ ...part, flags: 1 }]), 'ERR_UNSUPPORTED'],
    ['another method', zip([{ ...part, method: 12 }]), 'ERR_UNSUPPORTED'],
    ['no array', zip([{ name: 'x.txt', data }]), 'ERR_UNSUPPORTED'],
    ['more packed bytes than stored', zip([{ ...part, bytes: data.length + 1 }]), 'ERR_FORMAT'],
    ['fewer bytes than deflated', zip([{ ...part, method: 8, bytes: data.length - 4 }]), 'ERR_FORMAT'],
    ['more bytes than deflated', zip([{ ...part, method: 8, bytes: data.length + 4 }]), 'ERR_FORMAT'],
    ['a bomb', zip([{ ...part, method: 8, bytes: 2 ** 31, packed: deflateRawSync(zeros) }]), 'ERR_FORMAT'],
    ['a bomb of its header', zip([{ name: 'x.npy', data: Buffer.concat([npy(header(undefined, undefined, '(262144,)'), Buffer.alloc(0)), zeros]), method: 8, bytes: data.length }]), 'ERR_FORMAT'], // biome-ignore format: one line
    ['data that are not deflated', zip([{ ...part, method: 8, packed: Buffer.alloc(100, 0xff) }]), 'ERR_FORMAT'],
    ['data behind what is deflated', zip([{ ...part, method: 8, packed: Buffer.concat([deflateRawSync(data), Buffer.alloc(9)]) }]), 'ERR_FORMAT'], // biome-ignore format: one line
    ['packed data that end', zip([{ ...part, method: 8, packed: deflateRawSync(data).subarray(0, 30) }]), 'ERR_FORMAT'],
    ['names that are not marked', zip([{ name: 'größe.npy', data, flags: 0 }]), 'ERR_FORMAT'],
    ['a local bomb', zip([{ name: 'x.npy', data: Buffer.concat([data, zeros]), method: 8, bytes: data.length }]), 'ERR_FORMAT'], // biome-ignore format: one line
    ['large data that are not deflated', zip([{ ...part, method: 8, bytes: 1 << 20, packed: Buffer.alloc(1 << 20, 0xff) }]), 'ERR_FORMAT'], // biome-ignore format: one line
    ['more members than listed', zip([part], { count: 2 }), 'ERR_FORMAT'],
    ['fewer members than listed', zip([part, { name: 'y.npy', data }], { count: 1 }), 'ERR_FORMAT'],
    ['a directory elsewhere', zip([part], { begin: 7 }), 'ERR_FORMAT'],
    ['a longer directory', zip([part], { bytes: 2 ** 31 }), 'ERR_FORMAT'],
    ['a part of several files', zip([part], { disk: 1 }), 'ERR_FORMAT'],
    ['long numbers without any', zip([{ ...part, bytes: 0xffffffff }]), 'ERR_FORMAT'],
    ['something behind its end', Buffer.concat([zip([part]), Buffer.of(1)]), 'ERR_FORMAT'],
    ['no directory', Buffer.concat([Buffer.from('PK'), Buffer.alloc(100_000)]), 'ERR_FORMAT'],
  ])('with %s is refused', async (_, bytes, code) => expect(await load(bytes)).toBe(code));

  it.each(['named.npz', 'mixed.npz'])(
    'is whole: every cut of %s is noticed, every changed byte answered',
    async (name) => {
      // biome-ignore format: one line
      const bytes = bytesOf(name);
      const options = name === 'mixed.npz' ? { names: ['x'] } : {};
      for (let n = 2; n < bytes.length; n += n < bytes.length - 30 ? 7 : 1)
        expect([n, await load(bytes.subarray(0, n), options)]).toEqual([n, 'ERR_FORMAT']);
      const known = ['ERR_FORMAT', 'ERR_UNSUPPORTED', 'ERR_STATE', 'accepted'];
      for (let i = 2; i < bytes.length; i += 3) {
        const changed = Buffer.from(bytes);
        changed[i]! ^= 0xff;
        expect(known).toContain(await load(changed, options));
      }
    },
  );

  it('has long numbers where it must', async () => {
    const before = { ...longFrom };
    using x = Tensor.full(device, [50], 1.5);
    for (const compressed of [false, true])
      for (const bytes of [0, 100, 300, 400]) {
        Object.assign(longFrom, { bytes, members: bytes === 400 ? 2 : 0xffff });
        await saveNpz(scene.file('long.npz'), { x, y: x }, { compressed });
        const loaded = await loadNpz(scene.file('long.npz'), device);
        expect(await loaded['y']!.read()).toEqual(new Float32Array(50).fill(1.5));
        for (const tensor of Object.values(loaded)) tensor.dispose();
        const whole = readFileSync(scene.file('long.npz'));
        for (let cut = 1; cut < 120; cut += 13)
          expect(await load(whole.subarray(0, whole.length - cut))).toBe('ERR_FORMAT');
      }
    Object.assign(longFrom, before);
  });

  it('lists its arrays without reading them', async () => {
    const file = scene.file('listed.npz');
    writeFileSync(
      file,
      zip([
        { ...part, crc: 1 },
        { name: 'notes', data: Buffer.from('none') },
      ]),
    );
    expect([...(await readNpzInfo(file))]).toEqual([
      ['x', { descr: '<f4', dtype: 'f32', shape: [2, 3], fortranOrder: false, byteLength: 24 }],
    ]);
  });

  it('is saved under plain names alone', async () => {
    using x = Tensor.zeros(device, [1]);
    for (const name of ['../x', '/x', 'a//b', 'a\\b', 'x\0', 'x'.repeat(1100), '\ud800'])
      await expect(saveNpz(scene.file('no.npz'), { [name]: x })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(scene.names).not.toContain('no.npz');
  });
});
