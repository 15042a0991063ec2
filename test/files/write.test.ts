// Devices: cpu
// Axes: node
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type TensorSource, writeTensorFile } from '../../lib/files/safetensors/write.ts';
import { plainRead } from './bytes.ts';
import { Folder } from './folder.ts';

const source = (change: Partial<TensorSource>): TensorSource => ({
  name: 'w',
  dtype: 'U8',
  shape: [4],
  data: () => new Uint8Array([1, 2, 3, 4]),
  ...change,
});

describe('writeTensorFile', () => {
  it.each<[string, TensorSource[]]>([
    ['a name twice', [source({}), source({ data: () => new Uint8Array(4) })]],
    ['less data than the shape has', [source({ data: () => new Uint8Array(3) })]],
    ['more data than the shape has', [source({ data: () => new Uint8Array(5) })]],
    ['an unknown dtype', [source({ dtype: 'Q8' as never })]],
    ['a negative dimension', [source({ shape: [-4] })]],
    ['a broken dimension', [source({ shape: [4.5] })]],
    ['a size beyond counting', [source({ shape: [2 ** 32, 2 ** 32] })]],
    ['a size of half a byte', [source({ dtype: 'F4', shape: [3] })]],
    ['65 dimensions', [source({ shape: [...Array(64).fill(1), 4] })]],
  ])('refuses %s and leaves the old file', async (_, sources) => {
    using folder = new Folder();
    writeFileSync(folder.file('x'), 'old');
    await expect(writeTensorFile(folder.file('x'), sources, { op: 'test' })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/^test: .* must .*, got /),
    });
    expect(readFileSync(folder.file('x'), 'utf8')).toBe('old');
    expect(folder.names).toEqual(['x']);
  });

  it('passes on what a source throws, and leaves the old file', async () => {
    using folder = new Folder();
    writeFileSync(folder.file('x'), 'old');
    const reason = new Error('no data');
    const sources = [source({ name: 'a' }), source({ name: 'b', data: () => Promise.reject(reason) })];
    await expect(writeTensorFile(folder.file('x'), sources, { op: 'test' })).rejects.toBe(reason);
    expect(readFileSync(folder.file('x'), 'utf8')).toBe('old');
    expect(folder.names).toEqual(['x']);
  });

  it('stops waiting for a source when it is aborted', async () => {
    using folder = new Folder();
    const controller = new AbortController();
    const data = (): Promise<never> => {
      setImmediate(() => controller.abort());
      return new Promise(() => {});
    };
    const writing = writeTensorFile(folder.file('x'), [source({ data })], { op: 'test', signal: controller.signal });
    await expect(writing).rejects.toMatchObject({ name: 'AbortError' });
    expect(folder.names).toEqual([]);
  });

  it('asks for one tensor at a time', async () => {
    using folder = new Folder();
    let waiting = 0;
    const data = async (): Promise<Uint8Array> => {
      waiting += 1;
      expect(waiting).toBe(1);
      await new Promise(setImmediate);
      waiting -= 1;
      return new Uint8Array(4);
    };
    await writeTensorFile(
      folder.file('x'),
      ['a', 'b', 'c'].map((name) => source({ name, data })),
      { op: 'test' },
    );
  });

  it('takes a view of a larger buffer for what it shows', async () => {
    using folder = new Folder();
    const data = (): DataView => new DataView(new Uint8Array([9, 9, 1, 2, 3, 4, 9]).buffer, 2, 4);
    await writeTensorFile(folder.file('x'), [source({ data })], { op: 'test' });
    expect([...plainRead(readFileSync(folder.file('x'))).tensors.get('w')!.bytes]).toEqual([1, 2, 3, 4]);
  });
});
