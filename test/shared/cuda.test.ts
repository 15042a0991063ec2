// Devices: cuda
// Memory of a GPU that two processes map: what one writes the other sees; what ends, and what is refused.
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { Device, Muon, type SharedCudaHandle, type SharedHandle, Tensor } from '../../lib/index.ts';
import { settledMemory } from '../support/settled.ts';
import { lastingPeer, Peer } from './peer.ts';

const device = Device.open('cuda');
const cpu = Device.open('cpu', { threads: 1 });
const lasting = lastingPeer('cuda');
// Closed here before the other process frees it.
afterEach(() => device.synchronize());
afterAll(() => Promise.all([device.close(), cpu.close(), lasting.kill()]));

const megabytes = 2 ** 20;
const refusalOf = (call: () => unknown): { code: string; message: string } => {
  try {
    call();
  } catch (error) {
    return error as { code: string; message: string };
  }
  return { code: 'nothing', message: '' };
};
const codeOf = (call: () => unknown): string => refusalOf(call).code;
const shareCuda = async (tensor: Tensor) => (await tensor.share()) as SharedCudaHandle;
const sent = (handle: SharedHandle): SharedHandle => JSON.parse(JSON.stringify(handle));

describe('a tensor of a GPU that is shared', () => {
  it('keeps its elements, of every dtype, and another process sees them', async () => {
    const peer = lasting.one();
    for (const dtype of ['f32', 'f64', 'f16', 'bf16', 'i32', 'u8'] as const) {
      using x = Tensor.full(device, [3, 5], 7, { dtype });
      const before = await x.read();
      const handle = await x.share();
      expect(await x.read()).toEqual(before);
      expect(await peer.tell({ open: sent(handle) })).toEqual({ dtype, shape: [3, 5] });
      expect(await peer.read()).toEqual(Array.from(before));
      await peer.tell({ dispose: true });
    }
  });

  it('has a handle of plain JSON, and a block of whole 2 MiB', async () => {
    const { live, bytes } = await settledMemory(device);
    using x = Tensor.zeros(device, [3, 5]);
    const handle = await shareCuda(x);
    expect(handle).toEqual({ dtype: 'f32', shape: [3, 5], bytes: 2 * megabytes, offset: 0, cuda: handle.cuda, uuid: handle.uuid }); // biome-ignore format: one line
    expect(Buffer.from(handle.cuda, 'base64').toString('base64')).toBe(handle.cuda);
    expect(Buffer.from(handle.cuda, 'base64')).toHaveLength(64);
    expect(handle.uuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(sent(handle)).toEqual(handle);
    await device.synchronize();
    expect(device.info.memory).toMatchObject({ live: live + 1, bytes: bytes + 2 * megabytes });
    using large = Tensor.zeros(device, [1000, 1000]);
    expect((await large.share()).bytes).toBe(4 * megabytes);
  });

  it('shows others zeros beside it, whatever lay there before', async () => {
    const peer = lasting.one();
    using x = Tensor.full(device, [3], 7);
    await peer.tell({ open: { ...(await x.share()), shape: [megabytes / 2] } });
    const values = await peer.read();
    expect(values.slice(0, 3)).toEqual([7, 7, 7]);
    expect(values.slice(3).every((value) => value === 0)).toBe(true);
    await peer.tell({ dispose: true });
  });

  it('is what both write, and stays the parameter of an optimizer', async () => {
    const peer = lasting.one();
    using w = Tensor.randn(device, [4, 6], { seed: 1 });
    using alone = w.copy();
    using grad = Tensor.randn(device, [4, 6], { seed: 2 });
    const [muon, other] = [new Muon([w], { lr: 0.1 }), new Muon([alone], { lr: 0.1 })];
    muon.step([grad]);
    other.step([grad]);
    await peer.tell({ open: await w.share() });
    muon.step([grad]);
    other.step([grad]);
    await device.synchronize();
    expect(await peer.read()).toEqual(Array.from(await alone.read()));
    await peer.tell({ write: new Array(24).fill(3) });
    expect(await w.read()).toEqual(new Float32Array(24).fill(3));
    await peer.tell({ dispose: true });
    muon.dispose();
    other.dispose();
  });

  it('has one memory, of which rows are parts', async () => {
    const peer = lasting.one();
    const handle = await peer.share([1, 2, 3, 4]);
    const { handle: part } = await peer.tell({ rows: [1, 3] });
    expect(part).toEqual({ ...handle, shape: [2], offset: 4 });
    using seen = Tensor.fromShared(device, part);
    using whole = Tensor.fromShared(device, handle);
    expect(await seen.read()).toEqual(Float32Array.of(2, 3));
    seen.write(Float32Array.of(9, 9));
    expect(await whole.read()).toEqual(Float32Array.of(1, 9, 9, 4));
    expect(await peer.read()).toEqual([1, 9, 9, 4]);
    expect(await whole.share()).toEqual(handle);
    using x = Tensor.zeros(device, [2, 2]);
    using row = x.rows(0, 1);
    await expect(x.share()).rejects.toMatchObject({ code: 'ERR_STATE', message: /^share: tensor must not share/ });
    expect(row.shape).toEqual([1, 2]);
  });

  it('may be empty', async () => {
    const peer = lasting.one();
    using none = Tensor.zeros(device, [0, 3]);
    await peer.tell({ open: await none.share() });
    expect(await peer.read()).toEqual([]);
    await peer.tell({ dispose: true });
  });

  it('leaves nothing behind, here and there', async () => {
    const peer = lasting.one();
    const before = await settledMemory(device);
    const theirs = Tensor.fromShared(device, await peer.share([1, 2]));
    expect(device.info.memory).toMatchObject({ live: before.live + 1, bytes: before.bytes + 8 });
    theirs.dispose();
    const ours = Tensor.zeros(device, [100]);
    await ours.share();
    ours.dispose();
    await device.synchronize();
    expect(device.info.memory).toMatchObject({ live: before.live, bytes: before.bytes });
    expect((await peer.tell({ dispose: true })).live).toBe(0);
  });

  it('ends with its device', async () => {
    const peer = lasting.one();
    const other = Device.open('cuda');
    const handle = await peer.share([5]);
    const seen = Tensor.fromShared(other, handle);
    const own = Tensor.zeros(other, [3]);
    await own.share();
    await other.close();
    await expect(own.share()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(codeOf(() => Tensor.fromShared(other, handle))).toBe('ERR_DISPOSED');
    seen.dispose();
    own.dispose();
    using again = Tensor.fromShared(device, handle);
    expect(await again.read()).toEqual(Float32Array.of(5));
  });
});

describe('a handle of a GPU', () => {
  it('says nothing that cannot be', async () => {
    using x = Tensor.zeros(device, [4]);
    const good = await shareCuda(x);
    const wrong: object[] = [
      { dtype: 'f8' },
      { shape: [-1] },
      { shape: [2 ** 50, 2 ** 50] },
      { shape: [megabytes] },
      { bytes: 0 },
      { bytes: 15 },
      { offset: 1 },
      { offset: 2 * megabytes - 4 },
      { cuda: '' },
      { cuda: 5 },
      { cuda: null },
      { cuda: good.cuda.slice(0, -4) },
      { cuda: `${good.cuda.slice(0, -3)}B==` },
      { cuda: good.cuda.replaceAll('A', '-') },
      { cuda: `${good.cuda}AAAA` },
      { cuda: `${good.cuda}\n` },
      { uuid: undefined },
      { uuid: `GPU-${good.uuid}` },
      { uuid: good.uuid.slice(1) },
      { uuid: `${good.uuid}0` },
      { name: 'orthokit' },
      { pid: 1, fd: 3 },
      { path: '/dev/nvidia0' },
    ];
    for (const change of wrong)
      expect([change, codeOf(() => Tensor.fromShared(device, { ...good, ...change } as never))]).toEqual([
        change,
        'ERR_ARGUMENT',
      ]);
  });

  it('is not believed', async () => {
    const peer = lasting.one();
    const good = (await peer.share([1, 2, 3, 4])) as SharedCudaHandle;
    const { live, bytes } = await settledMemory(device);
    const refused = (change: object) => refusalOf(() => Tensor.fromShared(device, { ...good, ...change }));
    const other = '01234567-89ab-cdef-0123-456789abcdef';
    expect(refused({ uuid: other })).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: `Tensor.fromShared: the memory must be of this GPU, ${good.uuid}, got some of ${other}`,
    });
    expect(refused({ bytes: 2 ** 40 })).toMatchObject({
      code: 'ERR_FORMAT',
      message: /^Tensor\.fromShared: the memory must have 1099511627776 bytes as the handle says, got \d+$/,
    });
    expect(refused({ bytes: 2 ** 40, offset: 2 ** 39 }).code).toBe('ERR_FORMAT');
    for (const cuda of [Buffer.alloc(64), Buffer.alloc(64, 255)])
      expect(refused({ cuda: cuda.toString('base64') }).code).toBe('ERR_IO');
    await device.synchronize();
    expect(device.info.memory).toMatchObject({ live, bytes });
    using seen = Tensor.fromShared(device, good);
    expect(await seen.read()).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  it('is for other processes, and for devices of its kind', async () => {
    using x = Tensor.full(device, [4], 3);
    using y = Tensor.full(cpu, [4], 3);
    const [ours, ofCpu] = [await x.share(), await y.share()];
    expect(refusalOf(() => Tensor.fromShared(device, ours))).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: /^Tensor\.fromShared: CUDA opens no memory in the process that has made it/,
    });
    for (const [on, handle] of [
      [device, ofCpu],
      [cpu, ours],
    ] as const)
      expect(codeOf(() => Tensor.fromShared(on, handle))).toBe('ERR_UNSUPPORTED');
    expect(await x.read()).toEqual(new Float32Array(4).fill(3));
  });

  it('ends with the process that made the memory, whose death nobody else dies of', async () => {
    const peer = lasting.one();
    const handle = await peer.share([1, 2, 3, 4]);
    const theirs = Tensor.fromShared(device, handle);
    await peer.kill();
    theirs.dispose();
    await device.synchronize();
    expect(codeOf(() => Tensor.fromShared(device, handle))).toBe('ERR_IO');
    using x = Tensor.full(device, [4], 2);
    expect(await x.read()).toEqual(new Float32Array(4).fill(2));
  });

  it('stays good when a process dies that has opened it', async () => {
    const [first, second] = [lasting.one(), new Peer('cuda')];
    using x = Tensor.full(device, [2], 2);
    const handle = await x.share();
    await first.tell({ open: handle });
    await first.kill();
    await second.tell({ open: handle });
    expect(await second.read()).toEqual([2, 2]);
    await second.kill();
  });
});
