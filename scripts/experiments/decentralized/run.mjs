// Nodes of one graph by DADAO: the error by time, and what it has taken.
import { Device, ops, Tensor } from 'orthokit';
import { DadaoGraph, DadaoSimulation } from 'orthokit/decentralized';
import { fistaStronglyConvex } from 'orthokit/solvers';
import { digitsOf, dim, gradientOf, lipschitz, mu } from '../../../examples/decentralized/problem.mjs';

/** @typedef {keyof typeof graphs} GraphName */
/** @typedef {{ revision: number, size: 'full' | 'quick', graph: GraphName, seed: number }} Settings */

export const sizes = {
  full: { side: 4, each: 40, until: 150 },
  quick: { side: 2, each: 10, until: 20 },
};

const pairs = (/** @type {number} */ n, /** @type {(i: number, j: number) => boolean} */ isEdge) => {
  /** @type {[number, number][]} */
  const edges = [];
  for (let i = 0; i < n; ++i) for (let j = i + 1; j < n; ++j) if (isEdge(i, j)) edges.push([i, j]);
  return edges;
};
/** Edges of side² nodes. */
export const graphs = {
  ring: (/** @type {number} */ side) => pairs(side ** 2, (i, j) => j === i + 1 || (i === 0 && j === side ** 2 - 1)),
  grid: (/** @type {number} */ side) => pairs(side ** 2, (i, j) => j === i + side || (j === i + 1 && j % side !== 0)),
  star: (/** @type {number} */ side) => pairs(side ** 2, (i) => i === 0),
  complete: (/** @type {number} */ side) => pairs(side ** 2, () => true),
};

/** The slope of the logarithm of errors, by least squares over the second half of the time. @param {readonly (readonly number[])[]} trace */
export function slopeOf(trace) {
  const half = trace.filter(([time]) => time >= /** @type {readonly number[]} */ (trace.at(-1))[0] / 2);
  const points = half.map(([time, error]) => [time, Math.log(error)]);
  const [x, y] = [0, 1].map((k) => points.reduce((sum, point) => sum + point[k] / points.length, 0));
  const over = points.reduce((sum, [t, value]) => sum + (t - x) * (value - y), 0);
  return over / points.reduce((sum, [t]) => sum + (t - x) ** 2, 0);
}

/** @param {Settings} settings */
export async function run({ size, graph: name, seed }) {
  const { side, each, until } = sizes[size];
  const nodes = side ** 2;
  const device = Device.open('cpu', { threads: 1 });
  const gradients = digitsOf(nodes, each).parts.map((part) => gradientOf(device, part));
  const zeros = () => Tensor.zeros(device, [dim]);
  const [best, one] = [zeros(), zeros()];
  const gradient = (/** @type {readonly Tensor[]} */ [out]) => {
    for (const [i, of] of gradients.entries()) {
      of(best, one);
      const terms = i === 0 ? [one] : [out, one];
      ops.linearCombination(device, { out: [out], terms, coefficients: i === 0 ? [1 / nodes] : [1, 1 / nodes] });
    }
  };
  await fistaStronglyConvex({ params: [best], gradient }, { mu, lipschitz, accuracy: 1e-5 });
  const solution = await best.read();
  const square = solution.reduce((/** @type {number} */ sum, /** @type {number} */ value) => sum + value ** 2, 0);
  const graph = new DadaoGraph(nodes, graphs[name](side));
  const functions = gradients.map((own) => ({ dim, x0: zeros(), gradient: own }));
  const simulation = new DadaoSimulation(graph, functions, { mu, lipschitz, seed });
  /** @type {[number, number, number, number][]} */
  const trace = [];
  await simulation.run(until, {
    every: until / 40,
    async onSample({ time, gradients: made, communications, x }) {
      let error = 0;
      for (const node of x) for (const [k, value] of (await node.read()).entries()) error += (value - solution[k]) ** 2;
      trace.push([time, error / nodes / square, made, communications]);
    },
  });
  simulation.dispose();
  await device.close();
  return { chi1: graph.chi1, chi2: graph.chi2, rate: graph.minRate, trace, slope: slopeOf(trace) };
}
