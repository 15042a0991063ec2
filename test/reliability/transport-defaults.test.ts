// Devices: cpu, cuda
// With default options, random problems end converged, or at the end of their numbers, and cost what the exact linear program does
// but for the entropy; and no method that auto chooses from does better alone.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, sinkhorn, Tensor, transportBatch } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { goal } from '../support/goal.ts';
import { splitmix } from '../support/splitmix.ts';
import { randomProblem, smallProblem } from '../support/transport-problems.ts';

const file = new URL('../golden/transport-lp.json', import.meta.url);
const { costs: leastCosts } = JSON.parse(readFileSync(file, 'utf8')) as { costs: number[] };

const defaults = goal('R11', { ci: 400, deep: 2000 });
const alone = goal('R11', { ci: 80, deep: 2000 });
/** On the emulated device a problem takes seconds. */
const every = { cpu: 1, cuda: 60 } as const;
const ended = ['converged', 'at-precision'];

describe.each(devices)('R11: transport by default on %s', defaults.tagged, (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it(
    'ends converged or at precision, at the cost of the linear program within eps ln(n m)',
    async () => {
      await defaults.each(async (seed) => {
        if (seed % every[kind] > 0) return;
        const index = seed % leastCosts.length;
        const { n, m, cost, a, b, range, eps } = randomProblem(index);
        using tensor = Tensor.from(device, cost, [n, m]);
        using result = await sinkhorn(tensor, { a, b, eps });
        expect(ended, `problem ${index}, ${n} × ${m}`).toContain(result.status);
        const least = leastCosts[index]!;
        // The plan has marginals that are off by the error: so is the least cost, at most the range times as much.
        const off = range * (result.marginalError + 1e-10);
        expect(result.cost).toBeGreaterThanOrEqual(least - off);
        expect(result.cost).toBeLessThanOrEqual(least + eps * Math.log(n * m) + off);
      });
    },
    defaults.limit(60_000),
  );

  it(
    'ends so, too, where an entry of the plan may be a small difference of masses, alone and in a batch',
    async () => {
      await defaults.each(async (seed) => {
        if (seed % every[kind] > 0) return;
        const { n, m, cost, a, b, eps } = smallProblem(seed);
        using tensor = Tensor.from(device, cost, [n, m]);
        using result = await sinkhorn(tensor, { a, b, eps });
        expect(ended).toContain(result.status);
        using batch = await transportBatch([tensor], { a: [a], b: [b], eps });
        expect(ended).toContain(batch.status[0]);
      });
    },
    defaults.limit(60_000),
  );

  it(
    'within any bounds, converges where sinkhorn, sns or lbfgs does, and is nowhere further off than the best of them',
    async () => {
      await alone.each(async (seed) => {
        if (seed % every[kind] > 0) return;
        const { n, m, cost, a, b, range, eps } = randomProblem(seed);
        const next = splitmix(seed + 1e6);
        const options = {
          ...{ a, b, eps, tol: 10 ** -(4 + 7 * next()) },
          maxSweeps: Math.floor(100 * 20 ** next()),
          maxNewton: Math.floor(20 * 15 ** next()),
        };
        using tensor = Tensor.from(device, cost, [n, m]);
        using auto = await sinkhorn(tensor, options);
        const { sweeps, newton } = auto.iterations;
        expect(sweeps).toBeLessThanOrEqual(options.maxSweeps);
        expect(newton).toBeLessThanOrEqual(options.maxNewton);
        if (auto.status === 'converged') return;
        // The least difference of numbers there: 2⁻⁴⁶ of the size of the costs, in units of eps.
        const precision = 2 ** -46 * Math.max(1, Math.max(range, ...cost) / eps);
        for (const method of ['sinkhorn', 'sns', 'lbfgs'] as const) {
          using other = await sinkhorn(tensor, { ...options, method });
          if (auto.status !== 'at-precision') expect(other.status, method).not.toBe('converged');
          // Both errors are off by what numbers can tell apart.
          const most = other.marginalError + precision;
          expect(auto.marginalError, `${method}, problem ${seed}`).toBeLessThanOrEqual(most);
        }
      });
    },
    alone.limit(60_000),
  );
});
