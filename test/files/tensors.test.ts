// Devices: cpu, cuda
// Axes: node
import { lstatSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { native } from '../../lib/core/native.ts';
import {
  Device,
  type Dtype,
  loadTensors,
  ops,
  readTensorInfo,
  type SaveTensorsOptions,
  saveTensors,
  Tensor,
} from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { fileBytes, plainRead } from './bytes.ts';
import { Folder } from './folder.ts';

const spelling = { f32: 'F32', f64: 'F64', f16: 'F16', bf16: 'BF16', i32: 'I32', u8: 'U8' } as const;
const bytesPer = { f32: 4, f64: 8, f16: 2, bf16: 2, i32: 4, u8: 1 } as const;
const shapes = [[], [0], [1], [3, 0, 2], [7, 13], [2, 3, 1, 5, 2], [1_300_001]];

function values(dtype: Dtype, size: number): Float32Array | Float64Array | Uint16Array | Int32Array | Uint8Array {
  const byIndex = (_: unknown, i: number): number => (i * 2654435761) % 65521;
  const from = { length: size };
  if (dtype === 'f32') return Float32Array.from(from, (_, i) => byIndex(_, i) / 7 - 1000);
  if (dtype === 'f64') return Float64Array.from(from, (_, i) => byIndex(_, i) / 7 - 1000);
  if (dtype === 'i32') return Int32Array.from(from, (_, i) => byIndex(_, i) * 32771 - 2 ** 30);
  return dtype === 'u8' ? Uint8Array.from(from, byIndex) : Uint16Array.from(from, byIndex);
}

describe.each(devices)('on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('of more spans than may wait for a busy device come back whole', async () => {
    using folder = new Folder();
    const elements = Int32Array.from({ length: 18_000_001 }, (_, i) => i); // 72 MB, 18 spans of at most 16 at once
    {
      using x = Tensor.from(device, elements, [elements.length]);
      await saveTensors(folder.file('x'), { x });
    }
    const size = kind === 'cpu' ? 1536 : 192;
    using a = Tensor.full(device, [size, size], 1);
    using out = Tensor.zeros(device, [size, size]);
    for (let i = 0; i < 8; i++) ops.gemm(device, { a, b: a, c: out });
    const { x } = await loadTensors(folder.file('x'), device);
    expect(Buffer.compare(Buffer.from((await x!.read()).buffer), Buffer.from(elements.buffer))).toBe(0);
    x!.dispose();
  });

  it('are not left where the device is closed between two spans', async () => {
    using folder = new Folder();
    const other = Device.open(kind);
    await saveTensors(folder.file('x'), { x: Tensor.zeros(other, [3_000_000]) });
    const progress: number[] = [];
    let closed: Promise<void> | undefined;
    const loading = loadTensors(folder.file('x'), other, {
      onProgress: ({ done }) => {
        progress.push(done);
        closed ??= other.close();
      },
    });
    await expect(loading).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(progress).toEqual([1 << 22]);
    await closed;
  });

  describe.each(Object.keys(spelling) as Dtype[])('tensors of %s', (dtype) => {
    it('come back with the same bits and shapes', async () => {
      using folder = new Folder();
      const arrays = shapes.map((shape) =>
        values(
          dtype,
          shape.reduce((a, b) => a * b, 1),
        ),
      );
      const tensors = Object.fromEntries(
        shapes.map((shape, i) => [`[${shape}]`, Tensor.from(device, arrays[i]!, shape, { dtype })]),
      );
      await saveTensors(folder.file('x'), tensors);

      const plain = plainRead(readFileSync(folder.file('x'))).tensors;
      const loaded = await loadTensors(folder.file('x'), device);
      expect(Object.keys(loaded).sort()).toEqual(Object.keys(tensors).sort());
      for (const [i, shape] of shapes.entries()) {
        const name = `[${shape}]`;
        const bytes = Buffer.from(arrays[i]!.buffer);
        expect(plain.get(name)!.dtype).toBe(spelling[dtype]);
        expect(plain.get(name)!.shape).toEqual(shape);
        expect(plain.get(name)!.bytes.equals(bytes)).toBe(true);
        expect(plain.get(name)!.bytes.length).toBe(arrays[i]!.length * bytesPer[dtype]);
        expect(loaded[name]!.dtype).toBe(dtype);
        expect([...loaded[name]!.shape]).toEqual(shape);
        const read = await loaded[name]!.read();
        expect(read.constructor).toBe(arrays[i]!.constructor);
        expect(Buffer.from(read.buffer).equals(bytes)).toBe(true);
      }
      for (const tensor of [...Object.values(tensors), ...Object.values(loaded)]) tensor.dispose();
    });
  });

  describe('saveTensors', () => {
    it('writes the bytes that the format defines', async () => {
      using folder = new Folder();
      const b = Tensor.from(device, new Float32Array([1, -2]), [2]);
      const a = Tensor.from(device, new Float64Array([0.5]), []);
      await saveTensors(folder.file('x'), { b, a }, { metadata: { k: 'v' } });
      const header =
        '{"__metadata__":{"format":"pt","k":"v"},"a":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}';
      const data = Buffer.from('000000000000e03f' + '0000803f' + '000000c0', 'hex');
      expect(readFileSync(folder.file('x')).toString('hex')).toBe(
        fileBytes(header.padEnd(Math.ceil(header.length / 8) * 8), data).toString('hex'),
      );
    });

    it('gives the same bytes whatever the order of the record, and starts the data at a multiple of 8', async () => {
      using folder = new Folder();
      const a = Tensor.from(device, new Float32Array([1]), [1]);
      const b = Tensor.from(device, new Float64Array([2]), [1]);
      await saveTensors(folder.file('ab'), { a, b }, { metadata: { x: '1', y: '2' } });
      await saveTensors(folder.file('ba'), { b, a }, { metadata: { y: '2', x: '1' } });
      const bytes = readFileSync(folder.file('ab'));
      expect(bytes.equals(readFileSync(folder.file('ba')))).toBe(true);
      expect(Number(bytes.readBigUInt64LE(0)) % 8).toBe(0);
    });

    it('says the format that transformers asks for, unless the caller says another one', async () => {
      using folder = new Folder();
      const a = Tensor.from(device, [1], [1]);
      const saved = async (options?: SaveTensorsOptions) => {
        await saveTensors(folder.file('x'), { a }, options);
        return Object.fromEntries((await readTensorInfo(folder.file('x'))).metadata);
      };
      expect(await saved()).toEqual({ format: 'pt' });
      expect(await saved({ metadata: { step: '3' } })).toEqual({ format: 'pt', step: '3' });
      expect(await saved({ metadata: { format: 'np' } })).toEqual({ format: 'np' });
    });

    it('stores the values of the moment of the call', async () => {
      using folder = new Folder();
      const names = Array.from({ length: 20 }, (_, i) => `t${i}`);
      const tensors = Object.fromEntries(
        names.map((name, i) => [name, Tensor.from(device, new Float32Array(5000).fill(i), [5000])]),
      );
      const saved = saveTensors(folder.file('x'), tensors);
      for (const tensor of Object.values(tensors)) {
        tensor.write(new Float32Array(5000).fill(-1));
        tensor.dispose();
      }
      await saved;
      const loaded = await loadTensors(folder.file('x'), device);
      for (const [i, name] of names.entries()) expect(new Set(await loaded[name]!.read())).toEqual(new Set([i]));
    });

    it('keeps a symbolic link and replaces the file behind it', async () => {
      using folder = new Folder();
      writeFileSync(folder.file('real'), 'old');
      symlinkSync('real', folder.file('link'));
      await saveTensors(folder.file('link'), { a: Tensor.from(device, new Float32Array([3]), [1]) });
      expect(lstatSync(folder.file('link')).isSymbolicLink()).toBe(true);
      expect([...(await (await loadTensors(folder.file('real'), device))['a']!.read())]).toEqual([3]);
      expect(folder.names).toEqual(['link', 'real']);
    });

    it('stores no tensors, and names that objects treat as special', async () => {
      using folder = new Folder();
      await saveTensors(folder.file('none'), {});
      expect(readFileSync(folder.file('none')).toString('latin1')).toBe(
        '\x20\0\0\0\0\0\0\0{"__metadata__":{"format":"pt"}}',
      );
      expect(Object.keys(await loadTensors(folder.file('none'), device))).toEqual([]);

      const tensors: Record<string, Tensor> = Object.create(null);
      const names = ['__proto__', 'constructor', '', 'a\0b', '∇𝛻', '"\\\n'];
      for (const [i, name] of names.entries()) tensors[name] = Tensor.from(device, new Float32Array([i]), [1]);
      await saveTensors(folder.file('x'), tensors, { metadata: JSON.parse('{"__proto__": "text"}') });
      const loaded = await loadTensors(folder.file('x'), device);
      expect(Object.getPrototypeOf(loaded)).toBe(null);
      for (const [i, name] of names.entries()) expect([...(await loaded[name]!.read())]).toEqual([i]);
      const { metadata } = await readTensorInfo(folder.file('x'));
      expect([...metadata].sort()).toEqual([
        ['__proto__', 'text'],
        ['format', 'pt'],
      ]);
    });

    it('tells its progress in bytes', async () => {
      using folder = new Folder();
      const seen: number[] = [];
      const onProgress = ({ done, total }: { done: number; total: number }): void => {
        expect(total).toBe(6_000_012);
        seen.push(done);
      };
      const tensors = {
        a: Tensor.from(device, new Float32Array(1_500_000), [1_500_000]),
        b: Tensor.from(device, new Float32Array(3), [3]),
      };
      await saveTensors(folder.file('x'), tensors, { onProgress });
      expect(seen.at(-1)).toBe(6_000_012);
      expect(seen.length).toBeGreaterThan(2);
      const saved = seen.splice(0);
      await loadTensors(folder.file('x'), device, { onProgress });
      expect(seen).toEqual(saved);
    });

    const good = (): Record<string, Tensor> => ({ a: Tensor.from(device, new Float32Array([1]), [1]) });
    const lone = '\ud800';
    it.each<[string, (file: string) => Promise<unknown>]>([
      ['a path that is no string', () => saveTensors(7 as never, good())],
      ['an empty path', () => saveTensors('', good())],
      ['a path with NUL', () => saveTensors('a\0b', good())],
      ['tensors that are no object', (file) => saveTensors(file, null as never)],
      ['a value that is no tensor', (file) => saveTensors(file, { a: new Float32Array(1) as never })],
      ['the reserved name', (file) => saveTensors(file, { __metadata__: good()['a']! })],
      ['a name of 1025 bytes', (file) => saveTensors(file, { [`${'é'.repeat(512)}x`]: good()['a']! })],
      ['a name with a lone surrogate', (file) => saveTensors(file, { [lone]: good()['a']! })],
      ['metadata that is no text', (file) => saveTensors(file, good(), { metadata: { a: 1 as never } })],
      ['metadata with a lone surrogate', (file) => saveTensors(file, good(), { metadata: { a: lone } })],
      ['metadata in an array', (file) => saveTensors(file, good(), { metadata: ['a'] as never })],
      ['an unknown option', (file) => saveTensors(file, good(), { meta: {} } as never)],
      ['options that are no object', (file) => saveTensors(file, good(), null as never)],
      ['a signal that is none', (file) => saveTensors(file, good(), { signal: {} as never })],
      ['a progress that is no function', (file) => loadTensors(file, device, { onProgress: 1 as never })],
      ['a device that is none', (file) => loadTensors(file, {} as never)],
      ['a folder as target', (file) => saveTensors(path.dirname(file), good())],
    ])('refuses %s', async (_, call) => {
      using folder = new Folder();
      await expect(call(folder.file('x'))).rejects.toMatchObject({ name: 'OrthokitError', code: 'ERR_ARGUMENT' });
      expect(folder.names).toEqual([]);
    });

    it('refuses a disposed tensor and leaves the old file', async () => {
      using folder = new Folder();
      writeFileSync(folder.file('x'), 'old');
      const { a } = good();
      a!.dispose();
      await expect(saveTensors(folder.file('x'), { ...good(), b: a! })).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
      expect(readFileSync(folder.file('x'), 'utf8')).toBe('old');
      expect(folder.names).toEqual(['x']);
    });

    it('accepts a name of exactly 1024 bytes', async () => {
      using folder = new Folder();
      const name = `${'∇'.repeat(341)}x`;
      await saveTensors(folder.file('x'), { [name]: good()['a']! });
      expect(Object.keys(await loadTensors(folder.file('x'), device))).toEqual([name]);
    });
  });

  describe('abort', () => {
    const big = (): Record<string, Tensor> => ({ a: Tensor.from(device, new Float32Array(3_000_000), [3_000_000]) });

    it('rejects with the reason before anything is done', async () => {
      using folder = new Folder();
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      await expect(saveTensors(folder.file('x'), big(), { signal })).rejects.toBe(reason);
      await expect(loadTensors(folder.file('x'), device, { signal })).rejects.toBe(reason);
      expect(folder.names).toEqual([]);
    });

    it('in the middle leaves the old file, no temporary one and no tensor', async () => {
      using folder = new Folder();
      await saveTensors(folder.file('x'), big());
      const old = readFileSync(folder.file('x'));
      for (const transfer of [
        () => saveTensors(folder.file('x'), big(), abortAtFirst()),
        () => loadTensors(folder.file('x'), device, abortAtFirst()),
      ]) {
        await expect(transfer()).rejects.toMatchObject({ name: 'AbortError' });
        expect(folder.names).toEqual(['x']);
        expect(readFileSync(folder.file('x')).equals(old)).toBe(true);
      }
    });

    function abortAtFirst(): { signal: AbortSignal; onProgress: () => void } {
      const controller = new AbortController();
      return { signal: controller.signal, onProgress: () => controller.abort() };
    }
  });

  describe('loadTensors', () => {
    it.each(['I64', 'BOOL', 'U16', 'F8_E4M3', 'C64'])('refuses %s by name, and lists it', async (dtype) => {
      using folder = new Folder();
      const bytes = { I64: 8, BOOL: 1, U16: 2, F8_E4M3: 1, C64: 8 }[dtype]!;
      writeFileSync(
        folder.file('x'),
        fileBytes(`{"w":{"dtype":"${dtype}","shape":[3],"data_offsets":[0,${3 * bytes}]}}`, 3 * bytes),
      );
      await expect(loadTensors(folder.file('x'), device)).rejects.toMatchObject({
        code: 'ERR_UNSUPPORTED',
        message: expect.stringMatching(new RegExp(`^loadTensors: tensor "w" .* got ${dtype}$`)),
      });
      expect((await readTensorInfo(folder.file('x'))).tensors.get('w')).toEqual({
        dtype,
        shape: [3],
        byteLength: 3 * bytes,
        begin: 0,
      });
    });

    it.each([
      ['F4', 6, 3],
      ['F6_E2M3', 4, 3],
      ['F6_E3M2', 8, 6],
    ])('lists whole bytes of %s and refuses broken ones', async (dtype, count, bytes) => {
      using folder = new Folder();
      const make = (n: number, bytes: number): void =>
        writeFileSync(
          folder.file('x'),
          fileBytes(`{"w":{"dtype":"${dtype}","shape":[${n}],"data_offsets":[0,${bytes}]}}`, bytes),
        );
      make(count, bytes);
      expect((await readTensorInfo(folder.file('x'))).tensors.get('w')?.byteLength).toBe(bytes);
      await expect(loadTensors(folder.file('x'), device)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
      for (const broken of [bytes, bytes - 1]) {
        make(count - 1, broken);
        await expect(readTensorInfo(folder.file('x'))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
      }
    });

    it('refuses six dimensions', async () => {
      using folder = new Folder();
      writeFileSync(folder.file('x'), fileBytes('{"w":{"dtype":"U8","shape":[1,1,1,1,1,1],"data_offsets":[0,1]}}', 1));
      await expect(loadTensors(folder.file('x'), device)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    });

    it('disposes what it has made when a later tensor fails', async () => {
      using folder = new Folder();
      await saveTensors(folder.file('x'), {
        a: Tensor.from(device, new Float32Array([1]), [1]),
        b: Tensor.from(device, new Float32Array([2]), [1]),
      });
      const made: Tensor[] = [];
      const { give } = native;
      native.give = (tensor, data) => {
        made.push(tensor as Tensor);
        if (made.length === 2) throw new Error('no second one');
        give(tensor, data);
      };
      try {
        await expect(loadTensors(folder.file('x'), device)).rejects.toThrow('no second one');
      } finally {
        native.give = give;
      }
      expect(made.length).toBe(2);
      for (const tensor of made)
        await expect((async () => tensor.read())()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    });
  });

  describe('a file of another program', () => {
    const golden = path.join(import.meta.dirname, '..', 'golden');
    type Golden = { metadata: object; tensors: { name: string; dtype: string; shape: number[]; values: string[] }[] };
    const expected: Golden = JSON.parse(readFileSync(path.join(golden, 'dtypes.json'), 'utf8'));
    const file = path.join(golden, 'dtypes.safetensors');

    it('is listed as it was written', async () => {
      const { tensors, metadata } = await readTensorInfo(file);
      expect(Object.fromEntries(metadata)).toEqual(expected.metadata);
      expect([...tensors.keys()].sort()).toEqual(expected.tensors.map((t) => t.name).sort());
      for (const { name, dtype, shape } of expected.tensors) expect(tensors.get(name)).toMatchObject({ dtype, shape });
    });

    it('is read to the bit', async () => {
      const { withTensorFile } = await import('../../lib/files/safetensors/file.ts');
      await withTensorFile(file, { op: 'test' }, async (open) => {
        for (const { name, dtype, values } of expected.tensors) {
          const bytes = await open.readBytes(open.tensors.get(name)!);
          const read = dtype === 'I64' ? new BigInt64Array(bytes) : await open.read(name);
          const wanted = values.map((v) =>
            dtype === 'I64' ? BigInt(v) : dtype === 'F32' ? Math.fround(Number(v)) : Number(v),
          );
          expect([...read]).toEqual(wanted);
        }
      });
    });
  });
});
