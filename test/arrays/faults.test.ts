// Devices: cpu
// Every call of the system fails once: the old file stays whole, or the new one is; tensors stay what they were.
import { afterAll, afterEach, expect, it } from 'vitest';
import { calls } from '../../lib/files/calls.ts';
import { Device, loadNpy, loadNpz, saveNpy, saveNpz, Tensor } from '../../lib/index.ts';
import { failNth, openFiles, restoreCalls } from '../files/failing.ts';
import { Folder } from '../files/folder.ts';
import { settledMemory } from '../support/settled.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());
afterEach(restoreCalls);

const old = Tensor.full(device, [4], 1);
const next = Tensor.full(device, [4], 2);
const kinds: [string, (file: string, x: Tensor) => Promise<void>, (file: string, into?: Tensor) => Promise<Tensor>][] =
  [
    ['npy', saveNpy, (file, into) => loadNpy(file, device, { into })],
    ['npz', (file, x) => saveNpz(file, { x }), async (file, into) => (await loadNpz(file, device, { into: into && { x: into } }))['x']!], // biome-ignore format: one line
    ['npz, packed', (file, x) => saveNpz(file, { x }, { compressed: true }), async (file, into) => (await loadNpz(file, device, { into: into && { x: into } }))['x']!], // biome-ignore format: one line
  ];

it.each(kinds)('%s', async (_, save, load) => {
  using folder = new Folder();
  const file = folder.file('x');
  let failed = 0;
  await save(file, old);
  for (let nth = 1; ; ++nth) {
    const hit = failNth(nth);
    const error = await save(file, next).catch((thrown: unknown) => thrown);
    restoreCalls();
    expect(openFiles(folder.path)).toEqual([]);
    using found = await load(file);
    const [first] = await found.read();
    if (hit() === undefined) {
      expect([error, first]).toEqual([undefined, 2]);
      break;
    }
    if (error) {
      expect(error).toMatchObject({ code: 'ERR_IO' });
      failed += 1;
    }
    expect(first).toBe(folder.names.length === 1 && first === 2 ? 2 : 1);
    if (first === 2) await save(file, old);
  }
  expect(failed).toBeGreaterThan(5);
  using into = Tensor.full(device, [4], 5);
  const { live } = await settledMemory(device);
  for (let nth = 1; ; ++nth) {
    const hit = failNth(nth);
    const error = await load(file, into).catch((thrown: unknown) => thrown);
    restoreCalls();
    if (hit() === undefined) break;
    expect(error).toMatchObject({ code: 'ERR_IO' });
    expect((await into.read())[0]).toBe(5);
    expect(openFiles(folder.path)).toEqual([]);
  }
  expect((await into.read())[0]).toBe(2);
  expect((await settledMemory(device)).live).toBe(live);
});

it('ends early where it is aborted', async () => {
  using folder = new Folder();
  using x = Tensor.zeros(device, [1 << 21]);
  const reason = new Error('enough');
  for (const compressed of [false, true]) {
    await saveNpz(folder.file('x.npz'), { x }, { compressed });
    const { live } = await settledMemory(device);
    const controller = new AbortController();
    const watch = { signal: controller.signal, onProgress: () => controller.abort(reason) };
    await expect(loadNpz(folder.file('x.npz'), device, watch)).rejects.toBe(reason);
    const other = new AbortController();
    const saving = saveNpz(folder.file('y.npz'), { x }, { compressed, signal: other.signal, onProgress: () => other.abort(reason) }); // biome-ignore format: one line
    await expect(saving).rejects.toBe(reason);
    expect(folder.names).toEqual(['x.npz']);
    expect((await settledMemory(device)).live).toBe(live);
  }
  expect(openFiles(folder.path)).toEqual([]);
});

it.each(kinds)('%s that ends before the size that it had', async (_, save, load) => {
  using folder = new Folder();
  const file = folder.file('x');
  await save(file, old);
  const { read } = calls;
  // All of it, and its beginning, where members are: the directory of an archive comes first, from the end.
  for (const isGone of [() => true, (position: number) => position < 30]) {
    calls.read = (handle, bytes, position) => (isGone(position) ? Promise.resolve(0) : read(handle, bytes, position));
    await expect(load(file)).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringMatching(/file must keep its size while it is read, got its end at byte \d/),
    });
    restoreCalls();
  }
});
