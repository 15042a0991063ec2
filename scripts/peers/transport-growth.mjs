// node scripts/peers/transport-growth.mjs [size …]: how time and memory of transport grow with its size, in f32 on one thread,
// from 250 to 8000 unless sizes are given. Each problem has a process of its own: CPU time of a call, and the largest
// resident memory of the process, its runtime and its cost included.
import { execFileSync } from 'node:child_process';
import process from 'node:process';
import { Device, sinkhorn, Tensor } from '../../dist/index.js';

const kinds = {
  // A matrix of uniform costs.
  'matrix auto': { eps: 1e-3, tol: 1e-3, method: 'auto' },
  'matrix sns': { eps: 1e-3, tol: 1e-3, method: 'sns' },
  // Points in the plane by squared distance, whose costs the method stores.
  'points sns': { eps: 2e-3, tol: 1e-3, method: 'sns' },
  // The same without storing them.
  'points sinkhorn': { eps: 5e-2, tol: 1e-3, method: 'sinkhorn' },
};

async function own(kind, n) {
  const device = Device.open('cpu', { threads: 1 });
  const points = (seed) => Tensor.rand(device, [n, 2], { seed, dtype: 'f32' });
  const cost = kind.startsWith('matrix')
    ? Tensor.rand(device, [n, n], { seed: 1, dtype: 'f32' })
    : { x: points(1), y: points(2) };
  let result;
  const work = async () => {
    const { user, system } = process.cpuUsage();
    result = await sinkhorn(cost, kinds[kind]);
    result.dispose();
    const spent = process.cpuUsage();
    return (spent.user + spent.system - user - system) / 1e3;
  };
  const times = [];
  for (const start = performance.now(); times.length < 1 || performance.now() - start < 1000; )
    times.push(await work());
  const { status, iterations } = result;
  const peak = process.resourceUsage().maxRSS / 1024;
  const round = (x) => Number(x.toPrecision(3));
  console.log(
    JSON.stringify({ kind, n, cpu_ms: round(Math.min(...times)), peak_mib: Math.round(peak), status, ...iterations }),
  );
  await device.close();
}

const [first, kind, size] = process.argv.slice(2);
if (first === '--own') {
  await own(kind, Number(size));
} else {
  const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [250, 500, 1000, 2000, 4000, 8000];
  for (const name of Object.keys(kinds))
    for (const n of sizes)
      process.stdout.write(execFileSync(process.execPath, [import.meta.filename, '--own', name, `${n}`]));
}
