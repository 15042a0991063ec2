// Devices: cpu, cuda
// Safetensors in several files: written whole with their index, read as one.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { calls } from '../../lib/files/calls.ts';
import { Device, loadTensors, readTensorInfo, saveTensors, Tensor } from '../../lib/index.ts';
import { failNth, openFiles, restoreCalls } from '../files/failing.ts';
import { Folder } from '../files/folder.ts';
import { devices } from '../support/devices.ts';

describe.each(devices)('on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  afterEach(restoreCalls);
  const tensors = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`layers.${i}.weight`, Tensor.full(device, [2, 3], i)])); // biome-ignore format: one line
  const names = Object.keys(tensors);

  it('comes back, all of it, a part of it, and into tensors', async () => {
    using folder = new Folder();
    const model = folder.file('model');
    const seen: number[] = [];
    await saveTensors(model, tensors, { shardBytes: 50, metadata: { note: 'x' }, onProgress: ({ done, total }) => seen.push(done / total) }); // biome-ignore format: one line
    expect(seen.at(-1)).toBe(1);
    expect([...seen].sort((a, b) => a - b)).toEqual(seen);
    expect(readdirSync(model).sort()).toEqual([
      'model-00001-of-00003.safetensors',
      'model-00002-of-00003.safetensors',
      'model-00003-of-00003.safetensors',
      'model.safetensors.index.json',
    ]);
    expect(folder.names).toEqual(['model']);
    const index = JSON.parse(readFileSync(path.join(model, 'model.safetensors.index.json'), 'utf8'));
    expect(index.metadata).toEqual({ total_size: 120 });
    expect(Object.keys(index.weight_map)).toEqual(names);
    const { metadata, tensors: infos } = await readTensorInfo(model);
    expect([Object.fromEntries(metadata), [...infos.keys()]]).toEqual([{ format: 'pt', note: 'x' }, names]);
    const all = await loadTensors(model, device);
    expect(Object.keys(all)).toEqual(names);
    for (const [i, name] of names.entries()) expect(await all[name]!.read()).toEqual(new Float32Array(6).fill(i));
    const part = await loadTensors(model, device, { names: names.slice(3), into: { [names[3]!]: all[names[0]!]!, [names[4]!]: all[names[1]!]! } }); // biome-ignore format: one line
    expect(await part[names[4]!]!.read()).toEqual(new Float32Array(6).fill(4));
    expect(await all[names[0]!]!.read()).toEqual(new Float32Array(6).fill(3));
    for (const tensor of Object.values(all)) tensor.dispose();
    // One file is a model, too.
    await saveTensors(folder.file('one'), tensors, { shardBytes: 1000 });
    expect(readdirSync(folder.file('one'))).toEqual(['model.safetensors']);
    expect([...(await readTensorInfo(folder.file('one'))).tensors.keys()]).toEqual(names);
    expect(openFiles(folder.path)).toEqual([]);
  });

  it('is a new folder, and follows links on demand alone', async () => {
    using folder = new Folder();
    const model = folder.file('model');
    mkdirSync(model);
    await saveTensors(model, tensors, { shardBytes: 1 });
    await expect(saveTensors(model, tensors, { shardBytes: 1 })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: /^saveTensors: path must be free or an empty folder/,
    });
    expect(readdirSync(model)).toHaveLength(6);
    const [first] = readdirSync(model);
    renameSync(path.join(model, first!), folder.file('blob'));
    symlinkSync(folder.file('blob'), path.join(model, first!));
    await expect(loadTensors(model, device)).rejects.toMatchObject({ code: /ERR_/ });
    const all = await loadTensors(model, device, { followLinks: true });
    expect(Object.keys(all)).toEqual(names);
    for (const tensor of Object.values(all)) tensor.dispose();
    const empty = folder.file('empty');
    mkdirSync(empty);
    await expect(loadTensors(empty, device)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    writeFileSync(path.join(empty, 'model.safetensors.index.json'), '{"weight_map":{"x":"../model/x.safetensors"}}');
    await expect(loadTensors(empty, device)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });

  it('is made by one of two calls for one path, and by nobody else', async () => {
    using folder = new Folder();
    const model = folder.file('model');
    const others = `${model}.partial`;
    mkdirSync(others);
    writeFileSync(path.join(others, 'mine.txt'), 'kept');
    const twos = Object.fromEntries(names.map((name) => [name, tensors[names[2]!]!]));
    const calls = [tensors, twos].map((given) => saveTensors(model, given, { shardBytes: 50 }));
    const ends = await Promise.allSettled(calls);
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const loser = ends.find((end) => end.status === 'rejected');
    expect(loser?.reason).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: /^saveTensors: path must be free or an empty folder, got a folder with files/,
    });
    const first = ends[0]!.status === 'fulfilled' ? 0 : 2;
    const all = await loadTensors(model, device);
    expect((await all[names[0]!]!.read())[0]).toBe(first);
    expect(Object.keys(all)).toEqual(names);
    for (const tensor of Object.values(all)) tensor.dispose();
    expect(folder.names).toEqual(['model', 'model.partial']);
    expect(readFileSync(path.join(others, 'mine.txt'), 'utf8')).toBe('kept');
  });

  it('is read with few files open, of names only theirs', async () => {
    using folder = new Folder();
    const model = folder.file('model');
    const count = 40;
    const many = Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, tensors[names[i % 5]!]!]));
    await saveTensors(model, many, { shardBytes: 1 });
    const opened = new Set<string>();
    let most = 0;
    const { open } = calls;
    calls.open = async (file, ...rest) => {
      const handle = await open(file, ...rest);
      if (file.includes('-of-')) opened.add(path.basename(file));
      most = Math.max(most, openFiles(folder.path).length);
      return handle;
    };
    const one = await loadTensors(model, device, { names: ['t3'] });
    expect([...opened]).toEqual(['model-00004-of-00040.safetensors']);
    const all = await loadTensors(model, device);
    expect([opened.size, most]).toEqual([count, 16]);
    for (let i = 0; i < count; ++i) expect((await all[`t${i}`]!.read())[0]).toBe(i % 5);
    for (const tensor of [...Object.values(one), ...Object.values(all)]) tensor.dispose();
    await expect(loadTensors(model, device, { names: ['t3', 'no'] })).rejects.toMatchObject({ code: 'ERR_STATE' });
    expect(openFiles(folder.path)).toEqual([]);
  });

  it('is not of two saves: a file that was exchanged since it was looked at is noticed', async () => {
    using folder = new Folder();
    const model = folder.file('model');
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`t${i}`, tensors[names[0]!]!]));
    await saveTensors(model, many, { shardBytes: 1 });
    const first = path.join(model, 'model-00001-of-00020.safetensors');
    const { open } = calls;
    calls.open = async (file, ...rest) => {
      if (file.endsWith('model-00020-of-00020.safetensors')) {
        writeFileSync(folder.file('other'), readFileSync(first));
        renameSync(folder.file('other'), first);
      }
      return open(file, ...rest);
    };
    await expect(loadTensors(model, device)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    expect(openFiles(folder.path)).toEqual([]);
  });

  it('has no index that is too long to be read', async () => {
    using folder = new Folder();
    const x = tensors[names[0]!]!;
    const many = Object.fromEntries(Array.from({ length: 17_000 }, (_, i) => [`${i}`.padStart(1000, 'x'), x]));
    await expect(saveTensors(folder.file('model'), many, { shardBytes: 1 << 18 })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: /^saveTensors: tensors must make an index of at most 16777216 bytes in several files, got 1\d{7}$/,
    });
    expect(folder.names).toEqual([]);
  });

  it('is there whole or not at all, whichever call of the system fails', async () => {
    using folder = new Folder();
    const model = folder.file('model');
    let failures = 0;
    for (let nth = 1; ; ++nth) {
      const hit = failNth(nth);
      const error = await saveTensors(model, tensors, { shardBytes: 60 }).catch((thrown: unknown) => thrown);
      restoreCalls();
      if (existsSync(model)) {
        expect(readdirSync(model)).toHaveLength(4);
        if (error === undefined && hit() === undefined) break;
        const all = await loadTensors(model, device);
        expect(Object.keys(all)).toEqual(names);
        for (const tensor of Object.values(all)) tensor.dispose();
        renameSync(model, folder.file(`done-${nth}`));
      } else {
        expect(error).toMatchObject({ code: 'ERR_IO' });
        failures += 1;
      }
      expect(openFiles(folder.path)).toEqual([]);
      if (error !== undefined && hit() !== 'removeFolder') expect(folder.names.filter((name) => name.endsWith('.partial'))).toEqual([]); // biome-ignore format: one line
    }
    expect(failures).toBeGreaterThan(20);
  });
});
