// Devices: cpu, cuda
// share() that is rejected: no element is lost, and the next call gives the handle.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { lastingPeer } from './peer.ts';

describe.each(devices)('share() on %s', (kind) => {
  const device = Device.open(kind);
  const lasting = lastingPeer(kind);
  afterAll(() => Promise.all([device.close(), lasting.kill()]));

  const bad = Tensor.full(device, [1], Number.NaN);
  /** Queues work that fails. */
  const fail = () => {
    using guard = Tensor.zeros(device, [1], { dtype: 'f64' });
    ops.checkFinite(device, { x: [bad], guard, action: 'throw' });
  };
  const expectShared = async (x: Tensor, values: number[]) => {
    const peer = lasting.one();
    await peer.tell({ open: await x.share() });
    expect(await peer.read()).toEqual(values);
    await peer.tell({ dispose: true });
  };

  it('is rejected with what earlier work has left, and keeps the elements', async () => {
    using x = Tensor.full(device, [4], 3);
    await device.synchronize();
    fail();
    await expect(x.share()).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: /^checkFinite: / });
    expect(await x.read()).toEqual(new Float32Array(4).fill(3));
    await expectShared(x, [3, 3, 3, 3]);
  });

  it('loses nothing of work that is queued once the failure is known', async () => {
    using x = Tensor.full(device, [4], 3);
    await device.synchronize();
    fail();
    const known = expect(bad.read()).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    const shared = x.share();
    const outcome = expect(shared).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await known;
    x.write([1, 2, 3, 4]);
    await outcome;
    expect(await x.read()).toEqual(Float32Array.of(1, 2, 3, 4));
    await expectShared(x, [1, 2, 3, 4]);
  });

  it('rejects all calls of one move, and the first that comes then moves again', async () => {
    using x = Tensor.full(device, [4], 3);
    await device.synchronize();
    fail();
    const outcomes = await Promise.allSettled([
      x.share().catch(() => x.share()),
      x.share().catch(() => x.share()),
      x.share().catch(() => x.share()),
    ]);
    const [first, ...others] = outcomes.map((outcome) => outcome.status === 'fulfilled' && outcome.value);
    expect(first).toMatchObject({ dtype: 'f32', shape: [4] });
    expect(others).toEqual([first, first]);
    expect(await x.share()).toEqual(first);
    expect(await x.read()).toEqual(new Float32Array(4).fill(3));
  });

  it('leaves nothing of a tensor that is disposed meanwhile', async () => {
    const { live, bytes } = await settledMemory(device);
    for (const before of [() => {}, fail]) {
      const x = Tensor.full(device, [4], 3);
      await device.synchronize();
      before();
      const shared = x.share();
      x.dispose();
      await expect(shared).rejects.toMatchObject({ code: before === fail ? 'ERR_ARGUMENT' : 'ERR_DISPOSED' });
      expect(device.info.memory).toMatchObject({ live, bytes });
    }
  });
});
