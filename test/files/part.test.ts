// Devices: cpu, cuda
// Parts of a file, and tensors that exist.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type Calls, calls } from '../../lib/files/calls.ts';
import { Device, type LoadTensorsOptions, loadTensors, saveTensors, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { fileBytes } from './bytes.ts';
import { Folder } from './folder.ts';

const original: Calls = { ...calls };
afterEach(() => Object.assign(calls, original));

describe.each(devices)('loadTensors on %s', (kind) => {
  const device = Device.open(kind);
  const other = Device.open(kind);
  afterAll(async () => {
    await device.close();
    await other.close();
  });

  const tensor = (shape: number[], value: number): Tensor =>
    Tensor.from(
      device,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value + i),
      shape,
    );
  const saved = async (folder: Folder): Promise<string> => {
    await saveTensors(folder.file('x'), { a: tensor([2, 3], 10), b: tensor([4], 20), c: tensor([], 30) });
    return folder.file('x');
  };
  const read = async (tensors: Record<string, Tensor>): Promise<Record<string, number[]>> => {
    const all: Record<string, number[]> = {};
    for (const [name, found] of Object.entries(tensors)) all[name] = [...(await found.read())];
    return all;
  };

  describe('takes a part of the names', () => {
    it.each<[string, LoadTensorsOptions['names'], string[]]>([
      ['a list', ['c', 'a'], ['a', 'c']],
      ['a list that says one twice', ['b', 'b'], ['b']],
      ['one', ['b'], ['b']],
      ['none', [], []],
      ['a function of the name', (name) => name > 'a', ['b', 'c']],
      ['a function of the shape', (_, { shape }) => shape.length === 2, ['a']],
    ])('%s', async (_, names, expected) => {
      using folder = new Folder();
      const file = await saved(folder);
      const all = await read(await loadTensors(file, device));
      const found = await loadTensors(file, device, { names });
      expect(Object.keys(found).sort()).toEqual(expected);
      for (const [name, values] of Object.entries(await read(found))) expect(values).toEqual(all[name]);
    });

    it('and reads no byte of the others', async () => {
      using folder = new Folder();
      const big = Tensor.zeros(device, [1_000_000]);
      await saveTensors(folder.file('x'), { big, small: tensor([3], 1), last: tensor([2], 5) });
      const header = 8 + Number(readFileSync(folder.file('x')).readBigUInt64LE(0));
      let bytes = 0;
      calls.read = async (file, into, position) => {
        const count = await original.read(file, into, position);
        if (position >= header) bytes += count;
        return count;
      };
      const progress: number[] = [];
      const { small } = await loadTensors(folder.file('x'), device, {
        names: ['small'],
        onProgress: ({ done, total }) => progress.push(done, total),
      });
      expect([...(await small!.read())]).toEqual([1, 2, 3]);
      expect(bytes).toBe(12);
      expect(progress).toEqual([12, 12]);
    });

    it('whatever the element types of the others are', async () => {
      using folder = new Folder();
      const entries = [
        '"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}',
        '"num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[4,12]}',
        '"deep":{"dtype":"U8","shape":[1,1,1,1,1,1],"data_offsets":[12,13]}',
      ];
      writeFileSync(folder.file('x'), fileBytes(`{${entries.join()}}`, 13));
      await expect(loadTensors(folder.file('x'), device)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
      const { w } = await loadTensors(folder.file('x'), device, { names: ['w'] });
      expect([...(await w!.read())]).toEqual([0, 0, 0, 0]);
      const names = (_: string, { dtype }: { dtype: string }): boolean => dtype !== 'I64';
      await expect(loadTensors(folder.file('x'), device, { names })).rejects.toMatchObject({
        code: 'ERR_UNSUPPORTED',
        message: expect.stringMatching(/"deep" must have at most 5 dimensions, got 6/),
      });
    });

    it('and refuses names that the file lacks', async () => {
      using folder = new Folder();
      const file = await saved(folder);
      await using empty = Device.open(kind);
      await expect(loadTensors(file, empty, { names: ['a', 'no', '__proto__'] })).rejects.toMatchObject({
        code: 'ERR_STATE',
        message: expect.stringMatching(/file must have the tensors of names, got none of "no", "__proto__" in .*x$/),
      });
      expect(empty.info.memory.live).toBe(0);
    });

    it.each([
      ['a string', 'a'],
      ['a number', 3],
      ['a list with a number', ['a', 3]],
      ['a list with a hole', new Array(1)],
    ])('and refuses %s as names', async (_, names) => {
      await expect(loadTensors('x', device, { names: names as never })).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(/^loadTensors: names.* must be .*, got /),
      });
    });

    it('and passes on what the function throws', async () => {
      using folder = new Folder();
      const file = await saved(folder);
      const reason = new Error('no');
      const names = (): never => {
        throw reason;
      };
      await expect(loadTensors(file, device, { names })).rejects.toBe(reason);
    });
  });

  describe('loads into tensors that exist', () => {
    const mine = (): { a: Tensor; b: Tensor; c: Tensor } => ({
      a: tensor([2, 3], 0),
      b: tensor([4], 0),
      c: tensor([], 0),
    });
    const before = { a: [0, 1, 2, 3, 4, 5], b: [0, 1, 2, 3], c: [0] };
    const after = { a: [10, 11, 12, 13, 14, 15], b: [20, 21, 22, 23], c: [30] };

    it('and answers them', async () => {
      using folder = new Folder();
      const into = mine();
      const found = await loadTensors(await saved(folder), device, { into });
      expect(found['a']).toBe(into.a);
      expect(Object.keys(found).sort()).toEqual(['a', 'b', 'c']);
      expect(await read(into)).toEqual(after);
    });

    it('a part of them', async () => {
      using folder = new Folder();
      const { a, b, c } = mine();
      await loadTensors(await saved(folder), device, { into: { b }, names: ['b'] });
      expect(await read({ a, b, c })).toEqual({ ...before, b: after.b });
    });

    it.each<[string, Record<string, Tensor>, LoadTensorsOptions['names'], string, RegExp]>([
      ['one too few', { a: tensor([2, 3], 0) }, ['a', 'b'], 'ERR_STATE', /got "b" in the file alone: .*x$/],
      [
        'one too many',
        { a: tensor([2, 3], 0), z: tensor([1], 0) },
        ['a'],
        'ERR_STATE',
        /into must have the tensors that are loaded, got "z" not in the file/,
      ],
      [
        'another shape',
        { a: tensor([3, 2], 0) },
        ['a'],
        'ERR_STATE',
        /into\["a"\] must be F32 \[2, 3\] as in the file, got F32 \[3, 2\]: .*x$/,
      ],
      [
        'another dtype',
        { a: Tensor.zeros(device, [2, 3], { dtype: 'f64' }) },
        ['a'],
        'ERR_STATE',
        /must be F32 \[2, 3\] as in the file, got F64 \[2, 3\]/,
      ],
      ['another device', { a: Tensor.zeros(other, [2, 3]) }, ['a'], 'ERR_DEVICE', /is on another device/],
      ['no tensor', { a: 3 as never }, ['a'], 'ERR_ARGUMENT', /into\["a"\] must be a Tensor, got 3/],
      ['no object', 3 as never, ['a'], 'ERR_ARGUMENT', /into must be an object of tensors, got 3/],
    ])('and refuses %s', async (_, into, names, code, message) => {
      using folder = new Folder();
      const file = await saved(folder);
      const untouched = typeof into === 'object' ? Object.values(into).filter((value) => value instanceof Tensor) : [];
      const values = await Promise.all(untouched.map((found) => found.read()));
      await expect(loadTensors(file, device, { into, names })).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
      expect(await Promise.all(untouched.map((found) => found.read()))).toEqual(values);
    });

    it('all or nothing: whichever file call fails', async () => {
      using folder = new Folder();
      const file = await saved(folder);
      const into = mine();
      for (let nth = 1; ; nth += 1) {
        let count = 0;
        let hit = false;
        for (const name of Object.keys(original) as (keyof Calls)[]) {
          const real = original[name] as (...args: unknown[]) => Promise<unknown>;
          (calls as unknown as Record<string, typeof real>)[name] = async (...args) => {
            count += 1;
            if (count !== nth) return real(...args);
            hit = true;
            if (name === 'close') await real(...args);
            throw Object.assign(new Error('EIO'), { code: 'EIO' });
          };
        }
        const error = await loadTensors(file, device, { into }).then(
          () => undefined,
          (problem: unknown) => problem,
        );
        Object.assign(calls, original);
        if (!hit) break;
        expect(error).toMatchObject({ code: 'ERR_IO', cause: { code: 'EIO' } });
        expect(await read(into)).toEqual(before);
      }
      expect(await read(into)).toEqual(after);
    });

    it('all or nothing: whenever it is aborted', async () => {
      using folder = new Folder();
      const file = await saved(folder);
      const into = mine();
      for (let nth = 1; ; nth += 1) {
        const stop = new AbortController();
        const reason = new Error('enough');
        let count = 0;
        for (const name of ['open', 'fstat', 'read', 'close'] as const) {
          const real = original[name] as (...args: unknown[]) => Promise<unknown>;
          (calls as unknown as Record<string, typeof real>)[name] = async (...args) => {
            count += 1;
            if (count === nth) stop.abort(reason);
            return real(...args);
          };
        }
        const error = await loadTensors(file, device, { into, signal: stop.signal }).then(
          () => undefined,
          (problem: unknown) => problem,
        );
        if (count < nth) break;
        expect(error, `${nth}`).toBe(reason);
        expect(await read(into)).toEqual(before);
      }
      expect(await read(into)).toEqual(after);
    });

    it('all or nothing: one that is disposed meanwhile', async () => {
      using folder = new Folder();
      const file = await saved(folder);
      const into = mine();
      const loading = loadTensors(file, device, { into });
      into.c.dispose();
      await expect(loading).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
      expect(await read({ a: into.a, b: into.b })).toEqual({ a: before.a, b: before.b });
      await expect(loadTensors(file, device, { into })).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    });
  });
});
