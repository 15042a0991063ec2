// Devices: cpu
// An abort ends nothing that CUDA has been given: solvers queue little ahead of a look at the signal.
import { afterAll, describe, expect, it, vi } from 'vitest';
import { barycenter, Device, type Ops, sinkhorn, sinkhornDivergence, Tensor, transportBatch } from '../../lib/index.ts';
import { numbers } from '../support/transport.ts';

const [n, m] = [1500, 1400];
/** Exponentials: one operation's over all pairs, and some milliseconds of others. */
const most = 1e7 + 2 * n * m;

/** Exponentials queued since the last wait, and the most of them. */
const queue = vi.hoisted(() => ({ now: 0, most: 0 }));

vi.mock('../../lib/core/native-ops.ts', async (load) => {
  const real = await load<{ ops: Ops }>();
  type Fields = { cost?: Tensor; x?: Tensor; y?: Tensor; sweeps?: number; maxSweeps?: number };
  const counted = (name: 'softmin' | 'logSweeps' | 'batchSweeps') => (device: Device, fields: Fields) => {
    const pairs = fields.cost?.size ?? fields.x!.shape[0]! * fields.y!.shape[0]!;
    queue.now += (fields.sweeps ?? fields.maxSweeps ?? 1) * pairs;
    queue.most = Math.max(queue.most, queue.now);
    (real.ops[name] as (device: Device, fields: Fields) => void)(device, fields);
  };
  const [softmin, logSweeps, batchSweeps] = [counted('softmin'), counted('logSweeps'), counted('batchSweeps')];
  return { ...real, ops: { ...real.ops, softmin, logSweeps, batchSweeps } };
});

describe('work queued ahead', () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());

  // Whoever waits for a result lets the device catch up.
  const { read } = Tensor.prototype;
  vi.spyOn(Tensor.prototype, 'read').mockImplementation(function (this: Tensor) {
    queue.now = 0;
    return read.call(this);
  });
  const { synchronize } = Device.prototype;
  vi.spyOn(Device.prototype, 'synchronize').mockImplementation(function (this: Device) {
    queue.now = 0;
    return synchronize.call(this);
  });

  const x = Tensor.from(device, numbers(2 * n, 1), [n, 2]);
  const y = Tensor.from(device, numbers(2 * m, 2), [m, 2]);
  const cost = Tensor.from(device, Float32Array.from(numbers(n * m, 3)), [n, m]);
  const few = { maxSweeps: 12, maxNewton: 1 };
  const measures = [4, 5].map((seed) => numbers(n, seed, 0.1, 1));
  const batch = Tensor.from(device, Float32Array.from(numbers(100 * 60 * 60, 6)), [100, 60, 60]);
  const calls: [string, () => Promise<unknown>][] = [
    ['points by sweeps', () => sinkhorn({ x, y }, { ...few, method: 'sinkhorn', eps: 0.05 })],
    ['a matrix by sweeps', () => sinkhorn(cost, { maxSweeps: 25, method: 'sinkhorn' })],
    ['a matrix by L-BFGS', () => sinkhorn(cost, { maxSweeps: 25, method: 'lbfgs' })],
    ['unbalanced masses', () => sinkhorn(cost, { maxSweeps: 10, eps: 0.1, unbalanced: { rhoA: 1 } })],
    ['a divergence', () => sinkhornDivergence({ x, y }, { ...few, method: 'sinkhorn', eps: 0.1 })],
    ['a barycenter', () => barycenter({ x, y }, measures, { maxSweeps: 6, eps: 0.1 })],
    ['a batch', () => transportBatch(batch, { maxSweeps: 200, eps: 0.01, maxNewton: 1 })],
  ];
  it.each(calls)('by %s is some tens of milliseconds', async (_, call) => {
    [queue.now, queue.most] = [0, 0];
    await call();
    expect(queue.most).toBeGreaterThan(0);
    expect(queue.most).toBeLessThanOrEqual(most);
  });
});
