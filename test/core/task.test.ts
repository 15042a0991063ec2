// Devices: cpu
import { afterAll, describe, expect, it } from 'vitest';
import { Task } from '../../lib/core/task.ts';
import type { Steps } from '../../lib/core/turns.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { withResolvers } from '../support/promises.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());
const never = new Promise<never>(() => {});
const reason = new Error('enough');

/** A task whose signal is aborted in the next turn. */
function aborting(): Task {
  const controller = new AbortController();
  setImmediate(() => controller.abort(reason));
  return new Task(device, { signal: controller.signal });
}

it('without a signal runs to its end', async () => {
  using task = new Task(device);
  const x = Tensor.zeros(device, [2]);
  const y = Tensor.zeros(device, [1], { dtype: 'i32' });
  ops.fill(task.queue, { x: [x], value: 3 });
  expect(await task.readAll(x, y)).toEqual([new Float32Array([3, 3]), new Int32Array([0])]);
  expect(await task.wait(Promise.resolve(5))).toBe(5);
  expect(await task.waitFor(Promise.resolve(x))).toBe(x);
  expect(x.disposed).toBe(false);
  await task.synchronize();
  task.check();
});

it('tells how far it is', () => {
  const told: number[] = [];
  using task = new Task<number>(device, { onProgress: (n) => told.push(n) });
  task.report(1);
  task.report(2);
  expect(told).toEqual([1, 2]);
});

it('reads of what is gone are rejections, and throw nothing at those before', async () => {
  using task = new Task(device);
  const [x, gone] = [1, 2].map(() => Tensor.zeros(device, [1], { dtype: 'f64' })) as [Tensor<'f64'>, Tensor<'f64'>];
  gone.dispose();
  const waits = [task.read(x), task.read(gone), task.readAll(x, gone)];
  const [read, ...rejected] = await Promise.allSettled<unknown>(waits);
  expect(read!.status).toBe('fulfilled');
  for (const one of rejected) expect(one).toMatchObject({ status: 'rejected', reason: { code: 'ERR_DISPOSED' } });
});

describe('that is aborted', () => {
  it('before it begins, does not begin', () => {
    expect(() => new Task(device, { signal: AbortSignal.abort(reason) })).toThrow(reason);
  });

  it('by who is told, ends there', () => {
    const controller = new AbortController();
    using task = new Task<number>(device, { signal: controller.signal, onProgress: () => controller.abort(reason) });
    expect(() => task.report(1)).toThrow(reason);
    expect(() => task.check()).toThrow(reason);
  });

  it('waits no longer', async () => {
    using task = aborting();
    await expect(task.wait(never)).rejects.toBe(reason);
    const x = Tensor.zeros(device, [1], { dtype: 'f64' });
    await expect(task.readAll(x)).rejects.toBe(reason);
    await expect(task.read(x)).rejects.toBe(reason);
    await expect(task.synchronize()).rejects.toBe(reason);
  });

  it('gives back what another call has made too late', async () => {
    using task = aborting();
    const [alone, one, two] = [1, 2, 3].map((n) => Tensor.zeros(device, [n])) as [Tensor, Tensor, Tensor];
    const late = withResolvers<Tensor>();
    const record = withResolvers<{ one: Tensor; two: Tensor }>();
    const waits = [task.waitFor(late.promise), task.waitFor(record.promise), task.waitFor(Promise.reject(reason))];
    const ends = await Promise.allSettled<unknown>(waits);
    expect(ends).toEqual(waits.map(() => ({ status: 'rejected', reason })));
    late.resolve(alone);
    record.resolve({ one, two });
    await new Promise(setImmediate);
    expect([alone, one, two].map(({ disposed }) => disposed)).toEqual([true, true, true]);
  });

  it('leaves its steps at a turn for others', async () => {
    using task = aborting();
    const steps = function* (): Steps<never> {
      for (;;) yield;
    };
    await expect(task.run(steps())).rejects.toBe(reason);
  });
});
