// node scripts/peers/transport.mjs [size …]: optimal transport against POT and SciPy on one thread, the same problems to the same
// L1 error of the marginals, one after the other in one run. Each runs in a process of its own; times are of its CPU.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { Device, sinkhorn, Tensor } from '../../dist/index.js';
import { race } from './race.mjs';

const folder = import.meta.dirname;
const tol = 1e-9;
const methods = ['auto', 'sns', 'sinkhorn'];
const peers = ['sinkhorn', 'sinkhorn_stabilized', 'lbfgs'];

/** SplitMix64, as transport_peer.py draws it too. */
function splitMix(size, seed) {
  const mask = (1n << 64n) - 1n;
  let state = seed;
  return Float64Array.from({ length: size }, () => {
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    z ^= z >> 31n;
    return Number(z >> 11n) * 2 ** -53;
  });
}

/** Points in the plane by squared distance, or uniform costs; eps is a thousandth of the largest. */
function problem(kind, n) {
  if (kind === 'uniform') return { cost: splitMix(n * n, 1n), largest: 1 };
  const points = splitMix(4 * n, 1n);
  const cost = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      cost[i * n + j] = (points[2 * i] - points[2 * (n + j)]) ** 2 + (points[2 * i + 1] - points[2 * (n + j) + 1]) ** 2;
  return { cost, largest: cost.reduce((x, y) => Math.max(x, y)) };
}

async function own(kind, n, method) {
  const { cost, largest } = problem(kind, n);
  const device = Device.open('cpu', { threads: 1 });
  const tensor = Tensor.from(device, cost, [n, n]);
  const work = async () => {
    const result = await sinkhorn(tensor, { eps: largest * 1e-3, method, tol, maxSweeps: 100_000 });
    if (result.status !== 'converged') throw new Error(`${method} ended ${result.status}`);
    result.dispose();
  };
  await race(`orthokit ${method}`, '', `${kind} ${n}`, work, 3);
  await device.close();
}

const [first, kind, size, method] = process.argv.slice(2);
if (first === '--own') {
  await own(kind, Number(size), method);
} else {
  const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [500, 1000];
  const one = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };
  const run = (program, args) => {
    const line = execFileSync(program, args, { encoding: 'utf8', env: { ...process.env, ...one } }).trim();
    console.log(line);
  };
  for (const n of sizes)
    for (const name of ['plane', 'uniform']) {
      for (const ours of methods) run(process.execPath, [import.meta.filename, '--own', name, `${n}`, ours]);
      for (const peer of peers) run('/usr/bin/python3', [path.join(folder, 'transport_peer.py'), name, `${n}`, peer]);
    }
}
