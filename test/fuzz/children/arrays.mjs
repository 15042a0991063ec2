// Fuzzes the readers of arrays and archives of NumPy.  arrays.mjs <folder of the instrumented library> <options as JSON>
import assert from 'node:assert/strict';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { arrayFile, isArchive, mutateArrays, zip } from './array-files.mjs';
import { explore } from './explore.mjs';

const [library, options] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(path.join(library, 'lib', name)));
const { calls } = await load('files/calls.js');
const { Device, loadNpy, loadNpz, OrthokitError, readNpyInfo, readNpzInfo } = await load('index.js');

let file = Buffer.alloc(0);
Object.assign(calls, {
  open: async () => ({}),
  fstat: async () => ({ isFile: () => true, size: file.length }),
  read: async (_, bytes, position) => file.copy(bytes, 0, position, position + bytes.length),
  close: async () => {},
});
const device = Device.open('cpu', { threads: 1 });

/** The code of an error that may be thrown; throws every other error. */
function refusal(error) {
  if (!(error instanceof OrthokitError) || !['ERR_FORMAT', 'ERR_UNSUPPORTED'].includes(error.code)) throw error;
  assert.match(error.message, /^(load|read)Np[yz](Info)?: .* must .*, got /s);
  return error.code;
}

const isRefusal = (error) => refusal(error) !== '';

async function run(input) {
  file = input;
  const many = isArchive(input);
  let infos;
  try {
    infos = many ? await readNpzInfo('x.npz') : new Map([['x', await readNpyInfo('x.npy')]]);
  } catch (error) {
    refusal(error);
  }
  if (many) await assert.rejects(loadNpy('x.npy', device), isRefusal);
  const given = { integers: 'i32' };
  let loaded;
  try {
    loaded = many ? await loadNpz('x.npz', device, given) : { x: await loadNpy('x.npy', device, given) };
  } catch (error) {
    return refusal(error);
  }
  const isWhole = [...infos.values()].every(({ dtype }) => dtype !== undefined);
  if (!isWhole) await assert.rejects(many ? loadNpz('x.npz', device) : loadNpy('x.npy', device), isRefusal);
  // Arrays that can be loaded can be described, and are as their description says.
  assert.deepEqual(Object.keys(loaded).sort(), [...infos.keys()].sort());
  for (const [name, tensor] of Object.entries(loaded)) {
    const { dtype, shape, fortranOrder, byteLength } = infos.get(name);
    assert.deepEqual(tensor.shape, shape);
    assert.equal(tensor.dtype, dtype ?? 'i32');
    const elements = await tensor.read();
    assert.equal(
      elements.length,
      shape.reduce((a, b) => a * b, 1),
    );
    if (dtype) assert.equal(elements.byteLength, byteLength);
    if (!many && dtype && !fortranOrder && infos.get(name).descr[0] !== '>')
      assert.ok(input.subarray(input.length - byteLength).equals(new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength))); // biome-ignore format: one line
    tensor.dispose();
  }
  await device.flow();
  return 'accepted';
}

const names = (count) => Array.from({ length: count }, (_, i) => ({ name: `${i}.npy`, data: Buffer.alloc(0) }));
/** A packed array of many elements, whose header and directory say another number of them. */
function packedArray(said, change = (packed) => packed) {
  const of = (count) => arrayFile("'<f4'", `(${count},)`, Buffer.alloc(4 * 300_000));
  const data = of(said);
  const both = { bytes: data.length + 4 * (said - 300_000) };
  return zip([{ name: 'x.npy', data, raw: change(deflateRawSync(data)), packed: true, local: both, central: both }]);
}
const damaged = (packed) => packed.map((byte, i) => (i > 600 ? 255 : byte));
// Whatever needs length: turns of the event loop, spans, streams, limits of numbers.
const large = [
  () => zip(names(65_537)),
  () => zip(names(2000)),
  () => arrayFile("'|i1'", '(20000000,)', Buffer.alloc(20_000_000)),
  () => packedArray(300_000),
  () => packedArray(300_001),
  () => packedArray(299_999),
  () => packedArray(300_000, (packed) => Buffer.concat([packed, Buffer.alloc(5)])),
  () => packedArray(300_000, damaged),
  () => zip([{ name: 'x.npy', data: arrayFile("'<f4'", '(300000,)', Buffer.alloc(1_199_996)), packed: true }]),
];

console.log(JSON.stringify(await explore({ ...JSON.parse(options), large, mutate: mutateArrays, run })));
await device.close();
