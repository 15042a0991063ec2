// Devices: cpu, cuda
// Axes: node
// Files that NumPy has written (scripts/golden/numpy_files.py), and files of ours that read back.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { native } from '../../lib/core/native.ts';
import { calls } from '../../lib/files/calls.ts';
import { Device, type Dtype, loadNpy, loadNpz, readNpyInfo, readNpzInfo, saveNpy, saveNpz, Tensor } from '../../lib/index.ts'; // biome-ignore format: one line
import { restoreCalls } from '../files/failing.ts';
import { Folder } from '../files/folder.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { arrays, file } from './numpy-files.ts';

// Nothing here is cut off from power: syncs only take time.
beforeAll(() => {
  calls.sync = async () => {};
});
afterAll(restoreCalls);

type Array = (typeof arrays)[string];
const dtypes: Record<string, Dtype> = { f2: 'f16', f4: 'f32', f8: 'f64', i4: 'i32', u1: 'u8', V2: 'bf16' };
const dtypeOf = (descr: string): Dtype | undefined => dtypes[descr.slice(1)];
const bitsOf = async (tensor: Tensor): Promise<string> => {
  const array = await tensor.read();
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('hex');
};
/** The bits of the numbers as i32. */
function asI32({ descr, bits }: Array): string {
  const bytes = Buffer.from(bits, 'hex');
  const width = Number(descr.slice(2));
  const isSigned = descr[1] === 'i';
  const out = new Int32Array(bytes.length / width);
  for (const i of out.keys()) {
    const at = i * width;
    if (width === 8) out[i] = Number(bytes.readBigInt64LE(at));
    else out[i] = isSigned ? bytes.readIntLE(at, width) : bytes.readUIntLE(at, width);
  }
  return Buffer.from(out.buffer).toString('hex');
}
const [own, foreign] = [true, false].map((is) => Object.entries(arrays).filter(([, { descr }]) => (dtypeOf(descr) !== undefined) === is)) as [[string, Array][], [string, Array][]]; // biome-ignore format: one line
const small = foreign.filter(([name]) => !name.startsWith('too-long'));

