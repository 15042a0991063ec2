// Devices: emulator
// Sharing of a GPU's memory where CUDA fails or is late; whether each block is freed and each open one closed.
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { emulator } from '../support/emulator.ts';
import { settledMemory } from '../support/settled.ts';
import { lastingPeer, type Peer } from './peer.ts';

const { control } = emulator;
const device = Device.open('cuda');
const lasting = lastingPeer('cuda');
let peer: Peer;
beforeEach(() => {
  peer = lasting.one();
});
afterEach(async () => {
  control('streams=eager');
  control('succeed');
  // Closed here before the other process frees it.
  await device.synchronize();
  expect([control('findings?'), emulator.lastFinding()]).toEqual([0, '']);
});
afterAll(() => Promise.all([device.close(), lasting.kill()]));

const blocks = async () => {
  await settledMemory(device);
  return control('allocations?');
};

it('a handle is given when the work before it has finished', async () => {
  control('streams=deferred');
  using x = Tensor.zeros(device, [1000]);
  for (let i = 1; i <= 5; ++i) x.write(new Float32Array(1000).fill(i));
  await peer.tell({ open: await x.share() });
  expect((await peer.read())[999]).toBe(5);
  await peer.tell({ dispose: true });
});

it('memory of another process is closed when the work that uses it has finished', async () => {
  const handle = await peer.share([1, 2, 3]);
  const before = await blocks();
  control('streams=deferred');
  const x = Tensor.fromShared(device, handle);
  x.write(Float32Array.of(4, 5, 6));
  using copy = x.copy();
  x.dispose();
  await device.synchronize();
  expect(await peer.read()).toEqual([4, 5, 6]);
  expect(await copy.read()).toEqual(Float32Array.of(4, 5, 6));
  copy.dispose();
  expect(await blocks()).toBeLessThanOrEqual(before + 1); // one lies in the pool
  await peer.tell({ dispose: true });
});

it('each tensor closes what it has opened, once', async () => {
  const handle = await peer.share([1, 2, 3]);
  const before = await blocks();
  const tensors = [0, 1, 2].map(() => Tensor.fromShared(device, handle));
  expect(await blocks()).toBe(before + 1);
  for (const x of tensors) expect(await x.read()).toEqual(Float32Array.of(1, 2, 3));
  for (const x of tensors) x.dispose();
  expect(await blocks()).toBe(before);
  expect(control('calls?cudaIpcOpenMemHandle')).toBe(control('calls?cudaIpcCloseMemHandle'));
  await peer.tell({ dispose: true });
});

it.each([
  ['cudaMalloc:1:999', 'ERR_BACKEND'],
  ['cudaIpcGetMemHandle:1:801', 'ERR_UNSUPPORTED'],
  ['cudaIpcGetMemHandle:1:205', 'ERR_BACKEND'],
  ['cudaMemsetAsync:1:999', 'ERR_BACKEND'],
  ['cudaGetDeviceProperties:1:999', 'ERR_BACKEND'],
])('share() that fails by %s changes nothing', async (failure, code) => {
  using x = Tensor.full(device, [4], 3);
  await x.read();
  const before = await blocks();
  control(`fail=${failure}`);
  await expect(x.share()).rejects.toMatchObject({ code, message: /^share: / });
  expect(await blocks()).toBe(before);
  expect(await x.read()).toEqual(new Float32Array(4).fill(3));
  await peer.tell({ open: await x.share() });
  expect(await peer.read()).toEqual([3, 3, 3, 3]);
  await peer.tell({ dispose: true });
});

it('share() takes memory that the pool has kept, and says when there is none', async () => {
  using x = Tensor.full(device, [4], 3);
  Tensor.zeros(device, [1000]).dispose();
  await x.read();
  control('fail=cudaMalloc:1:2');
  control('fail=cudaMalloc:1:2');
  await x.share();
  expect(control('calls?cudaMemPoolTrimTo')).toBeGreaterThan(0);
  using y = Tensor.full(device, [4], 3);
  await y.read();
  for (let i = 0; i < 6; ++i) control('fail=cudaMalloc:1:2');
  await expect(y.share()).rejects.toMatchObject({ code: 'ERR_MEMORY', message: /^share: the device has no memory for 2097152 bytes/ }); // biome-ignore format: one line
  expect(await y.read()).toEqual(new Float32Array(4).fill(3));
});

it.each([
  ['cudaIpcOpenMemHandle:1:801', 'ERR_UNSUPPORTED'],
  ['cudaIpcOpenMemHandle:1:400', 'ERR_IO'],
  ['cudaIpcOpenMemHandle:1:711', 'ERR_BACKEND'],
  ['cudaIpcOpenMemHandle:1:2', 'ERR_MEMORY'],
  ['cudaPointerGetAttributes:1:999', 'ERR_BACKEND'],
  ['cudaGetDriverEntryPointByVersion:1:999', 'ERR_BACKEND'],
  ['cuMemGetAddressRange:1:999', 'ERR_BACKEND'],
])('fromShared() that fails by %s leaves nothing open', async (failure, code) => {
  const handle = await peer.share([1, 2, 3]);
  const before = await blocks();
  control(`fail=${failure}`);
  expect(() => Tensor.fromShared(device, handle)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(/^Tensor\.fromShared: /) }),
  );
  expect(await blocks()).toBe(before);
  using x = Tensor.fromShared(device, handle);
  expect(await x.read()).toEqual(Float32Array.of(1, 2, 3));
  x.dispose();
  await device.synchronize();
  await peer.tell({ dispose: true });
});
