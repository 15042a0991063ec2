// Devices: cpu
// Memory that several processes map: what one writes the others see, whoever made it; what ends, and what is refused.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'; // biome-ignore format: one line
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Muon, type SharedHandle, type SharedHostHandle, Tensor } from '../../lib/index.ts';
import { settledMemory } from '../support/settled.ts';
import { Peer } from './peer.ts';

const device = Device.open('cpu', { threads: 2 });
afterAll(() => device.close());

const codeOf = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'nothing';
};
/** The handle of a memfd. */
const shareHost = async (tensor: Tensor) => (await tensor.share()) as SharedHostHandle;
const sent = (handle: SharedHandle): SharedHandle => JSON.parse(JSON.stringify(handle));

describe('a tensor that is shared', () => {
  it.each(['f32', 'f64', 'f16', 'bf16', 'i32', 'u8'] as const)('keeps its elements, of %s', async (dtype) => {
    using x = Tensor.full(device, [3, 5], 7, { dtype });
    const before = await x.read();
    const handle = await x.share();
    expect(handle).toMatchObject({ dtype, shape: [3, 5], pid: process.pid, bytes: x.byteLength, offset: 0 });
    expect(await x.read()).toEqual(before);
    using y = Tensor.fromShared(device, sent(handle));
    expect([y.dtype, y.shape, await y.read()]).toEqual([dtype, [3, 5], before]);
  });

  it('is what both write, and stays the parameter of an optimizer', async () => {
    using w = Tensor.randn(device, [4, 6], { seed: 1 });
    using alone = w.copy();
    using grad = Tensor.randn(device, [4, 6], { seed: 2 });
    const [muon, other] = [new Muon([w], { lr: 0.1 }), new Muon([alone], { lr: 0.1 })];
    muon.step([grad]);
    other.step([grad]);
    using seen = Tensor.fromShared(device, await w.share());
    muon.step([grad]);
    other.step([grad]);
    expect(await seen.read()).toEqual(await alone.read());
    seen.write(new Float32Array(24).fill(3));
    await device.synchronize();
    expect(await w.read()).toEqual(new Float32Array(24).fill(3));
    muon.dispose();
    other.dispose();
  });

  it('has one memory, of which rows and reshapes are parts', async () => {
    using x = Tensor.from(device, [1, 2, 3, 4, 5, 6], [3, 2]);
    const handle = await x.share();
    expect(await x.share()).toEqual(handle);
    using rows = x.rows(1, 3);
    const part = await rows.share();
    expect(part).toEqual({ ...handle, shape: [2, 2], offset: 8 });
    using seen = Tensor.fromShared(device, part);
    expect(await seen.read()).toEqual(Float32Array.of(3, 4, 5, 6));
    seen.write(Float32Array.of(9, 9, 9, 9));
    await device.synchronize();
    expect(await x.read()).toEqual(Float32Array.of(1, 2, 9, 9, 9, 9));
  });

  it('shares no bytes with tensors that would stay behind', async () => {
    const x = Tensor.from(device, [1, 2, 3, 4], [2, 2]);
    const row = x.rows(1, 2);
    await expect(x.share()).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: /^share: tensor must not share its bytes/,
    });
    x.dispose();
    const handle = await row.share();
    using seen = Tensor.fromShared(device, handle);
    expect(await seen.read()).toEqual(Float32Array.of(3, 4));
    row.dispose();
  });

  it('may be empty, or one number', async () => {
    using none = Tensor.zeros(device, [0, 3]);
    using one = Tensor.from(device, [5], []);
    using noneToo = Tensor.fromShared(device, sent(await none.share()));
    using oneToo = Tensor.fromShared(device, sent(await one.share()));
    expect([noneToo.shape, await oneToo.read()]).toEqual([[0, 3], Float32Array.of(5)]);
  });

  it('gives its memory and its descriptor back, after the work that was queued', async () => {
    const { live, bytes } = await settledMemory(device);
    const x = Tensor.zeros(device, [1000, 1000]);
    const { fd, name } = await shareHost(x);
    const link = `/proc/self/fd/${fd}`;
    expect(readlinkSync(link)).toBe(`/memfd:${name} (deleted)`);
    expect(statSync(link).mode & 0o777).toBe(0o600);
    expect(device.info.memory).toMatchObject({ live: live + 1, bytes: bytes + 4_000_000 });
    using out = Tensor.zeros(device, [1000, 1000]);
    for (let i = 0; i < 20; ++i) x.write(new Float32Array(1_000_000).fill(i));
    const last = x.copy();
    x.dispose();
    expect((await last.read())[999_999]).toBe(19);
    last.dispose();
    out.dispose();
    await device.synchronize();
    expect(existsSync(link) && readlinkSync(link) === `/memfd:${name} (deleted)`).toBe(false);
    expect(await settledMemory(device)).toMatchObject({ live, bytes });
  });

  it('ends with its device', async () => {
    const other = Device.open('cpu', { threads: 1 });
    const x = Tensor.full(other, [8], 2);
    const handle = await x.share();
    using y = Tensor.fromShared(device, handle);
    await other.close();
    expect(codeOf(() => Tensor.fromShared(device, handle))).toMatch(/ERR_IO|ERR_FORMAT/);
    expect(await y.read()).toEqual(new Float32Array(8).fill(2));
    await expect(x.share()).rejects.toMatchObject({
      code: 'ERR_DISPOSED',
      message: 'share: tensor belongs to a closed device',
    });
    x.dispose();
    await expect(x.share()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(codeOf(() => Tensor.fromShared(other, handle))).toBe('ERR_DISPOSED');
  });
});