describe.each(devices)('on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(own)('%s.npy has its shape and its bits', async (name, { descr, shape, fortranOrder, bits }) => {
    const info = await readNpyInfo(file(`${name}.npy`));
    expect(info).toEqual({ descr, dtype: dtypeOf(descr), shape, fortranOrder, byteLength: bits.length / 2 });
    if (shape.length > 5) return;
    using x = await loadNpy(file(`${name}.npy`), device);
    expect([x.dtype, x.shape, await bitsOf(x)]).toEqual([dtypeOf(descr), shape, bits]);
    using y = Tensor.zeros(device, shape, { dtype: x.dtype });
    expect(await loadNpy(file(`${name}.npy`), device, { into: y })).toBe(y);
    expect(await bitsOf(y)).toBe(bits);
  });

  it.each(small)('%s.npy has integers that become i32 on demand', async (name, array) => {
    const load = (options: object) => loadNpy(file(`${name}.npy`), device, options);
    await expect(load({})).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', message: /integers: 'i32'/ });
    using x = await load({ integers: 'i32' });
    expect([x.dtype, x.shape, await bitsOf(x)]).toEqual(['i32', array.shape, asI32(array)]);
  });

  it.each(['too-long', 'too-long-u4', 'too-long-u8'])('%s.npy has an integer that i32 has not', async (name) => {
    await expect(loadNpy(file(`${name}.npy`), device, { integers: 'i32' })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
    });
  });

  it.each(['c8', 'text', 'bytes', 'time', 'structured', 'objects', 'six'])('%s.npy is refused', async (name) => {
    const { byteLength } = await readNpyInfo(file(`${name}.npy`));
    expect(byteLength).toBeGreaterThan(0);
    const loading = loadNpy(file(`${name}.npy`), device, { integers: 'i32' });
    await expect(loading).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', message: /^loadNpy: the array of / });
  });

  it.each([2, 3])('version %i of the format is read', async (version) => {
    using x = await loadNpy(file(`version-${version}.npy`), device);
    expect(await x.read()).toEqual(Float32Array.of(0, 1, 2, 3, 4, 5));
  });

  it.each(['stored', 'deflated'])('%s.npz has them all', async (archive) => {
    const infos = await readNpzInfo(file(`${archive}.npz`));
    expect([...infos.keys()]).toEqual(Object.keys(arrays));
    await expect(loadNpz(file(`${archive}.npz`), device)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    const names = (name: string) => !/^(too-long|six)/.test(name);
    const loaded = await loadNpz(file(`${archive}.npz`), device, { names, integers: 'i32' });
    for (const [name, x] of Object.entries(loaded)) {
      const array = arrays[name]!;
      const bits = dtypeOf(array.descr) ? array.bits : asI32(array);
      expect([name, x.shape, await bitsOf(x)]).toEqual([name, array.shape, bits]);
    }
    const into = Object.fromEntries(['transposed', 'f8', 'u1'].map((name) => [name, Tensor.zeros(device, loaded[name]!.shape, { dtype: loaded[name]!.dtype })])); // biome-ignore format: one line
    await loadNpz(file(`${archive}.npz`), device, { names: Object.keys(into), into });
    for (const [name, x] of Object.entries(into)) expect(await bitsOf(x)).toBe(arrays[name]!.bits);
    for (const x of [...Object.values(loaded), ...Object.values(into)]) x.dispose();
  });

  it('names are ordinary keys, members that are no arrays are left out on demand', async () => {
    const named = await loadNpz(file('named.npz'), device);
    expect(Object.keys(named)).toEqual(['größe/∇', 'a.b', '__proto__']);
    await expect(loadNpz(file('mixed.npz'), device)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    const { x } = await loadNpz(file('mixed.npz'), device, { names: ['x'] });
    expect(await x!.read()).toEqual(Float32Array.of(0, 1, 2, 3, 4, 5));
    expect([...(await readNpzInfo(file('mixed.npz'))).keys()]).toEqual(['x', 's']);
    await expect(loadNpz(file('mixed.npz'), device, { names: ['notes.txt'] })).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' }); // biome-ignore format: one line
    await expect(loadNpz(file('mixed.npz'), device, { names: ['y'] })).rejects.toMatchObject({ code: 'ERR_STATE' });
    for (const tensor of [...Object.values(named), x!]) tensor.dispose();
  });

  it.each([[], [0], [1], [3, 0, 2], [7, 13], [2, 3, 1, 5, 2], [600_001]].map((shape) => [shape]))(
    'what is saved comes back, %j',
    async (shape) => {
      // biome-ignore format: one line
      using folder = new Folder();
      const all = ['f64', 'f32', 'f16', 'bf16', 'i32', 'u8'] as const;
      // Of several spans in one dtype.
      for (const dtype of shape[0]! > 1000 ? all.slice(0, 1) : all) {
        using x = Tensor.full(device, shape, 3, { dtype });
        const bits = await bitsOf(x);
        await saveNpy(folder.file('x.npy'), x);
        using y = await loadNpy(folder.file('x.npy'), device);
        expect([y.dtype, y.shape, (await bitsOf(y)) === bits]).toEqual([dtype, shape, true]);
        for (const compressed of [false, true]) {
          const seen: number[] = [];
          await saveNpz(folder.file('x.npz'), { x, 'größe/y': y }, { compressed, onProgress: ({ done }) => seen.push(done) }); // biome-ignore format: one line
          expect(seen.at(-1) ?? 0).toBe(2 * x.byteLength);
          const back = await loadNpz(folder.file('x.npz'), device);
          for (const name of ['x', 'größe/y']) {
            expect([back[name]!.dtype, back[name]!.shape, (await bitsOf(back[name]!)) === bits]).toEqual([
              dtype,
              shape,
              true,
            ]);
            back[name]!.dispose();
          }
        }
      }
      expect(folder.names).toEqual(['x.npy', 'x.npz']);
    },
  );

  it('queues what it saves before it returns', async () => {
    using folder = new Folder();
    using x = Tensor.full(device, [4], 1);
    const saving = [saveNpy(folder.file('x.npy'), x), saveNpz(folder.file('x.npz'), { x })];
    x.write(Float32Array.of(2, 2, 2, 2));
    await Promise.all(saving);
    using y = await loadNpy(folder.file('x.npy'), device);
    const { x: z } = await loadNpz(folder.file('x.npz'), device);
    expect([await y.read(), await z!.read()]).toEqual([new Float32Array(4).fill(1), new Float32Array(4).fill(1)]);
    z!.dispose();
  });

  it('leaves tensors alone that do not fit, all of them', async () => {
    using a = Tensor.full(device, [2, 3], 5);
    using b = Tensor.full(device, [3], 6);
    const load = (into: Record<string, Tensor>, names?: string[]) => loadNpz(file('named.npz'), device, { into, ...(names && { names }) }); // biome-ignore format: one line
    await expect(load({ 'größe/∇': a, 'a.b': b }, ['größe/∇', 'a.b'])).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect(load({ 'größe/∇': a }, ['größe/∇', 'a.b'])).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect(loadNpy(file('f8.npy'), device, { into: a })).rejects.toMatchObject({ code: 'ERR_STATE' });
    await device.synchronize();
    expect([await a.read(), await b.read()]).toEqual([new Float32Array(6).fill(5), new Float32Array(3).fill(6)]);
  });

  it('gives back what it made when memory ends', async () => {
    const real = native.give;
    const { live } = await settledMemory(device);
    for (const name of ['transposed', 'f4']) {
      native.give = () => {
        throw new Error('none');
      };
      await expect(loadNpy(file(`${name}.npy`), device)).rejects.toThrow('none');
      native.give = real;
    }
    expect((await settledMemory(device)).live).toBe(live);
  });
});
