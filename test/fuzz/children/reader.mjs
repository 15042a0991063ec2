// Fuzzes the reader of safetensors files.  reader.mjs <folder of the instrumented library> <options as JSON>
import assert from 'node:assert/strict';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { explore } from './explore.mjs';
import { mutateFile } from './files.mjs';

const [library, options] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(path.join(library, 'lib', name)));
const { calls } = await load('files/calls.js');
const { withTensorFile } = await load('files/safetensors/file.js');
const { OrthokitError } = await load('core/errors.js');

let file = Buffer.alloc(0);
Object.assign(calls, {
  open: async () => ({}),
  fstat: async () => ({ isFile: () => true, size: file.length }),
  read: async (_, bytes, position) => file.copy(bytes, 0, position, position + bytes.length),
  close: async () => {},
});

async function run(input) {
  file = input;
  let codes = '';
  try {
    await withTensorFile(
      'file',
      { op: 'read' },
      async ({ tensors, metadata, readStart, readBytes, read, readSpans }) => {
        const plain = plainRead(input);
        assert.ok(input.subarray(0, plain.start).equals(await readStart()));
        assert.equal(metadata.size, plain.metadata.size);
        for (const [key, text] of plain.metadata) assert.equal(metadata.get(key), text);
        assert.equal(tensors.size, plain.tensors.size);
        const places = [];
        for (const [
          name,
          {
            dtype,
            shape,
            data_offsets: [begin, end],
          },
        ] of plain.tensors) {
          const info = tensors.get(name);
          assert.deepEqual([info.dtype, info.shape, info.begin, info.byteLength], [dtype, shape, begin, end - begin]);
          places.push([begin, end]);
          const bytes = input.subarray(plain.start + begin, plain.start + end);
          assert.ok(bytes.equals(new Uint8Array(await readBytes(info))));
          try {
            const array = await read(name);
            assert.ok(bytes.equals(new Uint8Array(array.buffer)));
            let next = 0;
            await readSpans(name, async (span, first) => {
              assert.equal(first, next);
              assert.ok(span.length > 0);
              assert.deepEqual(span, array.subarray(first, first + span.length));
              next += span.length;
            });
            assert.equal(next, array.length);
          } catch (error) {
            codes = refusal(error, ['ERR_UNSUPPORTED']);
          }
        }
        // Sorted, they cover the data without a hole.
        places.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        let at = 0;
        for (const [begin, end] of places) {
          assert.equal(begin, at);
          at = end;
        }
        assert.equal(plain.start + at, input.length);
      },
    );
  } catch (error) {
    return refusal(error, ['ERR_FORMAT']);
  }
  return codes === '' ? 'accepted' : codes;
}

/** The code of an error that may be thrown; throws every other error. */
function refusal(error, codes) {
  if (!(error instanceof OrthokitError) || !codes.includes(error.code)) throw error;
  assert.match(error.message, /^read: .* must .*, got /s);
  return error.code;
}

/** A file that was accepted, by JSON.parse. */
function plainRead(bytes) {
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start));
  // Object.entries has __proto__ too, which JSON.parse makes an own property.
  const tensors = new Map(Object.entries(header).filter(([name]) => name !== '__metadata__'));
  return { start, tensors, metadata: new Map(Object.entries(header.__metadata__ ?? {})) };
}

const frame = (text, data) => {
  const header = Buffer.from(text);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.alloc(data, 'no two spans begin alike')]);
};
const empty = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}';
const many = (count, one) => Array.from({ length: count }, (_, i) => one(i)).join(',');
const most = 131_072;
const threeSpans = (8 << 20) + 4;
// Whatever needs length: turns of the event loop, limits of numbers, spans of a tensor.
const large = [
  () => frame(`{"a":{"dtype":"F32","shape":[${threeSpans / 4}],"data_offsets":[0,${threeSpans}]}}`, threeSpans),
  () => frame(`{"__metadata__":{"a":"${'é\\n'.repeat(200_000)}","b":""}}${' '.repeat(200_000)}`, 0),
  () =>
    frame(
      `{${many(20_000, (i) => `"${i}":{"dtype":"U8","shape":[1],"data_offsets":[${(i * 7907) % 20_000},${((i * 7907) % 20_000) + 1}]}`)}}`,
      20_000,
    ),
  () => frame(`{${many(most + 1, (i) => `"${i}":${empty}`)}}`, 0),
  () => frame(`{"__metadata__":{${many(most + 1, (i) => `"${i}":""`)}}}`, 0),
];

console.log(JSON.stringify(await explore({ ...JSON.parse(options), large, mutate: mutateFile, run })));
