// Devices: cpu, cuda
// Steps queue whole and wait for no number of the device.
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { Harpg, linearValue, NPgIgt, OdiceValueLearner } from '../../lib/policy/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { quadratic, start } from './quadratic.ts';

describe.each(devices)('reads on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  afterEach(() => vi.restoreAllMocks());
  const steps = kind === 'cpu' ? 20 : 3;

  const methods: Record<string, () => { x: Tensor; step: (t: number) => Promise<unknown> }> = {
    NPgIgt() {
      const [x, oracle] = [start(device, 'f64'), quadratic(device, 'f64')];
      const method = new NPgIgt([x], { stepSize: 1 });
      return { x, step: (t) => method.step(oracle, t) };
    },
    Harpg() {
      const [x, oracle] = [start(device, 'f64'), quadratic(device, 'f64')];
      const method = new Harpg([x], { stepSize: 1, seed: 3 });
      return { x, step: (t) => method.step(oracle, t) };
    },
    OdiceValueLearner() {
      const [features, count] = [4, 7];
      const oracle = linearValue(features, { device });
      const learner = new OdiceValueLearner(oracle, { lr: 0.1 });
      const tensor = (size: number, seed: number, shape: number[]) =>
        Tensor.from(device, Float32Array.from(normal(size, seed)), shape);
      const batch = {
        states: tensor(features * count, 1, [count, features]),
        nextStates: tensor(features * count, 2, [count, features]),
        rewards: tensor(count, 3, [count]),
        done: Tensor.zeros(device, [count]),
      };
      return { x: oracle.params[0]!, step: async () => (await learner.step(batch)).policyWeights.dispose() };
    },
  };

  it.each(Object.entries(methods))('%s takes steps while no read ends', async (_, make) => {
    const [one, other] = [make(), make()];
    for (let t = 0; t < steps; ++t) await other.step(t);
    const read = vi.spyOn(Tensor.prototype, 'read').mockImplementation(() => new Promise(() => {}));
    for (let t = 0; t < steps; ++t) await one.step(t);
    // The guard asks a busy device how it went, once, and nobody waits for the answer.
    expect(read.mock.calls.length).toBeLessThanOrEqual(1);
    read.mockRestore();
    expect(await one.x.read()).toEqual(await other.x.read());
  });

  it('the step after a wait hears of the one that failed, whatever has been queued since', async () => {
    const [x, oracle] = [start(device, 'f64'), quadratic(device, 'f64')];
    const method = new NPgIgt([x], { stepSize: 1 });
    const [a, c] = [Tensor.full(device, [96, 96], 0.5), Tensor.zeros(device, [96, 96])];
    const failing = {
      ...oracle,
      gradient: (_: readonly Tensor[], [grad]: readonly Tensor[]) =>
        ops.fill(device, { x: [grad!], value: Number.NaN }),
    };
    for (let t = 0; t < 3; ++t) {
      await method.step(t === 2 ? failing : oracle, t);
      await device.synchronize();
      for (let i = 0; i < 20; ++i) ops.gemm(device, { a, b: a, c });
    }
    await expect(method.step(oracle, 3)).rejects.toThrow('finite numbers, got others in step 3');
  });
});
