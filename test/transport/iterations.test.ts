// Devices: cpu, cuda
// Every method ends a sharp problem in the same way on each device, in about as many iterations as on the CPU.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, sinkhorn, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { assignment } from '../support/transport-problems.ts';

/** Sweeps, Newton steps and evaluations on the CPU. */
const onCpu = {
  auto: [13, 7, 8],
  sns: [10, 6, 11],
  ssns: [10, 8, 9],
  splr: [10, 37, 38],
  lbfgs: [10, 0, 202],
  // At a larger eps: here it would take thousands.
  sinkhorn: [17, 0, 0],
} as const;

describe.each(devices)('transport on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(Object.entries(onCpu))('by %s takes as many iterations as on the CPU', async (method, expected) => {
    using cost = Tensor.from(device, assignment(), [40, 40]);
    const eps = method === 'sinkhorn' ? 0.1 : 0.01;
    using result = await sinkhorn(cost, { eps, tol: 1e-9, method: method as keyof typeof onCpu });
    expect(result.status).toBe('converged');
    const { sweeps, newton, evaluations } = result.iterations;
    // Sums of another order round otherwise, which costs or saves a step here and there.
    for (const [i, count] of [sweeps, newton, evaluations].entries())
      expect(Math.abs(count - expected[i]!), `${[sweeps, newton, evaluations]}`).toBeLessThanOrEqual(
        2 + expected[i]! / 4,
      );
  });
});
