// node scripts/peers/transport-own.mjs <kind> <size> <method>: our side of transport.mjs, on one thread.
import { Device, sinkhorn, Tensor } from '../../dist/index.js';
import { splitmix } from '../splitmix.mjs';
import { race } from './race.mjs';

const [kind, size, method] = process.argv.slice(2);
const n = Number(size);

/** Uniform numbers, as transport_peer.py draws them too. */
const uniform = (size) => Float64Array.from({ length: size }, splitmix(1));

/** A ring and a bar as masses on a picture of 28 × 28 pixels, costs by distance. */
function ring(metric) {
  const side = 28;
  const points = Array.from({ length: side * side }, (_, k) => [Math.floor(k / side) / side, (k % side) / side]);
  const distance = {
    sqeuclidean: (x, y) => x * x + y * y,
    euclidean: (x, y) => Math.hypot(x, y),
    l1: (x, y) => Math.abs(x) + Math.abs(y),
  }[metric];
  const bump = (x) => Math.exp(-(x ** 2) / (2 * 0.05 ** 2)) + 0.01;
  const toBar = ([p, q]) => {
    const t = Math.max(0, Math.min(1, ((p - 0.15) * 0.7 + (q - 0.55) * -0.1) / 0.5));
    return Math.hypot(p - 0.15 - t * 0.7, q - 0.55 + t * 0.1);
  };
  const normalized = (x) => {
    const total = x.reduce((y, z) => y + z, 0);
    return x.map((y) => y / total);
  };
  return {
    cost: Float64Array.from(points.flatMap((x) => points.map((y) => distance(x[0] - y[0], x[1] - y[1])))),
    a: normalized(points.map(([p, q]) => bump(Math.hypot(p - 0.5, q - 0.5) - 0.28))),
    b: normalized(points.map((point) => bump(toBar(point)))),
  };
}

/** Cost, masses unless they are uniform, eps and the L1 error of the marginals to reach. */
function problem(kind, n) {
  if (kind === 'uniform') return { cost: uniform(n * n), eps: 1e-3, tol: 1e-9 };
  if (kind === 'uniform-hard') return { cost: uniform(n * n), eps: 1 / 1200, tol: 1e-12 };
  if (kind.startsWith('ring-')) return { ...ring(kind.slice(5)), eps: 1 / 1200, tol: 1e-12 };
  const points = uniform(4 * n);
  const cost = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      cost[i * n + j] = (points[2 * i] - points[2 * (n + j)]) ** 2 + (points[2 * i + 1] - points[2 * (n + j) + 1]) ** 2;
  return { cost, eps: 1e-3 * cost.reduce((x, y) => Math.max(x, y)), tol: 1e-9 };
}

const { cost, ...options } = problem(kind, n);
const device = Device.open('cpu', { threads: 1 });
const tensor = Tensor.from(device, cost, [n, n]);
const work = async () => {
  const result = await sinkhorn(tensor, { ...options, method, maxSweeps: 100_000 });
  if (result.status !== 'converged') throw new Error(`${method} ended ${result.status}`);
  result.dispose();
  return result.marginalError;
};
// Compilation of young JavaScript is no part of the method.
for (const start = performance.now(); performance.now() - start < 500; ) await work();
await race(`orthokit ${method}`, '', `${kind} ${n}`, work, n > 1000 ? 5 : 9);
await device.close();
