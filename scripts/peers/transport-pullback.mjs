// node scripts/peers/transport-pullback.mjs [size …]: the time of a pullback beside that of the solution it goes through, in f64
// on one thread, for 500 and 2000 unless sizes are given; CPU time, the least of rounds that take turns.
import process from 'node:process';
import { Device, sinkhorn, Tensor } from '../../dist/index.js';

const device = Device.open('cpu', { threads: 1 });
const rand = (shape, seed) => Tensor.rand(device, shape, { seed, dtype: 'f64' });
const round = (x) => Number(x.toPrecision(3));

/** Costs, options, cotangents and what the gradients are by. */
function* cases(n) {
  const points = { x: rand([n, 2], 1), y: rand([n, 2], 2) };
  const uniform = rand([n, n], 3);
  const plan = rand([n, n], 4);
  const factors = { left: rand([n, 2], 5), right: rand([n, 2], 6) };
  const potentials = { f: rand([n], 7) };
  yield ['uniform costs, eps 1e-3', uniform, { eps: 1e-3 }, { plan }, ['cost']];
  yield ['uniform costs, eps 0.05', uniform, { eps: 0.05 }, { plan }, ['cost']];
  yield ['points, auto, eps 1e-3', points, { eps: 1e-3, method: 'auto' }, { plan: factors }, ['x', 'a']];
  yield ['points, auto, eps 1e-3, potentials', points, { eps: 1e-3, method: 'auto' }, potentials, ['x', 'a']];
  yield ['points, sinkhorn, eps 0.05', points, { eps: 0.05, method: 'sinkhorn' }, { plan: factors }, ['x', 'a']];
}

async function spent(work) {
  const { user, system } = process.cpuUsage();
  await work();
  const after = process.cpuUsage();
  return (after.user + after.system - user - system) / 1e3;
}

for (const n of process.argv.length > 2 ? process.argv.slice(2).map(Number) : [500, 2000])
  for (const [name, cost, options, cotangents, by] of cases(n)) {
    let [solution, pullback] = [Infinity, Infinity];
    let status;
    for (const start = performance.now(); performance.now() - start < 4000; ) {
      let result;
      solution = Math.min(
        solution,
        await spent(async () => {
          result = await sinkhorn(cost, { ...options, tol: 1e-9 });
        }),
      );
      ({ status } = result);
      const work = async () => {
        for (const tensor of Object.values(await result.pullback(cotangents, by))) tensor.dispose();
      };
      pullback = Math.min(pullback, await spent(work));
      result.dispose();
    }
    console.log(
      JSON.stringify({ name, n, solution_ms: round(solution), pullback_ms: round(pullback), by: by.join(), status }),
    );
  }
await device.close();
