// Devices: cpu, cuda
// L-BFGS where a gain is of the size of rounding: the same end whatever order a device sums in.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, sinkhorn, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { assignment } from '../support/transport-problems.ts';

describe.each(devices)('L-BFGS on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('gets to the last digits, though the semi-dual has none left', async () => {
    using cost = Tensor.from(device, assignment(), [40, 40]);
    using result = await sinkhorn(cost, { eps: 0.01, tol: 1e-10, method: 'lbfgs' });
    expect(result.status).toBe('converged');
  });

  it('does not go on for ever in steps of the size of rounding', async () => {
    using cost = Tensor.from(device, assignment(), [40, 40]);
    using result = await sinkhorn(cost, { eps: 0.003, tol: 1e-11, method: 'lbfgs', maxSweeps: 10_000 });
    expect(result.iterations.evaluations).toBeLessThan(5_000);
  });
});
