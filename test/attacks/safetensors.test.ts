// Devices: cpu
// Axes: node
// Hostile and broken files. Each names the code of its refusal, by the listing and by the loading of tensors alike.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, loadTensors, readTensorInfo } from '../../lib/index.ts';
import { fileBytes } from '../files/bytes.ts';
import { Folder } from '../files/folder.ts';

const device = Device.open('cpu');
afterAll(() => device.close());

type Make = (file: string) => void;

/** A tensor entry of the header. */
const entry = (shape: string, offsets: string, dtype = '"U8"'): string =>
  `{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`;
const good = entry('[4]', '[0,4]');

const raw =
  (bytes: Uint8Array | string): Make =>
  (file) =>
    writeFileSync(file, bytes);
const header =
  (text: string | Uint8Array, data: Uint8Array | number = 4, length?: bigint): Make =>
  (file) =>
    writeFileSync(file, fileBytes(text, data, length));
/** One tensor `w` over four bytes of data. */
const one = (value: string): Make => header(`{"w":${value}}`);
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

const hostile: Record<string, Make> = {
  // The file as a whole
  'an empty file': raw(''),
  'seven bytes': raw('1234567'),
  'a length and nothing else': raw(Buffer.alloc(8)),
  'nine bytes': raw(Buffer.from('\x01\0\0\0\0\0\0\0{')),
  'a text file': raw('This is not a tensor file at all, but it is long enough.'),
  'only zeros': raw(Buffer.alloc(4096)),
  'a zip file': raw(latin1('PK\x03\x04\x14\0\0\0\x08\0abcdefghijklmnopqrstuvwxyz')),
  'a header of length 0': header('', 4),
  'a header of length 1': header('{', 4),
  'a length of 2^64 - 1': header(`{"w":${good}}`, 4, 2n ** 64n - 1n),
  'a length of 2^63': header(`{"w":${good}}`, 4, 2n ** 63n),
  'a length of 2^64 - 8, which wraps to 0 with the prefix': header(`{"w":${good}}`, 4, 2n ** 64n - 8n),
  'a length of 2^32 + the right one': header(`{"w":${good}}`, 4, 2n ** 32n + BigInt(`{"w":${good}}`.length)),
  'a length one beyond the file': header('{}', 0, 3n),
  'a header of 100 MB that is not there': header(`{"w":${good}}`, 4, 100_000_000n),
  'a header over 100 MB that is there': (file) => {
    const text = Buffer.alloc(100_000_001, ' ');
    text.write('{}');
    writeFileSync(file, fileBytes(text));
  },
  'a header of 90 MB of nothing': (file) => {
    writeFileSync(file, fileBytes('{', 0, 90_000_000n));
    truncateSync(file, 90_000_100);
  },
  'data cut short': header(`{"w":${good}}`, 3),
  'no data': header(`{"w":${good}}`, 0),
  'a polyglot tail': header(`{"w":${good}}`, latin1('1234PK\x05\x06 an archive after the data')),
  'one byte after the data': header(`{"w":${good}}`, 5),
  'data without tensors': header('{}', 1),

  // Places
  'an overlap': header(`{"a":${good},"b":${entry('[4]', '[2,6]')}}`, 6),
  'two tensors at one place': header(`{"a":${good},"b":${good}}`, 4),
  'a tensor inside another': header(`{"a":${entry('[8]', '[0,8]')},"b":${entry('[2]', '[3,5]')}}`, 8),
  'an empty tensor inside another': header(`{"a":${good},"b":${entry('[0]', '[2,2]')}}`, 4),
  'a hole': header(`{"a":${good},"b":${entry('[4]', '[5,9]')}}`, 9),
  'a hole at the start': one(entry('[3]', '[1,4]')),
  'an empty tensor beyond the end': header(`{"a":${good},"b":${entry('[0]', '[9,9]')}}`, 4),
  'an end before the begin': one(entry('[4]', '[4,0]')),
  'an end beyond the data': one(entry('[8]', '[0,8]')),
  'an end that the data cannot have, with a shape that fits': one(entry('[4]', '[0,9]')),
  'more bytes than the shape has': one(entry('[3]', '[0,4]')),
  'fewer bytes than the shape has': one(entry('[5]', '[0,4]')),
  'a size that wraps to 0 in 64 bits': header(`{"w":${entry('[4294967296,4294967296]', '[0,0]')}}`, 0),
  'a size that wraps to the right one in 64 bits': one(entry('[4611686018427387905]', '[0,4]', '"F32"')),
  'a size that wraps to the right one in 32 bits': one(entry('[1073741825]', '[0,4]', '"F32"')),
  'a size that a zero hides': header(`{"w":${entry('[0,4294967296,4294967296]', '[0,0]')}}`, 0),
  'a size that rounds in a double': one(entry('[94906267,94906267]', '[0,9007199515875289]')),

  // Numbers
  'a negative dimension': one(entry('[-4]', '[0,4]')),
  'two negative dimensions': one(entry('[-2,-2]', '[0,4]')),
  'a negative offset': one(entry('[4]', '[-4,0]')),
  'minus zero': one(entry('[4]', '[-0,4]')),
  'a float offset': one(entry('[4]', '[0.0,4]')),
  'an exponent': one(entry('[4e0]', '[0,4]')),
  '1e3': header(`{"w":${entry('[1e3]', '[0,1000]')}}`, 1000),
  'a leading zero': one(entry('[04]', '[0,4]')),
  'a double zero': one(entry('[4]', '[00,4]')),
  'a plus sign': one(entry('[+4]', '[0,4]')),
  'a hexadecimal number': one(entry('[0x4]', '[0,4]')),
  'a number in quotes': one(entry('["4"]', '[0,4]')),
  Infinity: one(entry('[Infinity]', '[0,4]')),
  '2^53': header(`{"w":${entry('[9007199254740992]', '[0,9007199254740992]')}}`, 0),
  '2^53 + 1, a double of which is 2^53': header(`{"w":${entry('[1]', '[9007199254740993,9007199254740994]')}}`, 0),
  'a number of a thousand digits': one(entry(`[${'9'.repeat(1000)}]`, '[0,4]')),
  'null as a dimension': one(entry('[null]', '[0,4]')),
  'true as a dimension': one(entry('[true]', '[0,4]')),

  // Entries
  'a name twice': header(`{"w":${good},"w":${good}}`),
  'a name twice, once for an empty tensor': header(`{"w":${good},"w":${entry('[0]', '[4,4]')}}`),
  'a name twice, once in escapes': header(`{"w":${good},"\\u0077":${entry('[0]', '[4,4]')}}`),
  '__metadata__ twice': header(`{"__metadata__":{},"__metadata__":{},"w":${good}}`),
  '__metadata__ as a tensor': header(`{"__metadata__":${good}}`),
  '__metadata__ with a number': header('{"__metadata__":{"a":1}}', 0),
  '__metadata__ with an object': header('{"__metadata__":{"a":{}}}', 0),
  '__metadata__ with null': header('{"__metadata__":{"a":null}}', 0),
  '__metadata__ as null': header('{"__metadata__":null}', 0),
  '__metadata__ with a key twice': header('{"__metadata__":{"a":"1","a":"2"}}', 0),
  'an unknown dtype': one(entry('[4]', '[0,4]', '"Q8"')),
  'a dtype in small letters': one(entry('[4]', '[0,4]', '"u8"')),
  'a dtype that objects have': header(`{"w":${entry('[0]', '[0,0]', '"constructor"')}}`, 0),
  'a dtype of __proto__': header(`{"w":${entry('[0]', '[0,0]', '"__proto__"')}}`, 0),
  'a dtype of number': one(entry('[4]', '[0,4]', '8')),
  'a dtype twice': one('{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}'),
  'a shape twice': one('{"dtype":"U8","shape":[1],"shape":[4],"data_offsets":[0,4]}'),
  'offsets twice': one('{"dtype":"U8","shape":[4],"data_offsets":[0,1],"data_offsets":[0,4]}'),
  'no dtype': one('{"shape":[4],"data_offsets":[0,4]}'),
  'no shape': one('{"dtype":"U8","data_offsets":[0,4]}'),
  'no offsets': one('{"dtype":"U8","shape":[4]}'),
  'an extra key': one('{"dtype":"U8","shape":[4],"data_offsets":[0,4],"stride":[1]}'),
  'a __proto__ key with the missing ones': one('{"__proto__":{"dtype":"U8"},"shape":[4],"data_offsets":[0,4]}'),
  'an empty entry': one('{}'),
  'one offset': one(entry('[4]', '[4]')),
  'three offsets': one(entry('[4]', '[0,4,4]')),
  'no numbers as offsets': one(entry('[4]', '[]')),
  'an object as shape': one(entry('{"0":4}', '[0,4]')),
  'an object as offsets': one(entry('[4]', '{"0":0,"1":4}')),
  'a number as shape': one(entry('4', '[0,4]')),
  'an array as entry': one('["U8",[4],[0,4]]'),
  'null as entry': one('null'),
  'a text as entry': one('"U8"'),
  'an array as header': header('[]', 0),
  'a text as header': header('"{}"', 0),
  'null as header': header('null', 0),
  '65 dimensions': one(entry(`[${Array(64).fill(1)},4]`, '[0,4]')),
  'a name of 1025 bytes': header(`{"${'n'.repeat(1025)}":${good}}`),
  'a name of 10 MB': header(`{"${'n'.repeat(10_000_000)}":${good}}`),
  'arrays 100,000 deep': one(entry('['.repeat(100_000), '[0,4]')),
  'objects 100,000 deep': header('{"a":'.repeat(100_000)),
  'an entry in an entry': one(`{"w":${good}}`),

  // Text
  'no opening brace': header(` {"w":${good}}`),
  'a byte order mark': header(`\ufeff{"w":${good}}`),
  'UTF-16': header(Buffer.from(`{"w":${good}}`, 'utf16le')),
  'no closing brace': header(`{"w":${good}`),
  'two objects': header(`{"w":${good}}{}`),
  'NUL as padding': header(`{"w":${good}}\0\0`),
  'a line feed as padding': header(`{"w":${good}}\n`),
  'NUL between tokens': header(`{\0"w":${good}}`),
  'NUL in a name': header(`{"\0":${good}}`),
  'a raw line feed in a name': header(`{"a\nb":${good}}`),
  'a raw tab in metadata': header('{"__metadata__":{"a":"b\tc"}}', 0),
  'a name that never ends': header('{"abc', 0),
  'a metadata text that never ends': header('{"__metadata__":{"a":"bcd', 0),
  'an escape that never ends': header('{"abc\\', 0),
  'a byte that is not UTF-8': header(latin1(`{"\xff":${good}}`)),
  'an overlong encoding': header(latin1(`{"\xc0\xaf":${good}}`)),
  'a surrogate in UTF-8': header(latin1(`{"\xed\xa0\x80":${good}}`)),
  'half a character of UTF-8': header(latin1(`{"\xe2\x88":${good}}`)),
  'a byte that is not UTF-8 in metadata': header(latin1('{"__metadata__":{"a":"\xfe"}}'), 0),
  'a byte that is not UTF-8 outside of strings': header(latin1(`{\xff"w":${good}}`)),
  'a lone high surrogate': header(`{"\\ud800":${good}}`),
  'a lone low surrogate': header(`{"\\udc00":${good}}`),
  'two high surrogates': header(`{"\\ud800\\ud800":${good}}`),
  'a high surrogate before the first code point after the low ones': header(`{"\\ud800\\ue000":${good}}`),
  'a high surrogate before plain text': header(`{"\\ud800abcdef":${good}}`),
  'an unknown escape': header(`{"\\x41":${good}}`),
  'three hexadecimal digits': header(`{"\\u04g0":${good}}`),
  'single quotes': header(`{'w':${good}}`),
  'a name without quotes': header(`{w:${good}}`),
  'a comment': header(`{/* */"w":${good}}`),
  'a line comment': header(`{"w":${good}} //`),
  'a trailing comma': header(`{"w":${good},}`),
  'a trailing comma in a shape': one(entry('[4,]', '[0,4]')),
  'a trailing comma in an entry': one('{"dtype":"U8","shape":[4],"data_offsets":[0,4],}'),
  'a comma first': header(`{,"w":${good}}`),
  'two commas': one(entry('[2,,2]', '[0,4]')),
  'no comma': header(`{"a":${good} "b":${entry('[0]', '[4,4]')}}`),
  'no colon': header(`{"w" ${good}}`),
  'an equals sign': header(`{"w"=${good}}`),
  'a space of another alphabet': header(`{\u00a0"w":${good}}`),
  'a megabyte of blanks between tokens': header(`{${' '.repeat(1 << 20)}"w":${good}}`),

  // Kinds of files
  'a folder': (file) => mkdirSync(file),
  'a FIFO': (file) => execFileSync('mkfifo', [file]),
  'a link to a device': (file) => symlinkSync('/dev/zero', file),
};