describe('a handle', () => {
  it('says nothing that cannot be', async () => {
    using x = Tensor.zeros(device, [4]);
    const good = await shareHost(x);
    const wrong: object[] = [
      { dtype: 'f8' },
      { dtype: undefined },
      { shape: [4.5] },
      { shape: [-1] },
      { shape: '4' },
      { shape: [1, 1, 1, 1, 1, 1] },
      { shape: [2 ** 50, 2 ** 50] },
      { shape: [5] },
      { shape: new Array(3) },
      { name: '../x' },
      { name: 'a/b' },
      { name: '' },
      { name: '.' },
      { name: 'x'.repeat(300) },
      { name: `${good.name}\0` },
      { pid: undefined },
      { fd: undefined },
      { pid: 0 },
      { pid: -1 },
      { pid: '1/../self' },
      { fd: -1 },
      { fd: 1.5 },
      { fd: 'cwd' },
      { bytes: 0 },
      { bytes: 15 },
      { bytes: 2 ** 60 },
      { offset: 1 },
      { offset: 4 },
      { offset: -4 },
      { path: '/dev/mem' },
      { cuda: `${'A'.repeat(86)}==` },
      { uuid: '00000000-0000-0000-0000-000000000000' },
    ];
    for (const change of wrong)
      expect([change, codeOf(() => Tensor.fromShared(device, { ...good, ...change } as never))]).toEqual([
        change,
        'ERR_ARGUMENT',
      ]);
    for (const none of [null, undefined, 5, 'text', []])
      expect(codeOf(() => Tensor.fromShared(device, none as never))).toBe('ERR_ARGUMENT');
    expect(codeOf(() => Tensor.fromShared(device, good, { unsealed: 'yes' } as never))).toBe('ERR_ARGUMENT');
  });

  it('is not believed: other memory, files, sockets and terminals are refused', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-'));
    const file = path.join(folder, 'file');
    writeFileSync(file, new Uint8Array(16));
    const fd = openSync(file, 'r+');
    using x = Tensor.zeros(device, [4]);
    using y = Tensor.zeros(device, [4]);
    const [good, other] = [await shareHost(x), await shareHost(y)];
    const codes = (change: object) => codeOf(() => Tensor.fromShared(device, { ...good, ...change }));
    expect(codes({ fd })).toBe('ERR_FORMAT');
    expect(codes({ fd: other.fd })).toBe('ERR_FORMAT');
    for (const standard of [0, 1, 2]) expect(codes({ fd: standard })).toBe('ERR_FORMAT');
    expect(codes({ pid: process.ppid })).toMatch(/ERR_FORMAT|ERR_IO/);
    expect(codes({ pid: 2 ** 22 + 1 })).toBe('ERR_IO');
    expect(codes({ fd: 999_999 })).toBe('ERR_IO');
    expect(codes({ bytes: 32 })).toBe('ERR_FORMAT');
    expect(codes({ bytes: 32, shape: [8] })).toBe('ERR_FORMAT');
    // Its words on the memory must not show the name to whoever guesses.
    try {
      Tensor.fromShared(device, { ...good, fd: other.fd });
    } catch (error) {
      expect((error as Error).message).not.toContain(other.name);
    }
    const missing = (() => {
      try {
        Tensor.fromShared(device, { ...good, fd: 999_999 });
      } catch (error) {
        return error as Error;
      }
    })();
    expect(missing).toMatchObject({ code: 'ERR_IO', cause: { code: 'ENOENT' }, message: /^Tensor\.fromShared: / });
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  it('of an object in /dev/shm needs a word, and an object of this user alone', async () => {
    const name = `orthokit-test-${process.pid}`;
    const file = `/dev/shm/${name}`;
    const handle = { dtype: 'f32', shape: [4], name, bytes: 16 } as const;
    const open = () => Tensor.fromShared(device, handle, { unsealed: 'allow' });
    expect(codeOf(open)).toBe('ERR_IO');
    try {
      writeFileSync(file, Float32Array.of(1, 2, 3, 4), { mode: 0o600 });
      expect(codeOf(() => Tensor.fromShared(device, handle))).toBe('ERR_FORMAT');
      using x = open();
      expect(await x.read()).toEqual(Float32Array.of(1, 2, 3, 4));
      x.write(Float32Array.of(4, 3, 2, 1));
      await device.synchronize();
      expect(new Float32Array(new Uint8Array(readFileSync(file)).buffer)).toEqual(Float32Array.of(4, 3, 2, 1));
      rmSync(file);
      writeFileSync(file, new Uint8Array(16), { mode: 0o644 });
      expect(codeOf(open)).toBe('ERR_FORMAT');
      rmSync(file);
      spawnSync('ln', ['-s', '/etc/passwd', file]);
      expect(codeOf(open)).toBe('ERR_IO');
    } finally {
      rmSync(file, { force: true });
    }
  });
});

describe('two processes', () => {
  it('see what either writes; when one is killed the other goes on', async () => {
    const peer = new Peer('cpu');
    const handle = await peer.share([1, 2, 3, 4]);
    const theirs = Tensor.fromShared(device, handle);
    expect(await theirs.read()).toEqual(Float32Array.of(1, 2, 3, 4));
    using ours = Tensor.zeros(device, [4]);
    await peer.tell({ open: await ours.share() });
    await peer.tell({ write: [5, 6, 7, 8] });
    expect(await ours.read()).toEqual(Float32Array.of(5, 6, 7, 8));
    await peer.kill();
    expect(await theirs.read()).toEqual(Float32Array.of(1, 2, 3, 4));
    theirs.write(Float32Array.of(0, 0, 0, 1));
    expect(await theirs.read()).toEqual(Float32Array.of(0, 0, 0, 1));
    expect(codeOf(() => Tensor.fromShared(device, handle))).toBe('ERR_IO');
    theirs.dispose();
  });
});
