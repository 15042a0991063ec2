// node scripts/peers/transport-points.mjs [size [coordinates]]: sweeps between two clouds of points by squared distance, on one
// thread, against POT's on the matrix of distances, which it computes first, and NumPy's and PyTorch's on blocks of it that
// are made each time: `sweeps` of each, in f64. Each runs in a process of its own; times are of its CPU.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { Device, sinkhorn, Tensor } from '../../dist/index.js';
import { race } from './race.mjs';

const sweeps = 20;

async function own(n, d) {
  const device = Device.open('cpu', { threads: 1 });
  const [x, y] = [1, 2].map((seed) => Tensor.rand(device, [n, d], { seed, dtype: 'f64' }));
  const work = async () => {
    const result = await sinkhorn({ x, y }, { eps: d / 64, tol: 1e-300, maxSweeps: sweeps, method: 'sinkhorn' });
    if (result.iterations.sweeps !== sweeps) throw new Error(`${result.iterations.sweeps} sweeps`);
    result.dispose();
  };
  await work();
  await race('orthokit', '', `points ${n} × ${d}`, work, 5);
  await device.close();
}

const [first, ...rest] = process.argv.slice(2);
if (first === '--own') {
  await own(Number(rest[0]), Number(rest[1]));
} else {
  const [n, d] = [first ?? '2000', rest[0] ?? '64'];
  const one = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };
  const run = (program, args) => {
    console.log(execFileSync(program, args, { encoding: 'utf8', env: { ...process.env, ...one } }).trim());
  };
  run(process.execPath, [import.meta.filename, '--own', n, d]);
  for (const peer of ['pot', 'numpy', 'torch'])
    run('/usr/bin/python3', [path.join(import.meta.dirname, 'transport_points_peer.py'), peer, n, d, `${sweeps}`]);
}
