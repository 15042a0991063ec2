// Eight processes on Unix sockets train a softmax regression on digits that are split by class. One of them is stopped for a while, goes
// on, is killed and comes back; nobody waits for it.
// usage: node examples/decentralized/train.mjs [--nodes 8] [--each 400] [--unit 50] [--stop 5] [--error 1e-4] [--seconds 120]
//   --each      digits of a node
//   --unit      milliseconds of a unit of time, in which a node has one gradient in the mean
//   --stop      seconds for which node 2 is stopped, before it is killed
//   --error     mean squared distance of the nodes to the solution, as a share of its square, that is enough
//   --seconds   most of it
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Device, loadTensors, ops, Tensor } from 'orthokit';
import { DadaoGraph } from 'orthokit/decentralized';
import { fistaStronglyConvex } from 'orthokit/solvers';
import { table } from '../digits/table.mjs';
import { digitsOf, dim, gradientOf, lipschitz, mu, ring, shareRight } from './problem.mjs';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '8' },
    each: { type: 'string', default: '400' },
    unit: { type: 'string', default: '50' },
    stop: { type: 'string', default: '5' },
    error: { type: 'string', default: '1e-4' },
    seconds: { type: 'string', default: '120' },
  },
});
const [nodes, each, unit, stop, enough, seconds] = [values.nodes, values.each, values.unit, values.stop, values.error, values.seconds].map(Number); // biome-ignore format: one line

const device = Device.open('cpu', { threads: 1 });
const { parts, test } = digitsOf(nodes, each);
const edges = ring(nodes);
const graph = new DadaoGraph(nodes, edges);
// Half more than the theory asks for: some communications are given up.
const rate = 1.5 * graph.minRate;
const method = { dim, mu, lipschitz, chi1Star: graph.chi1 / rate };
const best = await solution();
const square = best.reduce((sum, value) => sum + value * value, 0);

const folder = mkdtempSync(path.join(os.tmpdir(), 'dadao-'));
const neighboursOf = (/** @type {number} */ id) => edges.filter((edge) => edge.includes(id)).map(([i, j]) => (i === id ? j : i)); // biome-ignore format: one line
/** @typedef {{ id: number, counts: Record<string, number>, time: number, isOpen: boolean, x: Float32Array, state: string }} Report */
const children = Array.from({ length: nodes }, (_, id) => begin(id));
const wait = (/** @type {number} */ s) => new Promise((done) => setTimeout(done, 1000 * s));

try {
  await Promise.all(children.map(({ ready }) => ready));
  const start = performance.now();
  const since = () => (performance.now() - start) / 1000;
  const unlucky = 2 % nodes;
  const stopped = children[unlucky];
  await told(0.3);

  stopped.process.kill('SIGSTOP');
  console.log(`${since().toFixed(1)} s: node ${unlucky} is stopped for ${stop} s`);
  const before = await reports(children.filter((one) => one !== stopped));
  await wait(stop);
  const after = await reports(children.filter((one) => one !== stopped));
  console.log(`${since().toFixed(1)} s: the others have gone on from time ${mean(before, 'time').toFixed(1)} to ${mean(after, 'time').toFixed(1)}`); // biome-ignore format: one line
  stopped.process.kill('SIGCONT');
  await wait(0.5);
  const [again] = await reports([stopped]);
  console.log(`${since().toFixed(1)} s: node ${unlucky} has gone on to time ${again.time.toFixed(1)}`);

  stopped.process.kill('SIGKILL');
  await stopped.gone;
  console.log(`${since().toFixed(1)} s: node ${unlucky} is killed`);
  await wait(Math.min(1, stop / 5));
  children[unlucky] = begin(unlucky);
  await children[unlucky].ready;
  const [back] = await reports([children[unlucky]]);
  console.log(`${since().toFixed(1)} s: node ${unlucky} is back, from its snapshot and ${back.counts.replayed} events of its journal`); // biome-ignore format: one line

  const error = await told(enough);
  let last = await reports(children, 'end');
  while (last.some(({ isOpen }) => isOpen)) {
    await wait(0.1);
    last = await reports(children, 'end');
  }
  const rows = last.map(({ id, time, counts: c, x }) => [`${id}`, time.toFixed(1), ...[c.gradients, c.communications, c.given, c.resent, c.late, c.doubled, c.refused].map(String), `${(100 * shareRight(test, x)).toFixed(1)} %`]); // biome-ignore format: one line
  console.log(table(['node', 'time', 'gradients', 'communications', 'given up', 'resent', 'late', 'doubled', 'refused', 'right'], rows)); // biome-ignore format: one line
  console.log(`the solution itself: ${(100 * shareRight(test, best)).toFixed(1)} % right`);
  console.log(`z and z̃ of all nodes add up to ${(await leftOver(last)).toExponential(1)} of their size`);
  console.log(error <= enough ? `converged: ${error.toExponential(2)}` : `not converged: ${error.toExponential(2)}`);
  process.exitCode = error <= enough ? 0 : 1;

  /** Tells of the error until it is small enough. @param {number} least */
  async function told(least) {
    for (;;) {
      await wait(0.5);
      const all = await reports(children);
      const found = all.reduce((sum, { x }) => sum + x.reduce((more, value, k) => more + (value - best[k]) ** 2, 0), 0) / nodes / square; // biome-ignore format: one line
      console.log(`${since().toFixed(1)} s: time ${mean(all, 'time').toFixed(1)}, error ${found.toExponential(2)}`);
      if (found <= least || since() > seconds) return found;
    }
  }
} finally {
  for (const child of children) child.process.kill('SIGKILL');
  await Promise.all(children.map(({ gone }) => gone));
  rmSync(folder, { recursive: true, force: true });
  await device.close();
}

