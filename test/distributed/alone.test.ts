// Devices: cpu, cuda
// A process by itself, and refusals before any engine is asked. Several processes: check.mjs.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { bucketsOf, type Parcel } from '../../lib/distributed/buckets.ts';
import { failureOf, readError, written } from '../../lib/distributed/failure.ts';
import {
  connect,
  DataParallel,
  engineLibrary,
  ShardedMuon,
  ShardedNorMuon,
  unavailable,
} from '../../lib/distributed/index.ts';
import { Device, Muon, NorMuon, type OptimizerOptions, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { Folder } from '../files/folder.ts';
import { devices, onlyCpu } from '../support/devices.ts';

const alone = () => connect({ engine: 'none' });

describe.each(devices)('a process by itself on %s', (kind) => {
  it('is a group of one, in which each rank has what it had', async () => {
    await using device = Device.open(kind);
    const group = await alone();
    expect([group.rank, group.size, group.engine]).toEqual([0, 1, 'none']);
    const x = Tensor.from(device, [1, 2, 3, 4], [2, 2]);
    await group.allReduce([x]);
    await group.allReduce([x], { op: 'mean', weight: 3 });
    await group.broadcast([x]);
    await group.share([x], [0]);
    expect(await x.read()).toEqual(Float32Array.of(1, 2, 3, 4));
    const [gathered] = await group.allGather([x]);
    const [part] = await group.reduceScatter([x]);
    for (const other of [gathered!, part!]) {
      expect(other.shape).toEqual([2, 2]);
      expect(await other.read()).toEqual(await x.read());
      other.write([9, 9, 9, 9]);
    }
    expect(await x.read()).toEqual(Float32Array.of(1, 2, 3, 4));
    await group.allReduce([x], { op: 'mean', weight: 0 });
    expect(await x.read()).toEqual(new Float32Array(4));
    expect([...(await group.numbers(7))]).toEqual([7]);
    expect(group.traffic).toEqual({ calls: 8, payload: 7 * 16, received: 0 });
    await group.close();
    await group.close();
    await expect(group.barrier()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('refuses lists that share bytes, integers in sums, other devices and rows that ranks do not divide', async () => {
    await using device = Device.open(kind);
    await using other = Device.open(kind);
    const group = await alone();
    const x = Tensor.zeros(device, [4]);
    const refusals: [Promise<unknown>, string][] = [
      [group.allReduce([x, x.rows(1, 2)]), 'ERR_ARGUMENT'],
      [group.allReduce([Tensor.zeros(device, [1], { dtype: 'i32' })]), 'ERR_DTYPE'],
      [group.allReduce([x, Tensor.zeros(other, [1])]), 'ERR_DEVICE'],
      [group.allReduce(x as never), 'ERR_ARGUMENT'],
      [group.reduceScatter([Tensor.zeros(device, [])]), 'ERR_SHAPE'],
      [group.broadcast([x], { root: 1 }), 'ERR_ARGUMENT'],
      [group.share([x], [1]), 'ERR_ARGUMENT'],
      [group.share([x], []), 'ERR_ARGUMENT'],
      [group.numbers('1' as never), 'ERR_ARGUMENT'],
      [group.barrier({ tag: 'ä' }), 'ERR_ARGUMENT'],
    ];
    for (const [refused, code] of refusals) await expect(refused).rejects.toMatchObject({ code });
    expect(group.traffic.calls).toBe(0);
  });

  it.each([
    ['ShardedMuon', ShardedMuon, Muon],
    ['ShardedNorMuon', ShardedNorMuon, NorMuon],
  ] as const)(
    'steps %s with the bits of the whole one, goes on from a folder, and checks as it does',
    async (name, Sharded, Whole) => {
      await using device = Device.open(kind);
      using folder = new Folder();
      const group = await alone();
      const shapes = [
        [3, 4],
        [5, 2],
        [2, 3, 3],
      ];
      const weights = () => shapes.map((shape, seed) => Tensor.randn(device, shape, { seed }));
      const grads = (step: number) =>
        shapes.map((shape, i) => Tensor.randn(device, shape, { seed: 10 * step + i + 50 }));
      const [mine, whole] = [weights(), weights()];
      const options: OptimizerOptions<{ lr: number }> = { lr: 0.1 };
      const groupsOf = ([a, b, c]: Tensor[]) => [{ params: [a!, b!] }, { name: 'last', params: [c!], lr: 0.3 }];
      const sharded = new Sharded(group, groupsOf(mine), options as never);
      const reference = new Whole(groupsOf(whole), options as never);
      expect(sharded.groups.map((one) => [one.name, one.lr, one.params.length])).toEqual([
        ['0', 0.1, 2],
        ['last', 0.3, 1],
      ]);
      for (const step of [1, 2]) {
        await sharded.step(grads(step));
        reference.step(grads(step));
      }
      sharded.groups[1]!.lr = 0.02;
      reference.groups[1]!.lr = 0.02;
      expect(sharded.stateBytes).toBe(reference.stateBytes);
      const file = folder.file('shards');
      await sharded.saveShards(file, { metadata: { note: 'x' } });
      await sharded.saveShards(file, { metadata: { note: 'y' } });
      expect(readdirSync(file)).toHaveLength(2);
      const copies = mine.map((tensor) => tensor.copy());
      const resumed = new Sharded(group, groupsOf(copies), options as never);
      expect((await resumed.loadShards(file)).metadata).toEqual({ note: 'y' });
      expect(resumed.groups[1]!.lr).toBe(0.02);
      await resumed.step(grads(3));
      reference.step(grads(3));
      for (const [i, tensor] of copies.entries()) expect(await tensor.read()).toEqual(await whole[i]!.read());
      expect((await resumed.report()).step).toBe(3);

      const other = new Sharded(group, [Tensor.zeros(device, [2, 2])]);
      await expect(other.loadShards(file)).rejects.toMatchObject({ code: 'ERR_STATE' });
      await expect(other.loadShards(folder.file('none'))).rejects.toMatchObject({ code: 'ERR_IO' });
      expect(() => new Sharded(group, [Tensor.zeros(device, [2])])).toThrow(
        expect.objectContaining({ code: 'ERR_SHAPE' }),
      );
      expect(() => new Sharded(group, [])).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
      expect(() => new Sharded(group, mine, { nonFinite: 'skip' } as never)).toThrow(/ERR|nonFinite/);
      await expect(sharded.step([null])).rejects.toThrow(`${name}.step: grads must be 3`);
      resumed.dispose();
      await expect(resumed.step(grads(4))).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    },
  );

  it('trains as without a group', async () => {
    await using device = Device.open(kind);
    const group = await alone();
    const model = { w: Tensor.randn(device, [2, 3], { seed: 1 }) };
    const parallel = await DataParallel.start(group, model, { seed: 5 });
    const again = await DataParallel.start(group, model, { seed: 6 });
    expect(parallel.dropoutSeed).not.toBe(again.dropoutSeed);
    expect(await parallel.verify(model)).toBe(await again.verify(model));
    const own = [...take(parallel.batches({ count: 10, size: 4, seed: 1 }), 3)];
    const all = [...take(nn.batches({ count: 10, size: 4, seed: 1 }), 3)];
    expect(own).toEqual(all.map((batch) => ({ ...batch, size: batch.index.length })));
    const grads = new Map([[model.w, Tensor.full(device, [2, 3], 2)]]);
    expect(await parallel.average(grads, 4)).toBe(grads);
    expect(await grads.get(model.w)!.read()).toEqual(new Float32Array(6).fill(2));
    const none = await parallel.average(null, 0);
    expect(await none.get(model.w)!.read()).toEqual(new Float32Array(6));
    await expect(parallel.average(null, 1)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(parallel.average([] as never, 1)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    parallel.dispose();
  });

  it('puts tensors into buckets by dtype, rank after rank', async () => {
    await using device = Device.open(kind);
    const tensor = (size: number, dtype: 'f32' | 'f64' = 'f32') => Tensor.zeros(device, [size], { dtype });
    const parcel = (own: Tensor, rank: number): Parcel => ({ tensor: own, rank, goes: true, into: undefined });
    const sizes = [3, 2, 0, 7, 1].map((size) => tensor(size));
    const buckets = bucketsOf('test', [...sizes.map((own) => [parcel(own, 0)]), [parcel(tensor(1, 'f64'), 0)]], 1, 20);
    expect(buckets.map(({ dtype, size }) => [dtype, size])).toEqual([
      ['f32', 5],
      ['f32', 7],
      ['f32', 1],
      ['f64', 1],
    ]);
    const [one] = bucketsOf('test', [[parcel(sizes[0]!, 1), parcel(sizes[1]!, 0)], [parcel(sizes[4]!, 0)]], 2, 1000);
    expect([...one!.counts]).toEqual([3, 3]);
    expect(one!.parcels.map(({ rank }) => rank)).toEqual([0, 0, 1]);
    const long = { dtype: 'u8', size: 2 ** 30, byteLength: 2 ** 30 } as Tensor;
    expect(() => bucketsOf('test', [[parcel(long, 0), parcel(long, 1)]], 2, 20)).toThrow(
      expect.objectContaining({
        code: 'ERR_UNSUPPORTED',
        message: expect.stringMatching(/^test: .* at most 2147483647/),
      }),
    );
  });
});

function* take<T>(all: Iterable<T>, count: number): Iterable<T> {
  for (const one of all) {
    if (count-- <= 0) return;
    yield one;
  }
}

describe.each(onlyCpu)('engines', () => {
  it('are refused by name, or say what is missing', async () => {
    // Timers of JavaScript end at 2^31 ms.
    await expect(connect({ engine: 'none', timeout: 3e6 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(() => unavailable('tcp' as never)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(() => engineLibrary('tcp' as never)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    for (const engine of ['mpi', 'gloo', 'nccl'] as const) {
      const [file, title] = [`orthokit_${engine}.so`, { mpi: 'MPI', gloo: 'Gloo', nccl: 'NCCL' }[engine]];
      const isBuilt = existsSync(path.join(import.meta.dirname, '..', '..', 'build', 'Release', file));
      if (process.env[`ORTHOKIT_${engine.toUpperCase()}_PLUGIN`] || isBuilt) continue;
      expect(engineLibrary(engine)).toBeUndefined();
      expect(unavailable(engine)).toMatch(
        new RegExp(`no ${title} plug-in .* does not exist\\): compile it with \`npx orthokit build --${engine}\`$`),
      );
      await expect(connect({ engine })).rejects.toMatchObject({ code: 'ERR_BACKEND' });
    }
  });
});

describe.each(onlyCpu)('errors between ranks', () => {
  it('arrive with name, message, code and stack, however long they are', () => {
    const error = Object.assign(new RangeError(`${'ä'.repeat(5000)}`), { code: 'MINE' });
    const text = written(error);
    expect(Buffer.byteLength(text)).toBeLessThan(4000);
    const read = readError(text) as Error & { code: string };
    expect(read).toBeInstanceOf(RangeError);
    expect([read.name, read.code]).toEqual(['RangeError', 'MINE']);
    expect(error.message.startsWith(read.message)).toBe(true);
    class Own extends Error {
      override readonly name = 'Own';
    }
    expect(String(readError(written(new Own('x'))))).toBe('Own: x');
    expect(readError(written('text')).message).toBe('text');
    expect(readError('{').message).toBe('{');
    const failure = failureOf('Group.barrier', { rank: 2, text: written(new TypeError('boom')) });
    expect(failure).toMatchObject({ code: 'ERR_BACKEND', message: 'Group.barrier: rank 2 failed: TypeError: boom' });
    expect(failure.cause).toBeInstanceOf(TypeError);
    expect(failureOf('x', { rank: -1, text: 'late' })).toMatchObject({ message: 'x: late' });
  });
});
