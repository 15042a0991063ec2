// Devices: emulator
// Sharing of a GPU's memory where CUDA fails or is late; whether each block is freed and each open one closed.
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { beginStep } from '../../lib/core/step.ts';
import { readNow } from '../../lib/core/tensor.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
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

const [a, b, c] = [0, 1, 2].map(() => Tensor.zeros(device, [128, 128])) as [Tensor, Tensor, Tensor];
/** Queues work of a tenth of a second. */
const queueWork = () => {
  for (let i = 0; i < 10; ++i) ops.gemm(device, { a, b, c });
};
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

describe('memory that is let go within a step', () => {
  /** A step of work on a tensor of each side and on one of this process alone, which disposes the first two. */
  const step = async (end: () => unknown) => {
    const theirs = Tensor.fromShared(device, await peer.share([1, 2, 3]));
    const ours = Tensor.full(device, [1, 3], 2);
    await ours.share();
    using out = Tensor.zeros(device, [1, 3]);
    const before = await blocks();
    beginStep(device);
    ops.addBias(device, { x: ours, bias: theirs, out });
    theirs.dispose();
    ours.dispose();
    await end();
    // Nothing is queued meanwhile.
    await expect.poll(() => control('allocations?')).toBe(before - 2);
    expect(control('calls?cudaIpcOpenMemHandle')).toBe(control('calls?cudaIpcCloseMemHandle'));
    await peer.tell({ dispose: true });
    return out.read();
  };

  it('comes back with its end, behind which nothing is queued', async () => {
    expect(await step(() => {})).toEqual(Float32Array.of(3, 4, 5));
  });

  it('comes back with an end that fails', async () => {
    const failing = step(() => control('fail=cudaLaunchKernelEx:1:999'));
    await expect(failing).rejects.toMatchObject({ code: 'ERR_BACKEND' });
  });

  it.each([
    ['synchronize()', () => device.synchronize()],
    ['read()', () => a.read()],
  ])('has come back when %s within it resolves, long before its end', async (_, wait) => {
    let open = -1;
    const waiting = async () => {
      const done = wait();
      queueWork();
      await done;
      open = control('calls?cudaIpcOpenMemHandle') - control('calls?cudaIpcCloseMemHandle');
    };
    expect(await step(waiting)).toEqual(Float32Array.of(3, 4, 5));
    expect(open).toBe(0);
  });

  it('comes back within it where memory is short', async () => {
    const ours = Tensor.full(device, [3], 2);
    await ours.share();
    await device.synchronize();
    const freed = control('calls?cudaFree');
    beginStep(device);
    ours.dispose();
    // Each attempt asks twice, and the third is behind the last resort.
    for (let i = 0; i < 4; ++i) control('fail=cudaMallocAsync:1:2');
    using x = new Tensor(device, [12_345]);
    expect(control('calls?cudaFree')).toBe(freed + 1);
    expect(x.size).toBe(12_345);
  });
});

it.each([
  ['cudaMalloc:1:999', 'ERR_BACKEND'],
  ['cudaIpcGetMemHandle:1:801', 'ERR_UNSUPPORTED'],
  ['cudaIpcGetMemHandle:1:205', 'ERR_BACKEND'],
  ['cudaMemsetAsync:1:999', 'ERR_BACKEND'],
  ['cudaGetDeviceProperties:1:999', 'ERR_BACKEND'],
  ['cudaMemcpyAsync:1:999', 'ERR_BACKEND'],
  ['cudaEventSynchronize:1:999', 'ERR_BACKEND'],
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

describe('a move of share() that fails', () => {
  it('skips what was queued meanwhile, and parts that were made go back, too', async () => {
    using x = Tensor.from(device, [1, 2, 3, 4], [2, 2]);
    await x.read();
    const before = await blocks();
    control('fail=cudaMemcpyAsync:1:999');
    queueWork();
    const shared = x.share();
    using row = x.rows(1, 2);
    row.write([8, 8]);
    const outcomes = await Promise.allSettled([shared, row.share(), x.read()]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(await blocks()).toBe(before);
    expect(await x.read()).toEqual(Float32Array.of(1, 2, 3, 4));
    row.write([9, 9]);
    expect(await x.read()).toEqual(Float32Array.of(1, 2, 9, 9));
    row.dispose();
    await peer.tell({ open: await x.share() });
    expect(await peer.read()).toEqual([1, 2, 9, 9]);
    await peer.tell({ dispose: true });
  });

  it('has been undone for work that is queued once anybody knows of it', async () => {
    using x = Tensor.from(device, [1, 2, 3, 4], [2, 2]);
    await x.read();
    control('fail=cudaMemcpyAsync:1:999');
    queueWork();
    const shared = x.share();
    using row = x.rows(1, 2);
    expect(() => readNow([x], [new Float32Array(4)])).toThrow(/share: cudaMemcpyAsync/);
    row.write([9, 9]);
    await expect(shared).rejects.toMatchObject({ code: 'ERR_BACKEND' });
    expect(await x.read()).toEqual(Float32Array.of(1, 2, 9, 9));
  });

  it('leaves nothing of a tensor that was disposed meanwhile', async () => {
    const x = Tensor.full(device, [4], 3);
    await x.read();
    const before = await blocks();
    control('fail=cudaMemcpyAsync:1:999');
    const shared = x.share();
    x.dispose();
    await expect(shared).rejects.toMatchObject({ code: 'ERR_BACKEND' });
    expect(await blocks()).toBeLessThanOrEqual(before);
  });
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
