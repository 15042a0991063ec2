// Sweeps between two clouds of points by squared distance, on one thread, against POT's on the matrix of distances, which it
// computes first, and NumPy's and PyTorch's on blocks of it that are made each time: 20 sweeps of each, in f64, in processes
// that take turns; times are of their CPU.
// usage: node scripts/peers/transport-points.mjs [--turns n] [size [coordinates]]
import { parseArgs } from 'node:util';
import { Device, sinkhorn, Tensor } from '../../dist/index.js';
import { race as rounds } from './race.mjs';
import { here, python, race } from './turns.mjs';

const sweeps = 20;

async function own(n, d) {
  const device = Device.open('cpu', { threads: 1 });
  const [x, y] = [1, 2].map((seed) => Tensor.rand(device, [n, d], { seed, dtype: 'f64' }));
  const work = async () => {
    const result = await sinkhorn({ x, y }, { eps: d / 64, tol: 1e-300, maxSweeps: sweeps, method: 'sinkhorn' });
    if (result.iterations.sweeps !== sweeps) throw new Error(`${result.iterations.sweeps} sweeps`);
    result.dispose();
  };
  await rounds('orthokit', '', `points ${n} × ${d}`, work, 5);
  await device.close();
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { turns: { type: 'string', default: '3' }, own: { type: 'boolean' } },
});
const [n, d] = positionals.length > 0 ? [...positionals, '64'] : ['2000', '64'];
if (options.own) {
  await own(Number(n), Number(d));
} else {
  const racers = new Map([
    ['orthokit', { command: [process.execPath, import.meta.filename, '--own', n, d] }],
    ...['pot', 'numpy', 'torch'].map((peer) => [
      peer,
      { command: [python, here('transport_points_peer.py'), peer, n, d, sweeps] },
    ]),
  ]);
  for (const [peer, line] of race(racers, Number(options.turns)))
    console.log(JSON.stringify({ ...line, peer, n: Number(n), coordinates: Number(d) }));
}