const attacks = { tags: ['R14'] };

describe('R14: a hostile file is refused with ERR_FORMAT:', attacks, () => {
  it.each(Object.entries(hostile))('%s', async (_, make) => {
    using folder = new Folder();
    make(folder.file('x'));
    const refusal = { name: 'OrthokitError', code: 'ERR_FORMAT' };
    await expect(readTensorInfo(folder.file('x'))).rejects.toMatchObject({
      ...refusal,
      message: expect.stringMatching(/^readTensorInfo: .* must .*, got .* in .*x$/),
    });
    await expect(loadTensors(folder.file('x'), device)).rejects.toMatchObject(refusal);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

describe('R14: a path that cannot be opened is refused with ERR_IO:', attacks, () => {
  it.each<[string, string, Make]>([
    ['nothing there', 'ENOENT', () => {}],
    ['a link to nothing', 'ENOENT', (file) => symlinkSync('nothing', file)],
    ['a link to itself', 'ELOOP', (file) => symlinkSync('x', file)],
  ])('%s', async (_, code, make) => {
    using folder = new Folder();
    make(folder.file('x'));
    await expect(loadTensors(folder.file('x'), device)).rejects.toMatchObject({ code: 'ERR_IO', cause: { code } });
  });
});

it('R14: a tensor larger than any memory is refused with ERR_MEMORY', attacks, async () => {
  using folder = new Folder();
  const bytes = 2 ** 43;
  header(`{"w":${entry(`[${bytes}]`, `[0,${bytes}]`)}}`, 0)(folder.file('x'));
  truncateSync(folder.file('x'), bytes + readFileSync(folder.file('x')).length);
  expect((await readTensorInfo(folder.file('x'))).tensors.get('w')?.byteLength).toBe(bytes);
  await expect(loadTensors(folder.file('x'), device)).rejects.toMatchObject({ code: 'ERR_MEMORY' });
});

describe('R14: an unusual file is taken for what it is:', attacks, () => {
  const listed = async (make: Make): Promise<string[]> => {
    using folder = new Folder();
    make(folder.file('x'));
    return [...(await readTensorInfo(folder.file('x'))).tensors.keys()];
  };

  it.each<[string, string[], Make]>([
    [
      'special names',
      ['__proto__', 'constructor', 'toString'],
      header(`{"__proto__":${good},"constructor":${entry('[0]', '[4,4]')},"toString":${entry('[0]', '[4,4]')}}`),
    ],
    ['JSON in a name', ['{"w":null}'], header(`{"{\\"w\\":null}":${good}}`)],
    ['a path as a name', ['../../etc/passwd'], header(`{"../../etc/passwd":${good}}`)],
    [
      'every escape',
      ['"\\/\b\f\n\r\tAéé∇𝛻'],
      header(`{"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041é\\u00E9\\u2207\\ud835\\udefb":${good}}`),
    ],
    ['all white space of JSON', ['w'], header(`{ \t\r\n"w" : ${good} }   `)],
    ['a megabyte of padding', ['w'], header(`{"w":${good}}${' '.repeat(1 << 20)}`)],
    ['the largest size that is counted', ['w'], header(`{"w":${entry('[0,1125899906842623]', '[0,0]')}}`, 0)],
    ['64 dimensions', ['w'], header(`{"w":${entry(`[${Array(63).fill(1)},4]`, '[0,4]')}}`)],
    [
      'a header out of order, empty tensors at every border',
      ['c', 'z', 'b', 'y', 'a', 'x'],
      header(
        `{"c":${entry('[2]', '[5,7]')},"z":${entry('[0]', '[7,7]')},"b":${entry('[2]', '[3,5]')},"y":${entry('[0]', '[3,3]')},"a":${entry('[3]', '[0,3]')},"x":${entry('[0]', '[0,0]')}}`,
        7,
      ),
    ],
    ['no tensors', [], header('{}', 0)],
  ])('%s', async (_, names, make) => {
    expect(await listed(make)).toEqual(names);
  });

  it('a link', async () => {
    using folder = new Folder();
    header(`{"w":${good}}`, latin1('\x01\x02\x03\x04'))(folder.file('real'));
    symlinkSync(folder.file('real'), folder.file('x'));
    expect([...(await (await loadTensors(folder.file('x'), device))['w']!.read())]).toEqual([1, 2, 3, 4]);
  });

  it('a metadata text of 5 MB with characters of every width', async () => {
    using folder = new Folder();
    const text = 'aé∇𝛻'.repeat(500_001);
    header(`{"__metadata__":{"t":"\\n${text}"}}`, 0)(folder.file('x'));
    const { metadata } = await readTensorInfo(folder.file('x'));
    expect(metadata.get('t') === `\n${text}`).toBe(true);
  });
});