/** @param {number} id */
function begin(id) {
  const settings = { id, nodes, each, folder, unit, method, neighbours: neighboursOf(id), rate: rate / edges.length };
  const child = fork(path.join(import.meta.dirname, 'node.mjs'), [JSON.stringify(settings)], { serialization: 'advanced' }); // biome-ignore format: one line
  const gone = new Promise((done) => child.once('exit', done));
  const ready = new Promise((done, fail) => {
    child.once('message', done);
    child.once('exit', () => fail(new Error(`node ${id} has ended`)));
  });
  ready.catch(() => {});
  return { process: child, ready, gone };
}

/** @param {readonly ReturnType<typeof begin>[]} of @param {'report' | 'end'} [what] @returns {Promise<Report[]>} */
function reports(of, what = 'report') {
  return Promise.all(
    of.map(
      ({ process: child, gone }) =>
        /** @type {Promise<Report>} */ (
          new Promise((done, fail) => {
            child.once('message', (report) => done(/** @type {Report} */ (report)));
            gone.then(() => fail(new Error('a node has ended')));
            child.send(what);
          })
        ),
    ),
  );
}

/** @param {readonly any[]} of @param {string} key */
function mean(of, key) {
  return of.reduce((sum, one) => sum + one[key], 0) / of.length;
}

/** x where the mean of all functions is least. */
async function solution() {
  const gradients = parts.map((part) => gradientOf(device, part));
  const [x, one] = [Tensor.zeros(device, [dim]), Tensor.zeros(device, [dim])];
  const gradient = (/** @type {readonly Tensor[]} */ [out]) => {
    for (const [i, of] of gradients.entries()) {
      of(x, one);
      ops.linearCombination(device, { out: [out], terms: i === 0 ? [one] : [out, one], coefficients: i === 0 ? [1 / nodes] : [1, 1 / nodes] }); // biome-ignore format: one line
    }
  };
  await fistaStronglyConvex({ params: [x], gradient }, { mu, lipschitz, accuracy: 1e-3 });
  return x.read();
}

/** An invariant of communications: Σ (z + 2 z̃) over nodes, 0 at first, against the sum of its parts' lengths. @param {readonly Report[]} of */
async function leftOver(of) {
  const sum = new Float64Array(dim);
  let size = 0;
  for (const { state } of of) {
    const [vectors] = Object.values(await loadTensors(state, device));
    const all = await vectors.read();
    const part = Float64Array.from(sum, (_, k) => all[4 * dim + k] + 2 * all[5 * dim + k]);
    for (let k = 0; k < dim; ++k) sum[k] += part[k];
    size += Math.hypot(...part);
  }
  return Math.hypot(...sum) / size;
}
