// Devices: cpu, cuda
// A divergence is not negative, however loosely its three problems are solved.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, sinkhornDivergence, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { splitmix } from '../support/splitmix.ts';
import { valuesOf } from '../support/tensors.ts';

const metrics = ['sqeuclidean', 'euclidean', 'l1'] as const;

describe.each(devices)('divergences on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const step = kind === 'cpu' ? 1 : 45;

  it.each([undefined, 1e-6, 1e-4, 1e-3])('to a tolerance of %s are not negative but for rounding', async (tol) => {
    for (let run = 0; run < 90; run += step) {
      const next = splitmix(run);
      const [n, d] = [1 + Math.floor(12 * next()), 1 + Math.floor(3 * next())];
      const metric = metrics[run % 3]!;
      const eps = 10 ** -(2 * next());
      const points = Float64Array.from({ length: n * d }, () => 2 * next() - 1);
      const shift = [0, 1e-9, 1e-3][Math.floor(run / 3) % 3]!;
      const weights = Float64Array.from({ length: n }, () => next() + 0.01);
      const total = weights.reduce((x, y) => x + y);
      const a = run % 2 === 0 ? undefined : weights.map((x) => x / total);
      using x = Tensor.from(device, points, [n, d]);
      using y = Tensor.from(
        device,
        points.map((p) => p + shift),
        [n, d],
      );
      using divergence = await sinkhornDivergence({ x, y, metric }, { a, b: a, eps, tol });
      const largest = Math.max(eps, ...(await valuesOf(divergence.xx.f)).map(Math.abs));
      // Each sum is of numbers of the potentials' size, and so is each exponent, in units of eps.
      expect(divergence.value, `run ${run}`).toBeGreaterThanOrEqual(-(2 ** -49) * largest);
      if (shift === 0) expect(Math.abs(divergence.value)).toBeLessThan(1e-8);
    }
  });

  it('of points in f32 are not negative either: their distances are exact', async () => {
    for (let run = 0; run < 30; run += step) {
      const next = splitmix(1000 + run);
      const n = 2 + Math.floor(20 * next());
      const points = Float32Array.from({ length: 2 * n }, () => 4 * next());
      using x = Tensor.from(device, points, [n, 2]);
      for (const method of [undefined, 'sns'] as const) {
        using divergence = await sinkhornDivergence({ x, y: x }, { eps: 0.05, tol: 1e-3, method });
        expect(divergence.value).toBeGreaterThanOrEqual(-(2 ** -48));
      }
    }
  });
});
