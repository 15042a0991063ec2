// Devices: cpu, cuda
// With default options, random problems end converged, or at the end of their numbers, and cost what the exact linear program does
// but for the entropy; and no method that auto chooses from does better alone.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, sinkhorn, Tensor, transportBatch } from '../../lib/index.ts';
import { devices, kind } from '../support/devices.ts';
import { type GoalSizes, goal } from '../support/goal.ts';
import { splitmix } from '../support/splitmix.ts';
import { type RandomProblem, randomProblem, smallProblem } from '../support/transport-problems.ts';

const file = new URL('../golden/transport-lp.json', import.meta.url);
const { costs: leastCosts } = JSON.parse(readFileSync(file, 'utf8')) as { costs: number[] };

// On the emulated device a problem takes seconds.
const on = (cpu: GoalSizes, cuda: GoalSizes) => goal('R11', kind === 'cpu' ? cpu : cuda);
/** Those of which the costs of the linear program are known, so that a deep run takes each of them. */
const known = on({ ci: 400, deep: leastCosts.length, fixed: true }, { ci: 7, deep: 33, fixed: true });
const small = on({ ci: 400, deep: 2000 }, { ci: 7, deep: 33 });
const alone = on({ ci: 80, deep: 2000 }, { ci: 2, deep: 33 });

/** The error of marginals that rounding leaves in f64, as the guide has it: of a total mass of 1. */
const precisionOf = ({ cost, range, eps }: RandomProblem): number =>
  64 * 2 ** -52 * Math.max(1, Math.max(range, ...cost) / eps);

/** The end of a problem that is solved by default: converged, or as near as numbers allow. */
function expectEnd(status: string, error: number, problem: RandomProblem, name: string): void {
  expect(['converged', 'at-precision'], name).toContain(status);
  if (status === 'at-precision') expect(error, name).toBeLessThanOrEqual(precisionOf(problem));
}

describe.each(devices)('R11: transport by default on %s', known.tagged, () => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it(
    'ends converged or at precision, at the cost of the linear program within eps ln(n m)',
    async () => {
      await known.each(async (seed) => {
        const index = seed % leastCosts.length;
        const problem = randomProblem(index);
        const { n, m, cost, a, b, range, eps } = problem;
        using tensor = Tensor.from(device, cost, [n, m]);
        using result = await sinkhorn(tensor, { a, b, eps });
        expectEnd(result.status, result.marginalError, problem, `problem ${index}, ${n} × ${m}`);
        const least = leastCosts[index]!;
        // The plan has marginals that are off by the error: so is the least cost, at most the range times as much.
        const off = range * (result.marginalError + 1e-10);
        expect(result.cost).toBeGreaterThanOrEqual(least - off);
        expect(result.cost).toBeLessThanOrEqual(least + eps * Math.log(n * m) + off);
      });
    },
    known.limit(60_000),
  );

  it(
    'ends so, too, where an entry of the plan may be a small difference of masses, alone and in a batch',
    async () => {
      await small.each(async (seed) => {
        const problem = smallProblem(seed);
        const { n, m, cost, a, b, eps } = problem;
        using tensor = Tensor.from(device, cost, [n, m]);
        using result = await sinkhorn(tensor, { a, b, eps });
        expectEnd(result.status, result.marginalError, problem, `problem ${seed}`);
        using batch = await transportBatch([tensor], { a: [a], b: [b], eps });
        expectEnd(batch.status[0]!, batch.marginalError[0]!, problem, `problem ${seed}, in a batch`);
      });
    },
    small.limit(60_000),
  );

  it(
    'within any bounds, converges where sinkhorn, sns or lbfgs does, and is nowhere further off than the best of them',
    async () => {
      await alone.each(async (seed) => {
        const problem = randomProblem(seed);
        const { n, m, cost, a, b, eps } = problem;
        const next = splitmix(seed + 1e6);
        const options = {
          ...{ a, b, eps, tol: 10 ** -(4 + 7 * next()) },
          maxSweeps: Math.floor(2000 ** next()),
          maxNewton: Math.floor(300 ** next()),
        };
        using tensor = Tensor.from(device, cost, [n, m]);
        using auto = await sinkhorn(tensor, options);
        const { sweeps, newton } = auto.iterations;
        expect(sweeps).toBeLessThanOrEqual(options.maxSweeps);
        expect(newton).toBeLessThanOrEqual(options.maxNewton);
        if (auto.status === 'converged') return;
        if (auto.status === 'at-precision') expect(auto.marginalError).toBeLessThanOrEqual(precisionOf(problem));
        for (const method of ['sinkhorn', 'sns', 'lbfgs'] as const) {
          using other = await sinkhorn(tensor, { ...options, method });
          if (auto.status !== 'at-precision') expect(other.status, method).not.toBe('converged');
          // Both errors are off by what numbers can tell apart.
          const most = other.marginalError + precisionOf(problem);
          expect(auto.marginalError, `${method}, problem ${seed}`).toBeLessThanOrEqual(most);
        }
      });
    },
    alone.limit(60_000),
  );
});
