// Devices: cpu, cuda
// Steps queue whole and wait for no number of the device; MAID waits once for each test that it makes.
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { BoRep, LvHba, Maid, type MaidProblem, MultiBlockBilevel } from '../../lib/bilevel/index.ts';
import { Lane } from '../../lib/core/lane.ts';
import { Task } from '../../lib/core/task.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { blocksOf } from './blocks.ts';
import { bounded } from './constrained.ts';
import { cosh } from './cosh.ts';
import { constants, leastSquares } from './least-squares.ts';

describe.each(devices)('reads on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  afterEach(() => vi.restoreAllMocks());
  const steps = kind === 'cpu' ? 20 : 3;

  it.each(['BoRep', 'LvHba', 'MultiBlockBilevel, v1', 'MultiBlockBilevel, v2'])(
    '%s takes steps while no read ends',
    async (name) => {
      const make = async () => {
        if (name === 'BoRep') {
          const oracle = cosh(device);
          return { x: oracle.x[0]!, method: new BoRep(oracle, { lr: 0.1, lowerLr: 0.2, nu: 0.2, radius: 1 }) };
        }
        if (name === 'LvHba') {
          const problem = bounded(device);
          const method = new LvHba(problem, { alpha: 0.05, beta: 0.05, eta: 0.05 });
          await method.init();
          return { x: problem.x, method };
        }
        const blocks = blocksOf(device);
        const rates = { alpha: 0.5, beta: 0.5, lr: 0.02, lowerLr: 0.1, seed: 1 };
        const variant = name.endsWith('v1') ? 'v1' : 'v2';
        return { x: blocks.x, method: new MultiBlockBilevel(blocks, { variant, blocksPerStep: 4, ...rates }) };
      };
      const [one, other] = [await make(), await make()];
      for (let t = 0; t < steps; ++t) await other.method.step();
      const read = vi.spyOn(Tensor.prototype, 'read').mockImplementation(() => new Promise(() => {}));
      for (let t = 0; t < steps; ++t) await one.method.step();
      // The guard asks a busy device how it went, once, and nobody waits for the answer.
      expect(read.mock.calls.length).toBeLessThanOrEqual(1);
      read.mockRestore();
      expect(await one.x.read()).toEqual(await other.x.read());
    },
  );

  it('Maid reads once a test: of a lower solution, a linear system, a step and a gradient', async () => {
    const { lower, upper } = leastSquares(device);
    const asked = { gradient: 0, product: 0, transposed: 0, value: 0 };
    const counted =
      <A extends unknown[]>(name: keyof typeof asked, call: (...args: A) => void | Promise<void>) =>
      (...args: A) => {
        asked[name] += 1;
        return call(...args);
      };
    const problem: MaidProblem = {
      lower: {
        gradient: counted('gradient', lower.gradient),
        hessianProduct: counted('product', lower.hessianProduct),
        jacobianTransposed: counted('transposed', lower.jacobianTransposed),
      },
      upper: { ...upper, value: counted('value', upper.value) },
    };
    const { mu, lipschitz, B } = constants;
    const options = {
      mu,
      lipschitz,
      bounds: { B, LB: 0, LAinv: 0 },
      step0: 0.01,
      maxIterations: kind === 'cpu' ? 30 : 2,
    };
    const waits = [vi.spyOn(Lane.prototype, 'read'), vi.spyOn(Task.prototype, 'readAll')];
    const theta = Tensor.full(device, [5, 1], 1, { dtype: 'f64' });
    const { iterations, x } = await new Maid(problem, options).run(
      theta,
      Tensor.zeros(device, [5, 1], { dtype: 'f64' }),
    );
    x.dispose();
    expect(iterations).toBeGreaterThan(1);
    // Each test asks one function, and takes all that it has to know in one read.
    const tests = asked.gradient + asked.product + asked.transposed + asked.value;
    const reads = waits.reduce((count, { mock }) => count + mock.calls.length, 0);
    expect(reads).toBeGreaterThan(iterations);
    expect(reads).toBeLessThanOrEqual(tests);
  });
});
